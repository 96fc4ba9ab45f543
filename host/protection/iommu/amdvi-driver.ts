import type { HostParts } from '../../host-parts.js';
import { type AmdviCommand, writeCommand } from '../../iommu/amdvi/commands.js';
import { DeviceTable } from '../../iommu/amdvi/device-table.js';
import { DENY_ALL } from '../../iommu/amdvi/entries.js';
import { AMDVI_FLAG, amdviEventText } from '../../iommu/amdvi/events.js';
import { createPageTable } from '../../iommu/amdvi/page-table.js';
import { CONTROL, RING_ENTRY_BYTES, STATUS } from '../../iommu/amdvi/registers.js';
import { AmdviUnit } from '../../iommu/amdvi/unit.js';
import { queueTiming } from '../../iommu/queue-timing.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { TableWalker } from '../../iommu/table-walker.js';
import { TranslationCache } from '../../iommu/translation/translation-cache.js';
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

/** Register offsets of AMD-Vi, as a driver knows them. */
const DEVICE_TABLE_BASE = 0x00;
const COMMAND_BASE = 0x08;
const EVENT_BASE = 0x10;
const CONTROL_OFFSET = 0x18;
const COMMAND_HEAD = 0x2000;
const COMMAND_TAIL = 0x2008;
const EVENT_HEAD = 0x2010;
const EVENT_TAIL = 0x2018;
const STATUS_OFFSET = 0x2020;

/** An entry for each of the 65,536 device IDs: 2 MB, of which only what is written costs memory. */
const DEVICE_TABLE_BYTES = 2 ** 21;
/** log2 of the entries of the command buffer and of the event log. */
const COMMANDS_LOG2 = 11;
const EVENTS_LOG2 = 9;
/** Levels of page tables: Mode of a device table entry. */
const LEVELS = 4;

const ON = CONTROL.IOMMU_EN | CONTROL.EVENT_INT_EN | CONTROL.COM_WAIT_INT_EN | CONTROL.CMD_BUF_EN;

/** The hypervisor's driver for an AMD-Vi unit: device table, command buffer with COMPLETION_WAIT, event log. */
export class AmdviDriver implements IommuDriver {
  readonly vendor = 'amdvi' as const;
  readonly unit: AmdviUnit;
  readonly timing: TranslationCache;
  readonly gate: IommuGate;
  readonly tablePages: TablePages;
  readonly cachingMode = false;
  readonly #parts: HostParts;
  readonly #devices: DeviceTable;
  readonly #queue: UnitQueue<AmdviCommand>;
  readonly #commandBase: number;
  readonly #eventBase: number;
  readonly #faultLog: UnitFaultLog;
  #invalidations = 0;

  constructor(parts: HostParts, options: IommuDriverOptions) {
    this.#parts = parts;
    const { hypervisor, memory, kernel } = parts;
    this.tablePages = new TablePages(hypervisor);
    this.#faultLog = new UnitFaultLog(parts, () => this.#readEvents());
    let unit: AmdviUnit | undefined;
    const walker: TableWalker = { walk: (id, iova, write, out) => unit?.walk(id, iova, write, out) };
    this.timing = new TranslationCache(walker, options.seed, options.timing);
    unit = new AmdviUnit({
      kernel,
      memory,
      reachable: (address) => memory.contains(address, PAGE_BYTES),
      sink: this.timing,
      interrupts: {
        raise: (source) => (source === 'invalidation' ? this.#onWaitDone() : this.#faultLog.onInterrupt()),
      },
      timing: options.queueTiming,
    });
    this.unit = unit;
    this.gate = new IommuGate({
      timing: this.timing,
      onFault: (id, address, write, walk) => unit.recordFault(id, address, write, walk),
      managementRequester: options.managementRequester,
      sharedRequester: options.sharedRequester,
    });
    const table = hypervisor.allocateOwn('io-table', DEVICE_TABLE_BYTES);
    this.#devices = new DeviceTable(memory, table, DEVICE_TABLE_BYTES);
    this.#commandBase = hypervisor.allocateOwn('io-table', RING_ENTRY_BYTES * 2 ** COMMANDS_LOG2);
    this.#eventBase = hypervisor.allocateOwn('io-table', RING_ENTRY_BYTES * 2 ** EVENTS_LOG2);
    const storeAddress = hypervisor.allocateOwn('io-table', 8);
    const { descriptorFetchNs, statusWriteNs } = queueTiming(options.queueTiming);
    this.#queue = new UnitQueue<AmdviCommand>(parts, {
      base: this.#commandBase,
      slotBytes: RING_ENTRY_BYTES,
      slots: 2 ** COMMANDS_LOG2,
      statusWord: storeAddress,
      fetchNs: descriptorFetchNs,
      statusNs: statusWriteNs,
      write: (at, command) => writeCommand(memory, at, command),
      head: () => unit.registers.read32(COMMAND_HEAD),
      moveTail: (offset) => {
        unit.registers.write32(COMMAND_TAIL, offset);
        unit.registers.write32(COMMAND_TAIL + 4, 0);
      },
      wait: (number) => ({
        type: 'completion-wait',
        storeAddress,
        data: BigInt(number),
        interrupt: true,
        flush: true,
      }),
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
    return createPageTable(this.#parts.memory, this.tablePages, LEVELS);
  }

  attach(requesterId: number, domainId: number, tables: RadixTable): void {
    this.#devices.set(requesterId, {
      ...DENY_ALL,
      mode: LEVELS,
      pageTable: tables.root,
      read: true,
      write: true,
      domainId,
    });
    this.#invalidateDevice(requesterId);
    this.#queue.wait(() => {});
  }

