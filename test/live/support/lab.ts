import { GUEST_DRIVEN } from '../../../host/protection/iommu/guest-driven/name.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { LiveMachine } from '../../../src/live/live-machine.js';
import { liveProtectionOf } from '../../../src/live/live-plan.js';
import { ArrayRam, type LiveRam } from '../../../src/live/ram/live-ram.js';
import { DescriptorNumbers } from '../../../src/live/vfio-user/interrupt-descriptors.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { Client } from './client.js';
import { ACCESS_PLATFORM, Driver } from './driver.js';

export const GUEST_BYTES = 4 * 2 ** 20;
/** Station addresses of guests, from the first on. */
export const MAC = 0x020000000001;

/** What a lab may be told. */
export interface LabOptions {
  readonly protection?: string;
  readonly weights?: readonly number[];
  readonly discipline?: string;
  /** Puts something between the machine and a guest's RAM. */
  readonly wrapRam?: (ram: ArrayRam) => LiveRam;
  readonly scenario?: Partial<ScenarioInput>;
  readonly uplink?: (frame: Uint8Array) => void;
}

/** A live machine in virtual time, with a client and a driver for each guest. No clock, no socket, no file. */
export class Lab {
  readonly live: LiveMachine;
  readonly rams: ArrayRam[] = [];
  readonly clients: Client[] = [];
  readonly drivers: Driver[] = [];
  readonly #ownIommus: boolean;
  readonly #numbers = new DescriptorNumbers();

  constructor(options: LabOptions = {}) {
    const weights = options.weights ?? [1, 1];
    const { uplink, protection = 'cdna' } = options;
    this.#ownIommus = protection === GUEST_DRIVEN;
    const scenario = checkScenario({
      guests: weights.map((weight, index) => ({
        name: `guest${index}`,
        attached: true,
        weight,
        memoryMegabytes: 4,
      })),
      ...options.scenario,
    });
    this.live = new LiveMachine({
      scenario,
      directory: '.',
      captures: new Map(),
      seed: 1,
      protection: liveProtectionOf(protection, scenario),
      makeDiscipline: () =>
        makeDiscipline(options.discipline ?? 'drr', {
          linkBps: options.scenario?.nic?.rateBps ?? 1e9,
          linkVaries: true,
        }),
      makeRam: (index) => {
        const ram = new ArrayRam(new Uint8Array(GUEST_BYTES));
        this.rams[index] = ram;
        return options.wrapRam?.(ram) ?? ram;
      },
      ...(uplink === undefined
        ? {}
        : { uplink: (bytes, offset, length) => uplink(bytes.slice(offset, offset + length)) }),
    });
    for (const index of weights.keys()) this.plugIn(index);
  }

  /** A new virtual machine for a guest: its own client, its own driver, the same RAM. */
  plugIn(index: number): Driver {
    const { live } = this;
    const client = new Client(
      {
        connect: (connection) => live.attach(index, connection),
        send: (bytes, ram = []) => live.receive(index, bytes, this.#numbers.next(index, ram)),
        close: () => live.detach(index),
      },
      this.#ownIommus,
    );
    const driver = new Driver(client, {
      read: (address, length) => this.ram(index).slice(address, address + length),
      write: (address, bytes) => this.ram(index).set(bytes, address),
    });
    if (this.#ownIommus) driver.features |= ACCESS_PLATFORM;
    this.clients[index] = client;
    this.drivers[index] = driver;
    return driver;
  }

  /** The RAM of a guest, as its own CPU has it. */
  ram(index: number): Uint8Array {
    const ram = this.rams[index];
    if (ram === undefined) throw new Error(`no guest ${index}`);
    return ram.array;
  }

  driver(index: number): Driver {
    const driver = this.drivers[index];
    if (driver === undefined) throw new Error(`no driver ${index}`);
    return driver;
  }

  /** Connects a guest, maps its RAM and starts its driver. */
  boot(index: number, features?: bigint): Driver {
    const driver = this.driver(index);
    driver.client.connect();
    driver.client.version();
    driver.client.map(0, GUEST_BYTES, 0);
    driver.start(features);
    this.run(2_000_000);
    return driver;
  }

  /** Lets virtual time pass, ns. */
  run(ns = 1_000_000): void {
    this.live.run(this.live.kernel.nowNs + ns);
  }
}
