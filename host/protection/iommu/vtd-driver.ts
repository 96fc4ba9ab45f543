import { ParameterError } from '../../../scheduler/errors.js';
import type { HostParts } from '../../host-parts.js';
import { pageSize, pageStart } from '../../iommu/page-arithmetic.js';
import { queueTiming } from '../../iommu/queue-timing.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TableWalker } from '../../iommu/table-walker.js';
import { TranslationCache } from '../../iommu/translation/translation-cache.js';
import { ContextTables } from '../../iommu/vtd/context-tables.js';
import { vtdFaultText } from '../../iommu/vtd/fault-reasons.js';
import {
  DESCRIPTOR_BYTES,
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../iommu/vtd/invalidation-descriptors.js';
import { FSTS, GCMD } from '../../iommu/vtd/registers.js';
import { RemappingUnit } from '../../iommu/vtd/remapping-unit.js';
import { createSecondLevelTable } from '../../iommu/vtd/second-level-table.js';
import { PAGE_BYTES } from '../../memory/physical-memory.js';
import type {
  IommuCounters,
  IommuDriver,
  IommuDriverOptions,
  IommuFault,
  WhenReported,
} from './iommu-driver.js';
import { IommuGate } from './iommu-gate.js';
import { orderOf } from './page-order.js';
import { TablePages } from './table-pages.js';
import { UnitFaultLog } from './unit-fault-log.js';
import { UnitQueue } from './unit-queue.js';

/** Register offsets of VT-d, as a driver knows them. */
const RTADDR = 0x20;
const GCMD_OFFSET = 0x18;
const FSTS_OFFSET = 0x34;
const FECTL = 0x38;
const IQH = 0x80;
const IQT = 0x88;
const IQA = 0x90;
const ICS = 0x9c;
const IECTL = 0xa0;
/** Top word of a fault recording register: F and T. */
const FAULT_VALID = 0x8000_0000;
const FAULT_READ = 0x4000_0000;

/** log2 of the queue's slots beyond 256: QS of IQA. */
const QUEUE_SIZE = 3;
const QUEUE_SLOTS = 2 ** (8 + QUEUE_SIZE);
const PAGE_BITS = 12;
/** Levels of second-level tables, and the AW field that says so. */
const LEVELS = 4;

/** The hypervisor's driver for a VT-d unit in legacy mode with queued invalidation. */
export class VtdDriver implements IommuDriver {
  readonly vendor = 'vtd' as const;
  readonly unit: RemappingUnit;
  readonly timing: TranslationCache;
  readonly gate: IommuGate;
  readonly tablePages: TablePages;
  readonly cachingMode: boolean;
  readonly #parts: HostParts;
  readonly #contexts: ContextTables;
  readonly #queue: UnitQueue<InvalidationDescriptor>;
  readonly #queueBase: number;
  readonly #faultLog: UnitFaultLog;
  /** Written to the queue and used again. */
  readonly #rangeCommand = {
    type: 'iotlb' as const,
    granularity: 'page' as const,
    domainId: 0,
    address: 0,
    addressMask: 0,
    leafOnly: false,
  };
  #invalidations = 0;

  constructor(parts: HostParts, options: IommuDriverOptions) {
    this.#parts = parts;
    const { hypervisor, memory, kernel } = parts;
    this.cachingMode = options.cachingMode;
    this.tablePages = new TablePages(hypervisor);
    this.#faultLog = new UnitFaultLog(parts, () => this.#readFaults());
    let unit: RemappingUnit | undefined;
    const walker: TableWalker = { walk: (id, iova, write, out) => unit?.walk(id, iova, write, out) };
    this.timing = new TranslationCache(walker, options.seed, options.timing);
    unit = new RemappingUnit({
      kernel,
      memory,
      reachable: (address) => memory.contains(address, PAGE_BYTES),
      sink: this.timing,
      interrupts: {
        raise: (source) => (source === 'invalidation' ? this.#onWaitDone() : this.#faultLog.onInterrupt()),
      },
      capabilities: { cachingMode: options.cachingMode },
      timing: options.queueTiming,
    });
    this.unit = unit;
    this.gate = new IommuGate({
      timing: this.timing,
      onFault: (id, address, write, walk) => unit.recordFault(id, address, write, walk),
      managementRequester: options.managementRequester,
      sharedRequester: options.sharedRequester,
      regions: unit.protectedRegions,
    });
    this.#contexts = new ContextTables(memory, this.tablePages);
    this.#queueBase = hypervisor.allocateOwn('io-table', QUEUE_SLOTS * DESCRIPTOR_BYTES);
    const statusAddress = hypervisor.allocateOwn('io-table', 4);
    const { descriptorFetchNs, statusWriteNs } = queueTiming(options.queueTiming);
    const waitCommand = { type: 'wait' as const, statusAddress, statusData: 0, interrupt: true, fence: true };
    this.#queue = new UnitQueue<InvalidationDescriptor>(parts, {
      base: this.#queueBase,
      slotBytes: DESCRIPTOR_BYTES,
      slots: QUEUE_SLOTS,
      statusWord: statusAddress,
      fetchNs: descriptorFetchNs,
      statusNs: statusWriteNs,
      write: (at, descriptor) => writeDescriptor(memory, at, descriptor),
      head: () => unit.registers.read32(IQH),
      moveTail: (offset) => {
        unit.registers.write32(IQT, offset);
        unit.registers.write32(IQT + 4, 0);
      },
      wait: (statusData) => {
        waitCommand.statusData = statusData;
        return waitCommand;
      },
    });
    this.#program();
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

  createTables(): RadixTable {
    return createSecondLevelTable(this.#parts.memory, this.tablePages, LEVELS);
  }

  attach(requesterId: number, domainId: number, tables: RadixTable): void {
    const written = this.#contexts.set(requesterId, {
      present: true,
      faultProcessingDisable: false,
      translationType: 0,
      secondLevelTable: tables.root,
      addressWidth: LEVELS - 2,
      domainId,
    });
    if (!written) throw new ParameterError('no page left for a context table; expected a larger memory');
    this.#invalidateContext(requesterId, domainId);
    this.#queue.wait(() => {});
  }

  detach(requesterId: number, domainId: number, done: () => void): void {
    this.#contexts.clear(requesterId);
    this.#invalidateContext(requesterId, domainId);
    this.invalidateDomain(domainId, done);
  }

  invalidateRange(
    domainId: number,
    iova: number,
    pages: number,
    leafOnly: boolean,
    done: WhenReported,
    page = 0,
  ): void {
    // One descriptor covers an aligned power of two of pages; a range that is not one takes the next that is.
    const command = this.#rangeCommand;
    command.domainId = domainId;
    command.addressMask = orderOf(pages);
    command.leafOnly = leafOnly;
    const bits = PAGE_BITS + command.addressMask;
    const bytes = pageSize(bits);
    const takesNs = this.timing.parameters.pageInvalidationNs;
    for (let address = pageStart(iova, bits); address < iova + pages * PAGE_BYTES; address += bytes) {
      command.address = address;
      this.#queue.submit(command, takesNs);
    }
    this.#invalidations += 1;
    this.#queue.wait(done, iova, pages, page);
  }

  invalidateDomain(domainId: number, done: () => void): void {
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit({ type: 'iotlb', granularity: 'domain', domainId }, takesNs);
    this.#invalidations += 1;
    this.#queue.wait(done);
  }

  waitCharged(): void {
    this.#queue.spin();
  }

  counters(): IommuCounters {
    const { requests, hits, shared, walks, tableReads, contextReads, faults } = this.timing.counters;
    const { recorded, compressed, dropped } = this.unit.faults.counters;
    return {
      translations: requests,
      iotlbHits: hits,
      sharedWalks: shared,
      walks,
      tableReads,
      contextReads,
      translationFaults: faults,
      invalidations: this.#invalidations,
      queueDescriptors: this.unit.queue.processed,
      faultsRecorded: recorded,
      faultsCompressed: compressed,
      faultsDropped: dropped,
      faultsRead: this.#faultLog.read,
      tablePages: this.tablePages.used,
    };
  }

  checkInvariants(): void {
    this.timing.checkInvariants();
    this.unit.checkInvariants();
    this.#queue.checkInvariants(this.unit.queue.busy);
  }

  #program(): void {
    const { registers } = this.unit;
    const write64 = (offset: number, address: number) => registers.write64(offset, BigInt(address));
    write64(RTADDR, this.#contexts.rootTable);
    registers.write32(GCMD_OFFSET, GCMD.SRTP >>> 0);
    write64(IQA, this.#queueBase + QUEUE_SIZE);
    registers.write32(IECTL, 0);
    registers.write32(FECTL, 0);
    registers.write32(GCMD_OFFSET, GCMD.QIE >>> 0);
    registers.write32(GCMD_OFFSET, (GCMD.QIE | GCMD.TE) >>> 0);
  }

  #invalidateContext(requesterId: number, domainId: number): void {
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit({ type: 'context', granularity: 'device', domainId, requesterId }, takesNs);
  }

  #onWaitDone(): void {
    this.unit.registers.write32(ICS, 1);
    this.#queue.onReported();
  }

  /** Takes every record that waits, and clears it, as Linux does in its fault handler (dmar_fault). */
  #readFaults(): void {
    const { registers, capabilities } = this.unit;
    for (let index = 0; index < capabilities.faultRecords; index += 1) {
      const at = capabilities.faultRecordOffset + index * 16;
      const top = registers.read32(at + 12);
      if ((top & FAULT_VALID) === 0) continue;
      const reason = top & 0xff;
      const fault = {
        requesterId: registers.read32(at + 8) & 0xffff,
        address: registers.read32(at) + registers.read32(at + 4) * 2 ** 32,
        write: (top & FAULT_READ) === 0,
        reason,
        text: vtdFaultText(reason),
      };
      this.#faultLog.add(fault, 4);
      registers.write32(at + 12, FAULT_VALID);
    }
    registers.write32(FSTS_OFFSET, FSTS.PFO);
  }
}
