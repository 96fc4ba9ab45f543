import {
  hostPhysicalAddress,
  type IoPageNumber,
  ioPageAddress,
  ioPageAfter,
  ioPageNumber,
  PAGE_BYTES,
  pageNumber,
  type RequesterId,
} from '../../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import type { HostParts } from '../../host-parts.js';
import { pageSize, pageStart } from '../../iommu/page-arithmetic.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TableWalker } from '../../iommu/table-walker.js';
import { TranslationCache } from '../../iommu/translation/translation-cache.js';
import type {
  IommuCounters,
  IommuDriver,
  IommuDriverOptions,
  IommuFault,
  IommuVendor,
  WhenReported,
} from './iommu-driver.js';
import { IommuGate } from './iommu-gate.js';
import { orderOf } from './page-order.js';
import { QueueLock } from './queue-lock.js';
import { QueueRecovery } from './queue-recovery.js';
import { TablePages } from './table-pages.js';
import { UnitFaultLog } from './unit-fault-log.js';
import type { UnitFeatures } from './unit-features.js';
import { UnitQueue } from './unit-queue.js';
import type { VendorMaker, VendorOperations } from './vendor-operations.js';

/**
 * The hypervisor's driver for a translation unit, whichever the vendor: it attaches requesters to tables, fills the
 * unit's queue, waits for reports and reads the fault log. What a vendor does in its own way is in its operations.
 */
