import type { IoPageNumber, IoVirtualAddress, PageNumber, RequesterId } from '../../../nic/addresses.js';
import type { AccessGate } from '../../bus/access-gate.js';
import type { QueueTiming } from '../../iommu/queue-timing.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TimingParameters } from '../../iommu/translation/parameters.js';
import type { TranslationCache } from '../../iommu/translation/translation-cache.js';
import type { VtdCapabilities } from '../../iommu/vtd/capabilities.js';
import type { QueueLockOptions } from './queue-lock.js';
import type { UnitFeatures } from './unit-features.js';

/** Whose unit it is. */
export const IOMMU_VENDORS = ['vtd', 'amdvi'] as const;
export type IommuVendor = (typeof IOMMU_VENDORS)[number];

/** Options with which a driver is started, for either vendor. */
export interface IommuDriverOptions {
  /** Seed of the replacement in the unit's caches. */
  readonly seed: number;
  readonly timing: Partial<TimingParameters>;
  readonly queueTiming: Partial<QueueTiming>;
  /** The lock around the queue; without one, what cores submit does not contend. */
  readonly queueLock: Partial<QueueLockOptions> | undefined;
  /** The one requester ID that the whole card has, if it has only one. */
  readonly sharedRequester: RequesterId | undefined;
  /** Requester ID of the card's own transfers. */
  readonly managementRequester: RequesterId;
  /** VT-d: what the unit can do, where it differs from the default. */
  readonly capabilities: Partial<VtdCapabilities>;
  /** AMD-Vi: most levels that the unit can walk, 4 to 6 (EFR.HATS). */
  readonly maxMode: number | undefined;
  /** A device that has not answered invalidations for too long: its function is to be stopped. */
  readonly onSilentDevice: (requesterId: RequesterId) => void;
  /** A denied access of the requester was read from the log. */
  readonly onFaultRead: (requesterId: RequesterId) => void;
}

/** A fault that the unit has logged and the hypervisor has read. */
export interface IommuFault {
  readonly requesterId: RequesterId;
  /** First byte of the page (VT-d), or the address itself (AMD-Vi; from 2^53 on, the first byte of its page). */
  readonly address: IoVirtualAddress;
  readonly write: boolean;
  /** Fault reason (VT-d) or event code (AMD-Vi). */
  readonly reason: number;
  /** In words. */
  readonly text: string;
  /** When the hypervisor read it, ns. */
  readonly readAtNs: number;
}

/** A storm of faults must not become a storm of memory. */
export const FAULTS_KEPT = 1000;

/**
 * Called when the unit has reported that it is finished, with the range that was asked for and a page number that
 * was given along. One function serves all waits of a kind, so a wait makes no closure.
 */
export type WhenReported = ((first: IoPageNumber, pages: number, page: PageNumber) => void) | Reported;

/** What has a method for that, of which there may be thousands. */
export interface Reported {
  reported(first: IoPageNumber, pages: number, page: PageNumber): void;
}

/** Counts of the caches and walkers of a unit, by name. */
export type IommuCounters = Readonly<Record<string, number>>;

/**
 * The hypervisor's driver for an IOMMU of one vendor: puts tables where the unit will read them, programs its
 * registers, fills its queue and reads its fault log. Times that the CPU waits are charged to the hypervisor.
 */
export interface IommuDriver {
  readonly vendor: IommuVendor;
  readonly gate: AccessGate;
  readonly timing: TranslationCache;
  /**
   * A driver with a defect, for experiments: entries of requesters are changed without the invalidation that must follow.
   * @defaultValue false
   */
  forgetsEntries: boolean;
  /** What the driver has read of the unit's capabilities. */
  readonly features: UnitFeatures;
  /** Faults that were read from the log: the first thousand. */
  readonly faults: readonly IommuFault[];
  /** Table pages that were given back, and are used before any other. */
  readonly spareTablePages: number;
  /** Empty tables for a new domain. @throws RangeError when the machine has no page left. */
  createTables(): RadixTable;
  /** The requester's accesses go through these tables from now on. */
  attach(requesterId: RequesterId, domainId: number, tables: RadixTable): void;
  /**
   * The requester's device may hold translations itself (PCIe ATS), and is asked to drop them behind every invalidation of
   * its domain. The requester is attached.
   */
  enableDeviceTlb(requesterId: RequesterId): void;
  /** Interrupt messages of devices are remapped from now on: without it they reach the hypervisor as they are. */
  remapInterrupts(): void;
  /** The requester reaches nothing any more; `done` runs when no cache holds entries of its domain either. */
  detach(requesterId: RequesterId, domainId: number, done: () => void): void;

  /**
   * Asks for the invalidation of a range of pages, with a wait descriptor behind it. `done` is called when the
   * unit reports that it is finished: until then the device may use what it has cached.
   *
   * @param leafOnly true keeps the walk caches (VT-d IH, AMD-Vi PDE = 0)
   */
  invalidateRange(
    domainId: number,
    first: IoPageNumber,
    pages: number,
    leafOnly: boolean,
    done: WhenReported,
    page?: PageNumber,
  ): void;
  /** Likewise for everything of a domain. */
  invalidateDomain(domainId: number, done: () => void): void;
  /** A batch of maps has ended: where the kernel takes a lock for that, the CPU waits for it; charges the time. */
  mapped(): void;
  /** The CPU waits until everything requested so far is finished; charges the time. */
  waitCharged(): void;

  counters(): IommuCounters;
  readonly denied: number;
  readonly checked: number;
  checkInvariants(): void;
}
