import { GUEST_DRIVEN } from '../../../host/protection/iommu/guest-driven/name.js';
import { LiveMachine } from '../../../src/live/live-machine.js';
import { subjectPlan } from '../../../src/live/live-plan.js';
import type { SessionWriter } from '../../../src/live/log/session-writer.js';
import { ArrayRam } from '../../../src/live/ram/live-ram.js';
import { DescriptorNumbers } from '../../../src/live/vfio-user/interrupt-descriptors.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { Client } from './client.js';
import { ACCESS_PLATFORM, Driver, MRG_RXBUF, VERSION_1 } from './driver.js';
import { GUEST_BYTES } from './lab.js';

/** Where the driver's rings lie: mapped at their own addresses, as one piece. */
const RINGS_AT = 0x10000;
const RINGS_BYTES = 0x20000;

/** What the machine of the lab is. */
export interface GuestIommuOptions {
  readonly protection?: string;
  readonly memoryBytes?: number;
  readonly writer?: SessionWriter;
  readonly scenario?: Partial<ScenarioInput>;
}

/** The scenario of the lab, which its sessions name too. */
export function labScenario(memoryBytes = GUEST_BYTES, changes: Partial<ScenarioInput> = {}) {
  const memoryMegabytes = memoryBytes / 2 ** 20;
  return checkScenario({
    guests: ['a', 'b'].map((name) => ({ name, attached: true, memoryMegabytes })),
    ...changes,
  });
}

/**
 * Two guests behind IOMMUs of their own, in virtual time: drivers of virtio whose rings are mapped at their own addresses
 * (identity), and whose clients map what else they use.
 */
export class GuestIommuLab {
  readonly live: LiveMachine;
  readonly rams: ArrayRam[] = [];
  readonly drivers: Driver[] = [];
  readonly #options: GuestIommuOptions;
  readonly #numbers = new DescriptorNumbers();

  constructor(options: GuestIommuOptions = {}) {
    this.#options = options;
    const { protection = GUEST_DRIVEN, memoryBytes = GUEST_BYTES, writer, scenario } = options;
    this.live = new LiveMachine({
      ...subjectPlan({
        scenario: labScenario(memoryBytes, scenario),
        directory: '.',
        captures: new Map(),
        protection,
        discipline: 'drr',
        seed: 1,
      }),
      makeRam: (index) => {
        this.rams[index] = new ArrayRam(new Uint8Array(memoryBytes));
        return this.rams[index];
      },
      readMemory: (guest, offset, bytes, at, length) => writer?.read(guest, offset, bytes, at, length),
    });
    for (const index of this.live.guests.keys()) this.plugIn(index);
  }

  /** A new virtual machine for a guest. */
  plugIn(index: number): Driver {
    const { live } = this;
    const { writer } = this.#options;
    const client = new Client(
      {
        connect: (connection) => {
          writer?.attach(index);
          return live.attach(index, connection);
        },
        send: (bytes, ram = []) => {
          if (ram.length > 0) writer?.descriptors(index, ram);
          writer?.receive(index, bytes);
          live.receive(index, bytes, this.#numbers.next(index, ram));
        },
        close: () => {
          writer?.detach(index);
          live.detach(index);
        },
      },
      true,
    );
    const driver = new Driver(client, {
      read: (address, length) => this.ram(index).slice(address, address + length),
      write: (address, bytes) => this.ram(index).set(bytes, address),
    });
    this.drivers[index] = driver;
    return driver;
  }

  /** Connects a guest, maps its rings, and starts its driver. */
  boot(index: number): Driver {
    const driver = this.driver(index);
    driver.client.connect();
    driver.client.version();
    driver.client.map(RINGS_AT, RINGS_BYTES, RINGS_AT);
    driver.start(MRG_RXBUF | VERSION_1 | ACCESS_PLATFORM);
    this.run(2_000_000);
    return driver;
  }

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

  run(ns = 1_000_000): void {
    this.#options.writer?.run(this.live.kernel.nowNs + ns);
    this.live.run(this.live.kernel.nowNs + ns);
  }
}