export abstract class UnitDriver<Command extends object, Operations extends VendorOperations<Command>>
  implements IommuDriver
{
  abstract readonly vendor: IommuVendor;
  readonly timing: TranslationCache;
  readonly gate: IommuGate;
  readonly tablePages: TablePages;
  forgetsEntries = false;
  protected readonly operations: Operations;
  readonly #queue: UnitQueue<Command>;
  readonly #lock: QueueLock | undefined;
  readonly #recovery: QueueRecovery<Command>;
  readonly #faultLog: UnitFaultLog;
  readonly #attached = new Map<RequesterId, Attachment>();
  /** Requesters whose devices hold translations of their own, and have to be asked to drop them. */
  readonly #deviceTlbs: DeviceTlb[] = [];
  #everDeviceTlb = false;
  #invalidations = 0;

  constructor(parts: HostParts, options: IommuDriverOptions, makeOperations: VendorMaker<Operations>) {
    const { hypervisor, memory, kernel } = parts;
    this.tablePages = new TablePages(hypervisor);
    this.#faultLog = new UnitFaultLog(parts, () => {
      this.operations.readLog((fault, registers) => {
        this.#faultLog.add(fault, registers);
        if (this.operations.isAccess(fault.reason)) options.onFaultRead(fault.requesterId);
      });
      // The same interrupt tells of a queue that has stopped.
      this.#recovery.check();
    });
    // The caches ask the unit, and the unit's queue invalidates the caches.
    const walker: TableWalker = {
      walk: (id, iova, write, out) => this.operations.unit.walk(id, iova, write, out),
      readEntry: (id, write, out) => this.operations.unit.readEntry(id, write, out),
      applyEntry: (page, write, out) => this.operations.unit.applyEntry(page, write, out),
      walkTables: (page, write, out) => this.operations.unit.walkTables(page, write, out),
      stopAtAbsentPage: (write, out) => this.operations.unit.stopAtAbsentPage(write, out),
    };
    this.timing = new TranslationCache(
      kernel,
      walker,
      options.seed,
      options.timing,
      options.capabilities.cachingMode === true,
    );
    const operations = makeOperations(
      {
        kernel,
        memory,
        reachable: (address) => memory.contains(hostPhysicalAddress(address), PAGE_BYTES),
        sink: this.timing,
        interrupts: {
          raise: (source) => (source === 'invalidation' ? this.#onWaitDone() : this.#faultLog.onInterrupt()),
        },
        timing: options.queueTiming,
      },
      this.tablePages,
    );
    this.operations = operations;
    const { unit, regions } = operations;
    this.gate = new IommuGate({
      timing: this.timing,
      onFault: (id, address, write, walk, offset) => unit.recordFault(id, address, write, walk, offset),
      onMessage: (id, address, data, out) => {
        unit.remapInterrupt(id, address, data, out);
        if (!out.delivered) unit.recordInterruptFault(id, out, address);
      },
      managementRequester: options.managementRequester,
      sharedRequester: options.sharedRequester,
      ...(regions === undefined ? {} : { regions }),
    });
    this.#lock = options.queueLock === undefined ? undefined : new QueueLock(parts, options.queueLock);
    this.#queue = new UnitQueue(parts, operations.queue, this.#lock);
    const { globalInvalidationNs, deviceTlbInvalidationNs } = this.timing.parameters;
    this.#recovery = new QueueRecovery(this.#queue, operations, {
      giveUp: (requesterId) => {
        this.#forgetDeviceTlb(requesterId);
        options.onSilentDevice(requesterId);
      },
      devices: () => this.#deviceTlbs.map(({ requesterId }) => requesterId),
      everAnyDevice: () => this.#everDeviceTlb,
      globalNs: globalInvalidationNs,
      deviceNs: deviceTlbInvalidationNs,
    });
    operations.program();
  }

  get features(): UnitFeatures {
    return this.operations.features;
  }

  get faults(): readonly IommuFault[] {
    return this.#faultLog.faults;
  }

  get checked(): number {
    return this.gate.checked;
  }

  get denied(): number {
    return this.gate.denied;
  }

  get spareTablePages(): number {
    return this.tablePages.spare;
  }

  createTables(): RadixTable {
    return this.operations.createTables();
  }

  attach(requesterId: RequesterId, domainId: number, tables: RadixTable): void {
    this.#attached.set(requesterId, { domainId, tables });
    this.operations.writeEntry(requesterId, domainId, tables, false);
    this.#invalidateNewEntry(requesterId, domainId);
    this.#queue.wait(() => {});
  }

  enableDeviceTlb(requesterId: RequesterId): void {
    if (!this.features.deviceTlbs)
      throw new ParameterError('the IOMMU has no support for translations of devices (ECAP.DT, EFR)');
    const attached = this.#attached.get(requesterId);
    if (attached === undefined)
      throw new InvariantViolation(`requester 0x${requesterId.toString(16)} is not attached`);
    this.#everDeviceTlb = true;
    this.#deviceTlbs.push({ requesterId, domainId: attached.domainId });
    this.operations.writeEntry(requesterId, attached.domainId, attached.tables, true);
    this.#invalidateNewEntry(requesterId, attached.domainId);
    this.#queue.wait(() => {});
  }

  remapInterrupts(): void {
    if (!this.features.interruptRemapping)
      throw new ParameterError('the IOMMU does not remap interrupts (ECAP.IR)');
    const takesNs = this.operations.unit.timing.interruptEntryNs;
    for (const command of this.operations.remapInterrupts()) this.#queue.submit(command, takesNs);
    this.#queue.wait(() => {});
  }

  detach(requesterId: RequesterId, domainId: number, done: () => void): void {
    this.operations.writeEntry(requesterId, domainId, undefined, false);
    this.#attached.delete(requesterId);
    this.#invalidateEntry(requesterId, domainId);
    this.#submitDomain(domainId);
    // The device is asked once more, and then no more.
    this.#forgetDeviceTlb(requesterId);
    this.#queue.wait(done);
  }

  invalidateRange(
    domainId: number,
    first: IoPageNumber,
    pages: number,
    leafOnly: boolean,
    done: WhenReported,
    page = pageNumber(0),
  ): void {
    // One command covers an aligned power of two of pages; a range that is not one takes the next that is.
    const order = orderOf(pages);
    if (order > this.features.maxOrder) {
      this.#submitDomain(domainId);
      this.#queue.wait(done, first, pages, page);
      return;
    }
    const size = pageSize(order);
    const takesNs = this.timing.parameters.pageInvalidationNs;
    for (let at = pageStart(first, order); at < first + pages; at = ioPageAfter(at, size)) {
      this.#queue.submit(this.operations.invalidatePages(domainId, at, order, leafOnly), takesNs);
      this.#askDevices(domainId, at, order);
    }
    this.#invalidations += 1;
    this.#queue.wait(done, first, pages, page);
  }

  invalidateDomain(domainId: number, done: () => void): void {
    this.#submitDomain(domainId);
    this.#queue.wait(done);
  }

  mapped(): void {
    this.#lock?.map();
  }

  waitCharged(): void {
    this.#queue.spin();
  }

  counters(): IommuCounters {
    const { requests, hits, shared, walks, tableReads, contextReads, faults } = this.timing.counters;
    const { processed, recorded, compressed, dropped } = this.operations.counts();
    const { errors, devicesStopped } = this.#recovery.counters;
    return {
      translations: requests,
      iotlbHits: hits,
      sharedWalks: shared,
      walks,
      tableReads,
      contextReads,
      translationFaults: faults,
      invalidations: this.#invalidations,
      queueDescriptors: processed,
      faultsRecorded: recorded,
      faultsCompressed: compressed,
      faultsDropped: dropped,
      faultsRead: this.#faultLog.read,
      ...(errors > 0 ? { queueErrors: errors, devicesStopped } : {}),
      ...this.#lock?.counters,
      tablePages: this.tablePages.used,
    };
  }

  checkInvariants(): void {
    this.timing.checkInvariants();
    this.operations.unit.checkInvariants();
    this.#lock?.checkInvariants();
    this.#queue.checkInvariants(this.operations.busy || this.#recovery.pending);
  }

  #invalidateEntry(requesterId: RequesterId, domainId: number): void {
    if (this.forgetsEntries) return;
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit(this.operations.invalidateEntry(requesterId, domainId), takesNs);
  }

  /** The entry names tables now. Without it, `detach` has had the domain's pages dropped. */
  #invalidateNewEntry(requesterId: RequesterId, domainId: number): void {
    this.#invalidateEntry(requesterId, domainId);
    if (this.forgetsEntries || !this.operations.entryChangesPages) return;
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit(this.operations.invalidateDomain(domainId), takesNs);
  }

  #submitDomain(domainId: number): void {
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit(this.operations.invalidateDomain(domainId), takesNs);
    this.#askDevices(domainId, ioPageNumber(0), undefined);
    this.#invalidations += 1;
  }

  /** Devices that hold translations of the domain themselves drop them too, behind the unit's own. */
  #askDevices(domainId: number, first: IoPageNumber, order: number | undefined): void {
    const takesNs = this.timing.parameters.deviceTlbInvalidationNs;
    for (const device of this.#deviceTlbs) {
      if (device.domainId !== domainId) continue;
      const address = ioPageAddress(first);
      this.#queue.submit(this.operations.invalidateDeviceTlb(device.requesterId, address, order), takesNs);
    }
  }

  #forgetDeviceTlb(requesterId: RequesterId): void {
    const at = this.#deviceTlbs.findIndex((device) => device.requesterId === requesterId);
    if (at >= 0) this.#deviceTlbs.splice(at, 1);
  }

  /** A wait was completed, as the unit says. An error of the queue comes first: it may have been completed too early. */
  #onWaitDone(): void {
    this.operations.acknowledgeWait();
    if (this.#recovery.check()) return;
    if (this.#queue.onReported()) this.#recovery.onReported();
  }
}

/** What a requester is attached to. */
interface Attachment {
  readonly domainId: number;
  readonly tables: RadixTable;
}

/** A device with translations of its own, and the domain that they belong to. */
interface DeviceTlb {
  readonly requesterId: RequesterId;
  readonly domainId: number;
}
