import type { HostParts } from '../../host-parts.js';
import type { QueueTiming } from '../../iommu/queue-timing.js';
import { QUEUE_TIMING } from '../../iommu/queue-timing.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TableWalker } from '../../iommu/table-walker.js';
import type { TimingParameters } from '../../iommu/timing/parameters.js';
import { TranslationTiming } from '../../iommu/timing/translation-timing.js';
import { ContextTables } from '../../iommu/vtd/context-tables.js';
import {
  DESCRIPTOR_BYTES,
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../iommu/vtd/invalidation-descriptors.js';
import { GCMD } from '../../iommu/vtd/registers.js';
import { RemappingUnit } from '../../iommu/vtd/remapping-unit.js';
import { createSecondLevelTable } from '../../iommu/vtd/second-level-table.js';
import { FRAME_BYTES } from '../../memory/physical-memory.js';
import type { IommuCounters, IommuDriver } from './iommu-driver.js';
import { IommuGate } from './iommu-gate.js';
import { TableFrames } from './table-frames.js';

/** Register offsets of VT-d (formats of the vendor's specification), as a driver knows them. */
const RTADDR = 0x20;
const GCMD_OFFSET = 0x18;
const IQT = 0x88;
const IQA = 0x90;
const ICS = 0x9c;
const IECTL = 0xa0;

/** log2 of the queue's slots beyond 256: QS of IQA. */
const QUEUE_SIZE = 3;
const QUEUE_SLOTS = 2 ** (8 + QUEUE_SIZE);
/** Levels of second-level tables, and the AW field that says so. */
const LEVELS = 4;

export interface VtdDriverOptions {
  readonly seed: number;
  readonly timing: Partial<TimingParameters>;
  readonly queueTiming: Partial<QueueTiming>;
  readonly sharedRequester: number | undefined;
  readonly managementRequester: number;
}

/** The hypervisor's driver for a VT-d unit in legacy mode with queued invalidation. */
export class VtdDriver implements IommuDriver {
  readonly vendor = 'vtd' as const;
  readonly unit: RemappingUnit;
  readonly timing: TranslationTiming;
  readonly gate: IommuGate;
  readonly tableFrames: TableFrames;
  readonly #parts: HostParts;
  readonly #contexts: ContextTables;
  readonly #queue: number;
  readonly #status: number;
  readonly #timingNs: {
    readonly fetch: number;
    readonly status: number;
    readonly page: number;
    readonly domain: number;
  };
  readonly #waits: { readonly number: number; readonly done: () => void }[] = [];
  #tail = 0;
  #waitNumber = 0;
  #invalidations = 0;
  /** When the unit will have worked off everything that is in its queue, ns. */
  #idleAtNs = 0;

  constructor(parts: HostParts, options: VtdDriverOptions) {
    this.#parts = parts;
    const { hypervisor, memory, kernel } = parts;
    this.tableFrames = new TableFrames(hypervisor);
    let unit: RemappingUnit | undefined;
    const walker: TableWalker = { walk: (id, iova, write, out) => unit?.walk(id, iova, write, out) };
    this.timing = new TranslationTiming(walker, options.seed, options.timing);
    unit = new RemappingUnit({
      kernel,
      memory,
      reachable: (address) => memory.contains(address, FRAME_BYTES),
      sink: this.timing,
      interrupts: { raise: (source) => (source === 'invalidation' ? this.#onWaitDone() : undefined) },
      timing: options.queueTiming,
    });
    this.unit = unit;
    this.gate = new IommuGate(
      this.timing,
      (id, address, write, walk) => unit.recordFault(id, address, write, walk),
      options.managementRequester,
      options.sharedRequester,
    );
    this.#contexts = new ContextTables(memory, this.tableFrames);
    this.#queue = hypervisor.allocateOwn('io-table', QUEUE_SLOTS * DESCRIPTOR_BYTES);
    this.#status = hypervisor.allocateOwn('io-table', 4);
    const queueNs = (name: keyof QueueTiming) => options.queueTiming[name] ?? QUEUE_TIMING[name].value;
    this.#timingNs = {
      fetch: queueNs('descriptorFetchNs'),
      status: queueNs('statusWriteNs'),
      page: this.timing.parameters.pageInvalidationNs,
      domain: this.timing.parameters.domainInvalidationNs,
    };
    this.#program();
  }

  get checked(): number {
    return this.gate.checked;
  }

  get denied(): number {
    return this.gate.denied;
  }

  createTables(): RadixTable {
    return createSecondLevelTable(this.#parts.memory, this.tableFrames, LEVELS);
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
    if (!written) throw new RangeError('no frame left for a context table; expected a larger memory');
    this.#submit({ type: 'context', granularity: 'device', domainId, requesterId }, this.#timingNs.domain);
    this.#wait(() => {});
  }

  detach(requesterId: number, domainId: number, done: () => void): void {
    this.#contexts.clear(requesterId);
    this.#submit({ type: 'context', granularity: 'device', domainId, requesterId }, this.#timingNs.domain);
    this.#submit({ type: 'iotlb', granularity: 'domain', domainId }, this.#timingNs.domain);
    this.#wait(done);
  }

  invalidateRange(domainId: number, iova: number, pages: number, leafOnly: boolean, done: () => void): void {
    // One descriptor covers an aligned power of two of pages; a range that is not one takes the next that is.
    const addressMask = Math.ceil(Math.log2(pages));
    const bytes = 2 ** addressMask * FRAME_BYTES;
    const first = iova - (iova % bytes);
    this.#submit(
      { type: 'iotlb', granularity: 'page', domainId, address: first, addressMask, leafOnly },
      this.#timingNs.page,
    );
    if (iova + pages * FRAME_BYTES > first + bytes) {
      this.#submit(
        { type: 'iotlb', granularity: 'page', domainId, address: first + bytes, addressMask, leafOnly },
        this.#timingNs.page,
      );
    }
    this.#invalidations += 1;
    this.#wait(done);
  }

  invalidateDomain(domainId: number, done: () => void): void {
    this.#submit({ type: 'iotlb', granularity: 'domain', domainId }, this.#timingNs.domain);
    this.#invalidations += 1;
    this.#wait(done);
  }

  waitCharged(): void {
    const { processor, kernel, hypervisor } = this.#parts;
    const hereNs = kernel.nowNs + processor.elapsedNs;
    if (this.#idleAtNs > hereNs) processor.spin(hypervisor.party, this.#idleAtNs - hereNs);
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
      tablePages: this.tableFrames.used,
    };
  }

  checkInvariants(): void {
    this.timing.checkInvariants();
    this.unit.checkInvariants();
    if (this.unit.queue.busy === false && this.#waits.length > 0)
      throw new Error('a wait was never reported');
  }

  #program(): void {
    const { registers } = this.unit;
    const write64 = (offset: number, address: number) => registers.write64(offset, BigInt(address));
    write64(RTADDR, this.#contexts.rootTable);
    registers.write32(GCMD_OFFSET, GCMD.SRTP >>> 0);
    write64(IQA, this.#queue + QUEUE_SIZE);
    registers.write32(IECTL, 0);
    registers.write32(GCMD_OFFSET, GCMD.QIE >>> 0);
    registers.write32(GCMD_OFFSET, (GCMD.QIE | GCMD.TE) >>> 0);
  }

  /** Puts a descriptor into the queue and moves the tail; `takesNs` is what the unit will need for it. */
  #submit(descriptor: InvalidationDescriptor, takesNs: number): void {
    const { memory, kernel, processor, hypervisor } = this.#parts;
    writeDescriptor(memory, this.#queue + this.#tail, descriptor);
    this.#tail = (this.#tail + DESCRIPTOR_BYTES) % (QUEUE_SLOTS * DESCRIPTOR_BYTES);
    if (this.#tail === this.unit.registers.low('IQH')) throw new Error('the invalidation queue overran');
    processor.chargeParty(hypervisor.party, 'queueInvalidation');
    const startNs = Math.max(this.#idleAtNs, kernel.nowNs + processor.elapsedNs);
    this.#idleAtNs = startNs + this.#timingNs.fetch + takesNs;
    this.unit.registers.write64(IQT, BigInt(this.#tail));
  }

  /** A wait descriptor: the unit writes its number to the status word and interrupts when it gets there. */
  #wait(done: () => void): void {
    this.#waitNumber = (this.#waitNumber + 1) >>> 0;
    this.#waits.push({ number: this.#waitNumber, done });
    this.#submit(
      {
        type: 'wait',
        statusAddress: this.#status,
        statusData: this.#waitNumber,
        interrupt: true,
        fence: true,
      },
      this.#timingNs.status,
    );
  }

  #onWaitDone(): void {
    this.unit.registers.write32(ICS, 1);
    const reached = this.#parts.memory.readU32(this.#status);
    while (this.#waits.length > 0 && ((reached - (this.#waits[0]?.number ?? 0)) | 0) >= 0) {
      this.#waits.shift()?.done();
    }
  }
}
