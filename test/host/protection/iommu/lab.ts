import type { PortOptions } from '../../../../host/protection/guest-port.js';
import { Iommu, type IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import type { IommuVendor } from '../../../../host/protection/iommu/iommu-driver.js';
import type { IommuProtection } from '../../../../host/protection/iommu/iommu-protection.js';
import type { StrategyOptions } from '../../../../host/protection/iommu/strategies/index.js';
import { requesterId } from '../../../../nic/addresses.js';
import {
  frame,
  Machine,
  type MachineOptions,
  macOf,
  PAGE,
  STRANGER,
  type TestGuest,
} from '../../support/machine.js';
import { placeOf, reachedThrough } from '../../support/places.js';

export const VENDORS: readonly IommuVendor[] = ['vtd', 'amdvi'];

/** Longer than any invalidation, far shorter than the window of `deferred`. */
export const SETTLE_NS = 60_000;

/** Caches that forget nothing by themselves: what is stale stays so until it is invalidated. */
const LARGE = { iotlbEntries: 4096, iotlbWays: 4096 };

/** Requester ID of a context: bus 1 upwards, one function each. */
export const requesterOf = (context: number) => 0x0100 + context;

/** A machine with an IOMMU, and eyes at its gate. */
export class IommuLab {
  readonly iommu: IommuProtection;
  readonly machine: Machine<IommuProtection>;

  constructor(options: IommuOptions, machine: MachineOptions = {}) {
    const plan = new Iommu({ ...options, timing: { ...LARGE, ...options.timing } });
    this.machine = new Machine(plan, machine);
    this.iommu = this.machine.host.protection;
  }

  static with(strategy: string, vendor: IommuVendor, strategyOptions: StrategyOptions = {}): IommuLab {
    return new IommuLab({ strategy, vendor, strategyOptions });
  }

  guest(number: number, options: Partial<PortOptions> = {}): TestGuest {
    const guest = this.machine.guest(number, options);
    this.settle();
    return guest;
  }

  settle(ns = SETTLE_NS): void {
    this.machine.run(ns);
  }

  /** Where the device's access really goes: a physical address, or undefined if the gate stops it. */
  reach(guest: TestGuest, address: number, write: boolean): number | undefined {
    const id = requesterOf(guest.port.context);
    const physical = reachedThrough(this.iommu.gate, id, address, 1, write);
    return physical < 0 ? undefined : physical;
  }

  /** The address that the device was told, as it stands in the ring. */
  busAddress(guest: TestGuest, direction: 'transmit' | 'receive', index: number): number {
    const port = this.iommu.ports.get(guest.port.context)?.port;
    if (port === undefined) throw new Error('no such port');
    const queue = port[direction];
    const bytes = this.machine.peek(queue.ringAddress + (index % queue.slots) * 16, 8);
    return Number(new DataView(bytes.buffer).getBigUint64(0, true));
  }

  /** A write of the device that it was not asked for: through the gate, as any other. */
  strayWrite(guest: TestGuest, address: number, bytes: Uint8Array): boolean {
    const id = requesterOf(guest.port.context);
    return this.machine.host.bus.write(requesterId(id), ...placeOf(address), bytes.length, bytes, 0) >= 0;
  }

  details(name: string): number {
    return this.iommu.counters().details[name] ?? 0;
  }
}

/** Sends a small frame from a page; the page stays posted until the guest reclaims. */
export function sendFrom(guest: TestGuest, address: number, length = 100): void {
  guest.store(address, frame(STRANGER, macOf(1), length));
  guest.post({ address, length });
}

export const frameOf = (address: number) => Math.floor(address / PAGE);
