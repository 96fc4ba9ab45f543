import type { IoPageNumber, IoVirtualAddress, RequesterId } from '../../../nic/addresses.js';
import type { InterruptResult } from '../../iommu/interrupt-remapping.js';
import type { QueueTiming } from '../../iommu/queue-timing.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TableWalker, WalkResult } from '../../iommu/table-walker.js';
import type { UnitParts } from '../../iommu/unit-parts.js';
import type { IommuFault } from './iommu-driver.js';
import type { ClosedRegions } from './iommu-gate.js';
import type { TablePages } from './table-pages.js';
import type { UnitFeatures } from './unit-features.js';
import type { QueueFormat } from './unit-queue.js';

/** A translation unit as its driver sees it, beside its registers. */
export interface DrivenUnit extends TableWalker {
  readonly timing: QueueTiming;
  /** Logs a request that was stopped. */
  recordFault(
    requesterId: RequesterId,
    address: IoVirtualAddress,
    write: boolean,
    walk: WalkResult,
    offset: number,
  ): unknown;
  /** What becomes of an interrupt message, and the log of one that was stopped. */
  remapInterrupt(requesterId: RequesterId, address: number, data: number, out: InterruptResult): void;
  recordInterruptFault(requesterId: RequesterId, outcome: InterruptResult, address: number): unknown;
  checkInvariants(): void;
}

/**
 * Why a unit's queue has stopped, or what it has passed over: a command that it does not accept, a device that did not
 * answer, or something that a full log has swallowed.
 */
export type QueueError =
  | { readonly kind: 'refused' | 'unknown' }
  | { readonly kind: 'timed-out'; readonly requesterId: RequesterId };

/** Counts of a unit that both vendors share. */
export interface UnitCounts {
  /** Entries of the queue that were carried out. */
  readonly processed: number;
  /** Faults that were logged, joined a record that was there already, or found no space. */
  readonly recorded: number;
  readonly compressed: number;
  readonly dropped: number;
}

/** Takes one record of a unit's log; `registers` reads were needed for it. */
export type FaultReader = (fault: Omit<IommuFault, 'readAtNs'>, registers: number) => void;

/**
 * What differs between the drivers of two vendors: formats, registers and the words of the queue, as in the table of
 * operations that an operating system keeps for each vendor. `UnitDriver` is the rest.
 */
export interface VendorOperations<Command extends object> {
  readonly unit: DrivenUnit;
  /** What the driver has read of the unit's capabilities. */
  readonly features: UnitFeatures;
  /** Physical memory that no device reaches, whatever the tables say. */
  readonly regions?: ClosedRegions;
  /** The ring that commands are written to. */
  readonly queue: QueueFormat<Command>;
  /** True while the unit has entries of its queue to carry out. */
  readonly busy: boolean;
  /** Switches the unit on. Everything that its registers point at is there. */
  program(): void;
  /** Empty tables for a new domain. */
  createTables(): RadixTable;
  /** Points the requester's entry at tables, or makes it refuse everything. Needs an invalidation afterwards. */
  writeEntry(
    requesterId: RequesterId,
    domainId: number,
    tables: RadixTable | undefined,
    deviceTlb: boolean,
  ): void;
  /**
   * Whether a changed entry is to be followed by an invalidation of its domain's pages as well, as
   * AMD's manual asks and Xen once did not (XSA-442, CVE-2023-34326).
   */
  readonly entryChangesPages: boolean;
  /** Commands; the object may be the same each time. An order is log2 of a number of 4 KB pages. */
  invalidateEntry(requesterId: RequesterId, domainId: number): Command;
  invalidateDomain(domainId: number): Command;
  invalidatePages(domainId: number, first: IoPageNumber, order: number, leafOnly: boolean): Command;
  /** Translations that a device holds itself; all of them without an order. */
  invalidateDeviceTlb(
    requesterId: RequesterId,
    address: IoVirtualAddress,
    order: number | undefined,
  ): Command;
  /** Commands that drop everything that the unit holds. */
  invalidateEverything(): readonly Command[];
  /**
   * Has every interrupt message remapped from now on, by tables that deliver none: no device here sends any. Returns
   * the invalidations that must follow.
   */
  remapInterrupts(): readonly Command[];
  /** An error of the queue that no software has dealt with. `deviceTlbs`: devices may have to answer invalidations. */
  queueError(deviceTlbs: boolean): QueueError | undefined;
  /** Clears the error: the unit goes on with what is in the ring. */
  resumeQueue(error: QueueError): void;
  /** Software has seen that a wait was completed. */
  acknowledgeWait(): void;
  /** Empties the unit's log. */
  readLog(take: FaultReader): void;
  /** Whether a record of the log is of an access that was denied, and not of the unit's own queue. */
  isAccess(reason: number): boolean;
  counts(): UnitCounts;
}

/** Makes the operations of a vendor, with a unit that is plugged into `parts`. */
export type VendorMaker<Operations> = (parts: UnitParts, tablePages: TablePages) => Operations;