  detach(requesterId: number, domainId: number, done: () => void): void {
    this.#devices.set(requesterId, DENY_ALL);
    this.#invalidateDevice(requesterId);
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
    // One command covers an aligned power of two of pages; a range that is not one takes the next that is.
    const sizeBits = 12 + orderOf(pages);
    const bytes = 2 ** sizeBits;
    const takesNs = this.timing.parameters.pageInvalidationNs;
    for (let address = iova - (iova % bytes); address < iova + pages * PAGE_BYTES; address += bytes) {
      this.#queue.submit(
        { type: 'invalidate-pages', domainId, address, sizeBits, directories: !leafOnly },
        takesNs,
      );
    }
    this.#invalidations += 1;
    this.#queue.wait(done, iova, pages, page);
  }

  invalidateDomain(domainId: number, done: () => void): void {
    const takesNs = this.timing.parameters.domainInvalidationNs;
    this.#queue.submit({ type: 'invalidate-pages', domainId, directories: true }, takesNs);
    this.#invalidations += 1;
    this.#queue.wait(done);
  }

  waitCharged(): void {
    this.#queue.spin();
  }

  counters(): IommuCounters {
    const { requests, hits, shared, walks, tableReads, contextReads, faults } = this.timing.counters;
    const { logged, lost } = this.unit.log.counters;
    return {
      translations: requests,
      iotlbHits: hits,
      sharedWalks: shared,
      walks,
      tableReads,
      contextReads,
      translationFaults: faults,
      invalidations: this.#invalidations,
      queueDescriptors: this.unit.commands.processed,
      faultsRecorded: logged,
      faultsCompressed: 0,
      faultsDropped: lost,
      faultsRead: this.#faultLog.read,
      tablePages: this.tablePages.used,
    };
  }

  checkInvariants(): void {
    this.timing.checkInvariants();
    this.unit.checkInvariants();
    const { registers } = this.unit;
    this.#queue.checkInvariants(registers.read32(COMMAND_HEAD) !== registers.read32(COMMAND_TAIL));
  }

  #program(): void {
    const { registers } = this.unit;
    const ring = (base: number, log2: number) => BigInt(base) | (BigInt(log2) << 56n);
    registers.write64(DEVICE_TABLE_BASE, BigInt(this.#devices.address + DEVICE_TABLE_BYTES / PAGE_BYTES - 1));
    registers.write64(COMMAND_BASE, ring(this.#commandBase, COMMANDS_LOG2));
    registers.write64(EVENT_BASE, ring(this.#eventBase, EVENTS_LOG2));
    registers.write32(CONTROL_OFFSET, ON | CONTROL.EVENT_LOG_EN);
  }

  #invalidateDevice(deviceId: number): void {
    this.#queue.submit(
      { type: 'invalidate-devtab-entry', deviceId },
      this.timing.parameters.domainInvalidationNs,
    );
  }

  #onWaitDone(): void {
    this.unit.registers.write32(STATUS_OFFSET, STATUS.COM_WAIT_INT);
    this.#queue.onReported();
  }

  /** Takes every event of the log; one that overflowed is started again, as Linux does (iommu_restart_log). */
  #readEvents(): void {
    const { registers } = this.unit;
    const { memory } = this.#parts;
    registers.write32(STATUS_OFFSET, STATUS.EVENT_LOG_INT);
    const tail = registers.read32(EVENT_TAIL);
    let head = registers.read32(EVENT_HEAD);
    // Events lie in memory, so no register is read for each.
    for (; head !== tail; head = (head + RING_ENTRY_BYTES) % (RING_ENTRY_BYTES * 2 ** EVENTS_LOG2)) {
      const at = this.#eventBase + head;
      const word1 = memory.readU32(at + 4);
      const flags = (word1 >>> 16) & 0xfff;
      const reason = word1 >>> 28;
      const fault = {
        requesterId: memory.readU32(at) & 0xffff,
        address: memory.readU32(at + 8) + memory.readU32(at + 12) * 2 ** 32,
        write: (flags & AMDVI_FLAG.WRITE) !== 0,
        reason,
        text: amdviEventText(reason, flags),
      };
      this.#faultLog.add(fault, 0);
    }
    registers.write64(EVENT_HEAD, BigInt(head));
    if ((registers.read32(STATUS_OFFSET) & STATUS.EVENT_OVERFLOW) === 0) return;
    registers.write32(CONTROL_OFFSET, ON);
    registers.write32(STATUS_OFFSET, STATUS.EVENT_OVERFLOW);
    registers.write32(CONTROL_OFFSET, ON | CONTROL.EVENT_LOG_EN);
  }
}
