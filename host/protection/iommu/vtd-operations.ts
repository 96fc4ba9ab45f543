import {
  addressAfter,
  requesterId as asRequesterId,
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioVirtualAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { ParameterError } from '../../../scheduler/errors.js';
import type { HostParts } from '../../host-parts.js';
import { RING_ENTRY_BYTES } from '../../iommu/command-ring.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { UnitParts } from '../../iommu/unit-parts.js';
import type { VtdCapabilities } from '../../iommu/vtd/capabilities.js';
import { ContextTables } from '../../iommu/vtd/context-tables.js';
import { TRANSLATION_TYPE } from '../../iommu/vtd/entries.js';
import { vtdFaultText } from '../../iommu/vtd/fault-reasons.js';
import { IRTE_BYTES } from '../../iommu/vtd/interrupt-remapper.js';
import {
  DESCRIPTOR,
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../iommu/vtd/invalidation-descriptors.js';
import { FSTS, GCMD } from '../../iommu/vtd/registers.js';
import { RemappingUnit } from '../../iommu/vtd/remapping-unit.js';
import { createSecondLevelTable } from '../../iommu/vtd/second-level-table.js';
import type { TablePages } from './table-pages.js';
import type { QueueFormat } from './unit-queue.js';
import type { FaultReader, QueueError, UnitCounts, VendorOperations } from './vendor-operations.js';
import { readVtdFeatures, type VtdFeatures } from './vtd-features.js';

/** Register offsets of VT-d, as a driver knows them. */
const RTADDR = 0x20;
const GCMD_OFFSET = 0x18;
const GSTS_OFFSET = 0x1c;
const FSTS_OFFSET = 0x34;
const FECTL = 0x38;
const IQH = 0x80;
const IQT = 0x88;
const IQA = 0x90;
const ICS = 0x9c;
const IECTL = 0xa0;
const IQER = 0xb0;
const IRTA = 0xb8;
/** Top word of a fault recording register: F and T. */
const FAULT_VALID = 0x8000_0000;
const FAULT_READ = 0x4000_0000;

/** log2 of the queue's slots beyond 256: QS of IQA. */
const QUEUE_SIZE = 3;
const QUEUE_SLOTS = 2 ** (8 + QUEUE_SIZE);
/** log2 of the entries of the interrupt remapping table: a page. */
const INTERRUPT_ENTRIES_LOG2 = 8;

/** VT-d in legacy mode with queued invalidation. */
export class VtdOperations implements VendorOperations<InvalidationDescriptor> {
  readonly entryChangesPages = false;
  readonly unit: RemappingUnit;
  readonly features: VtdFeatures;
  readonly queue: QueueFormat<InvalidationDescriptor>;
  readonly #parts: HostParts;
  readonly #tablePages: TablePages;
  readonly #contexts: ContextTables;
  /** Written to the queue and used again. */
  readonly #rangeCommand = {
    type: 'iotlb' as const,
    granularity: 'page' as const,
    domainId: 0,
    address: ioVirtualAddress(0),
    addressMask: 0,
    leafOnly: false,
  };
  readonly #waitCommand = {
    type: 'wait' as const,
    statusAddress: hostPhysicalAddress(0),
    statusData: 0,
    interrupt: true,
    fence: true,
  };

  constructor(
    parts: HostParts,
    unitParts: UnitParts,
    tablePages: TablePages,
    capabilities: Partial<VtdCapabilities>,
  ) {
    const { hypervisor, memory } = parts;
    this.#parts = parts;
    this.#tablePages = tablePages;
    this.unit = new RemappingUnit({ ...unitParts, capabilities });
    this.features = readVtdFeatures((offset) => this.unit.registers.read64(offset));
    this.#contexts = new ContextTables(memory, tablePages);
    const { registers } = this.unit;
    const base = hypervisor.allocateOwn('io-table', QUEUE_SLOTS * RING_ENTRY_BYTES);
    const statusWord = hypervisor.allocateOwn('io-table', 4);
    this.#waitCommand.statusAddress = statusWord;
    this.queue = {
      base,
      slotBytes: RING_ENTRY_BYTES,
      slots: QUEUE_SLOTS,
      statusWord,
      fetchNs: this.unit.timing.descriptorFetchNs,
      statusNs: this.unit.timing.statusWriteNs,
      write: (at, descriptor) => writeDescriptor(memory, at, descriptor),
      head: () => registers.read32(IQH),
      moveTail: (offset) => {
        registers.write32(IQT, offset);
        registers.write32(IQT + 4, 0);
      },
      wait: (statusData) => {
        this.#waitCommand.statusData = statusData;
        return this.#waitCommand;
      },
      nothing: { type: 'wait', fence: true },
      kindAt: (at) => {
        const type = memory.readU32(at) & 0xf;
        if (type === DESCRIPTOR.DEVICE_TLB) return memory.readU32(addressAfter(at, 4)) & 0xffff;
        return type === DESCRIPTOR.WAIT ? 'wait' : 'other';
      },
      kindOf: (descriptor) => {
        if (descriptor.type === 'device-tlb') return descriptor.requesterId;
        return descriptor.type === 'wait' ? 'wait' : 'other';
      },
    };
  }

  get regions() {
    return this.unit.protectedRegions;
  }

  get busy(): boolean {
    return this.unit.queue.busy;
  }

  program(): void {
    const { registers } = this.unit;
    const write64 = (offset: number, address: number) => registers.write64(offset, BigInt(address));
    write64(RTADDR, this.#contexts.rootTable);
    registers.write32(GCMD_OFFSET, GCMD.SRTP >>> 0);
    write64(IQA, this.queue.base + QUEUE_SIZE);
    registers.write32(IECTL, 0);
    registers.write32(FECTL, 0);
    registers.write32(GCMD_OFFSET, GCMD.QIE >>> 0);
    registers.write32(GCMD_OFFSET, (GCMD.QIE | GCMD.TE) >>> 0);
  }

  createTables(): RadixTable {
    return createSecondLevelTable(this.#parts.memory, this.#tablePages, this.features.levels);
  }

  writeEntry(
    requesterId: RequesterId,
    domainId: number,
    tables: RadixTable | undefined,
    deviceTlb: boolean,
  ): void {
    if (tables === undefined) {
      this.#contexts.clear(requesterId);
      return;
    }
    const written = this.#contexts.set(requesterId, {
      present: true,
      faultProcessingDisable: false,
      translationType: deviceTlb ? TRANSLATION_TYPE.TRANSLATE_AND_DEVICE_TLB : TRANSLATION_TYPE.TRANSLATE,
      secondLevelTable: tables.root,
      addressWidth: this.features.levels - 2,
      domainId,
    });
    if (!written) throw new ParameterError('no page left for a context table; expected a larger memory');
  }

  invalidateEntry(requesterId: RequesterId, domainId: number): InvalidationDescriptor {
    return { type: 'context', granularity: 'device', domainId, requesterId };
  }

  invalidateDomain(domainId: number): InvalidationDescriptor {
    return { type: 'iotlb', granularity: 'domain', domainId };
  }

  invalidatePages(
    domainId: number,
    first: IoPageNumber,
    order: number,
    leafOnly: boolean,
  ): InvalidationDescriptor {
    const command = this.#rangeCommand;
    command.domainId = domainId;
    command.address = ioPageAddress(first);
    command.addressMask = order;
    command.leafOnly = leafOnly;
    return command;
  }

  invalidateDeviceTlb(
    requesterId: RequesterId,
    address: IoVirtualAddress,
    order: number | undefined,
  ): InvalidationDescriptor {
    return { type: 'device-tlb', requesterId, address, order: order ?? 'all' };
  }

  invalidateEverything(): readonly InvalidationDescriptor[] {
    return [
      { type: 'context', granularity: 'global' },
      { type: 'iotlb', granularity: 'global' },
    ];
  }

  remapInterrupts(): readonly InvalidationDescriptor[] {
    const { registers } = this.unit;
    // An entry of zeroes is not present, and GCMD.CFI stays 0, so the old format is blocked too.
    const table = this.#parts.hypervisor.allocateOwn('io-table', IRTE_BYTES * 2 ** INTERRUPT_ENTRIES_LOG2);
    registers.write64(IRTA, BigInt(table + INTERRUPT_ENTRIES_LOG2 - 1));
    const on = (registers.read32(GSTS_OFFSET) & (GCMD.TE | GCMD.QIE)) >>> 0;
    registers.write32(GCMD_OFFSET, (on | GCMD.SIRTP) >>> 0);
    registers.write32(GCMD_OFFSET, (on | GCMD.IRE) >>> 0);
    return [{ type: 'interrupt-entry' }];
  }

  /** What stands in FSTS, as Linux asks in qi_check_fault; IQER names the device. */
  queueError(): QueueError | undefined {
    const { registers } = this.unit;
    const status = registers.read32(FSTS_OFFSET);
    if ((status & FSTS.ITE) !== 0)
      return { kind: 'timed-out', requesterId: asRequesterId(registers.read32(IQER + 4) & 0xffff) };
    return (status & (FSTS.IQE | FSTS.ICE)) === 0 ? undefined : { kind: 'refused' };
  }

  resumeQueue(): void {
    this.unit.registers.write32(FSTS_OFFSET, FSTS.IQE | FSTS.ICE | FSTS.ITE);
  }

  acknowledgeWait(): void {
    this.unit.registers.write32(ICS, 1);
  }

  /** Takes every record that waits, and clears it, as Linux does in its fault handler (dmar_fault). */
  readLog(take: FaultReader): void {
    const { registers } = this.unit;
    const { faultRecords, faultRecordOffset } = this.features;
    for (let index = 0; index < faultRecords; index += 1) {
      const at = faultRecordOffset + index * 16;
      const top = registers.read32(at + 12);
      if ((top & FAULT_VALID) === 0) continue;
      const reason = top & 0xff;
      const fault = {
        requesterId: asRequesterId(registers.read32(at + 8) & 0xffff),
        address: ioVirtualAddress(registers.read32(at) + registers.read32(at + 4) * 2 ** 32),
        write: (top & FAULT_READ) === 0,
        reason,
        text: vtdFaultText(reason),
      };
      take(fault, 4);
      registers.write32(at + 12, FAULT_VALID);
    }
    registers.write32(FSTS_OFFSET, FSTS.PFO);
  }

  /** Errors of the queue are in FSTS and in no record. */
  isAccess(): boolean {
    return true;
  }

  counts(): UnitCounts {
    return { processed: this.unit.queue.processed, ...this.unit.faults.counters };
  }
}
