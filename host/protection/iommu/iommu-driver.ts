import type { AccessGate } from '../../bus/access-gate.js';
import type { FrameAllocator, RadixTable } from '../../iommu/radix-table.js';

/** A fault that the unit has logged and the hypervisor has read. */
export interface IommuFault {
  readonly requesterId: number;
  readonly address: number;
  readonly reason: number;
}

/** What the caches and walkers of a unit have done, by name. */
export type IommuCounters = Readonly<Record<string, number>>;

/**
 * The hypervisor's driver for an IOMMU of one vendor: puts tables where the unit will read them, programs its
 * registers and fills its queue. Times that the CPU waits are charged to the hypervisor.
 */
export interface IommuDriver {
  readonly vendor: 'vtd' | 'amdvi';
  readonly gate: AccessGate;
  /** Frames for tables: the hypervisor's own, out of any guest's reach. */
  readonly tableFrames: FrameAllocator;
  /** Empty tables for a new domain. */
  createTables(): RadixTable;
  /** The requester's accesses go through these tables from now on. */
  attach(requesterId: number, domainId: number, tables: RadixTable): void;
  /** The requester reaches nothing any more; `done` runs when no cache knows anything of its domain either. */
  detach(requesterId: number, domainId: number, done: () => void): void;

  /**
   * Asks for the invalidation of a range of pages, with a wait descriptor behind it. `done` is called when the
   * unit reports that it is finished: until then the device may use what it has cached.
   *
   * @param leafOnly true keeps the walk caches (VT-d IH, AMD-Vi PDE = 0)
   */
  invalidateRange(domainId: number, iova: number, pages: number, leafOnly: boolean, done: () => void): void;
  /** Likewise for everything of a domain. */
  invalidateDomain(domainId: number, done: () => void): void;
  /** The CPU waits until everything asked for so far is finished; charges the time. */
  waitCharged(): void;

  counters(): IommuCounters;
  readonly denied: number;
  readonly checked: number;
  checkInvariants(): void;
}
