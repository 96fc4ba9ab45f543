import {
  addressAfter,
  requesterId as asRequesterId,
  type HostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioVirtualAddress,
  offsetInPage,
  PAGE_BYTES,
  type RequesterId,
  WIDE_ADDRESS_HIGH,
} from '../../../nic/addresses.js';
import type { HostParts } from '../../host-parts.js';
import { type AmdviCommand, COMMAND, writeCommand } from '../../iommu/amdvi/commands.js';
import { DeviceTable } from '../../iommu/amdvi/device-table.js';
import { DENY_ALL } from '../../iommu/amdvi/entries.js';
import { AMDVI_EVENT, AMDVI_FLAG, amdviEventText } from '../../iommu/amdvi/events.js';
import { createPageTable } from '../../iommu/amdvi/page-table.js';
import { CONTROL, CONTROL_INV_TIMEOUT_SHIFT, STATUS } from '../../iommu/amdvi/registers.js';
import { AmdviUnit } from '../../iommu/amdvi/unit.js';
import { RING_ENTRY_BYTES } from '../../iommu/command-ring.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { UnitParts } from '../../iommu/unit-parts.js';
import type { TablePages } from './table-pages.js';
import type { UnitFeatures } from './unit-features.js';
import type { QueueFormat } from './unit-queue.js';
import type { FaultReader, QueueError, UnitCounts, VendorOperations } from './vendor-operations.js';

/** Register offsets of AMD-Vi, as a driver knows them. */
const DEVICE_TABLE_BASE = 0x00;
const COMMAND_BASE = 0x08;
const EVENT_BASE = 0x10;
const CONTROL_OFFSET = 0x18;
const FEATURES = 0x30;
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
/** Levels of page tables, Mode of a device table entry: as Linux begins with, and every unit has. */
const LEVELS = 4;

/** InvTimeOut 1: a device has 1 ms to answer. Linux gives it 1 s (code 4), which few runs here would outlast. */
const ON =
  CONTROL.IOMMU_EN |
  CONTROL.EVENT_INT_EN |
  CONTROL.COM_WAIT_INT_EN |
  CONTROL.CMD_BUF_EN |
  (1 << CONTROL_INV_TIMEOUT_SHIFT);
const EVENT_LOG_BYTES = RING_ENTRY_BYTES * 2 ** EVENTS_LOG2;

/** AMD-Vi: device table, command buffer with COMPLETION_WAIT, event log. */
export class AmdviOperations implements VendorOperations<AmdviCommand> {
  readonly entryChangesPages = true;
  readonly unit: AmdviUnit;
  readonly features: UnitFeatures;
  readonly queue: QueueFormat<AmdviCommand>;
  readonly #parts: HostParts;
  readonly #tablePages: TablePages;
  readonly #devices: DeviceTable;
  readonly #eventBase: HostPhysicalAddress;
  /** Offset of the first event that was not looked at for an error of the queue. */
  #scanned = 0;
  /** Whether the log was started again since an error was last looked for: what it lost may have been a device's silence. */
  #lostEvents = false;
  /** Whether interrupt messages of devices are stopped. */
  #blocksInterrupts = false;

  constructor(parts: HostParts, unitParts: UnitParts, tablePages: TablePages, maxMode?: number) {
    const { hypervisor, memory } = parts;
    this.#parts = parts;
    this.#tablePages = tablePages;
    this.unit = new AmdviUnit({ ...unitParts, ...(maxMode === undefined ? {} : { maxMode }) });
    this.features = amdviFeatures(this.unit.registers.read64(FEATURES));
    const { registers } = this.unit;
    const table = hypervisor.allocateOwn('io-table', DEVICE_TABLE_BYTES);
    this.#devices = new DeviceTable(memory, table, DEVICE_TABLE_BYTES);
    const base = hypervisor.allocateOwn('io-table', RING_ENTRY_BYTES * 2 ** COMMANDS_LOG2);
    this.#eventBase = hypervisor.allocateOwn('io-table', EVENT_LOG_BYTES);
    const storeAddress = hypervisor.allocateOwn('io-table', 8);
    this.queue = {
      base,
      slotBytes: RING_ENTRY_BYTES,
      slots: 2 ** COMMANDS_LOG2,
      statusWord: storeAddress,
      fetchNs: this.unit.timing.descriptorFetchNs,
      statusNs: this.unit.timing.statusWriteNs,
      write: (at, command) => writeCommand(memory, at, command),
      head: () => registers.read32(COMMAND_HEAD),
      moveTail: (offset) => {
        registers.write32(COMMAND_TAIL, offset);
        registers.write32(COMMAND_TAIL + 4, 0);
      },
      wait: (number) => ({
        type: 'completion-wait',
        storeAddress,
        data: BigInt(number),
        interrupt: true,
        flush: true,
      }),
      nothing: { type: 'completion-wait' },
      kindAt: (at) => {
        const opcode = memory.readU32(addressAfter(at, 4)) >>> 28;
        if (opcode === COMMAND.INVALIDATE_IOTLB_PAGES) return memory.readU32(at) & 0xffff;
        return opcode === COMMAND.COMPLETION_WAIT ? 'wait' : 'other';
      },
      kindOf: (command) => {
        if (command.type === 'invalidate-iotlb-pages') return command.deviceId;
        return command.type === 'completion-wait' ? 'wait' : 'other';
      },
    };
  }

  get busy(): boolean {
    const { registers } = this.unit;
    return registers.read32(COMMAND_HEAD) !== registers.read32(COMMAND_TAIL);
  }

  program(): void {
    const { registers } = this.unit;
    const ring = (base: number, log2: number) => BigInt(base) | (BigInt(log2) << 56n);
    registers.write64(DEVICE_TABLE_BASE, BigInt(this.#devices.address + DEVICE_TABLE_BYTES / PAGE_BYTES - 1));
    registers.write64(COMMAND_BASE, ring(this.queue.base, COMMANDS_LOG2));
    registers.write64(EVENT_BASE, ring(this.#eventBase, EVENTS_LOG2));
    registers.write32(CONTROL_OFFSET, ON | CONTROL.EVENT_LOG_EN);
  }

  createTables(): RadixTable {
    return createPageTable(this.#parts.memory, this.#tablePages, this.features.levels);
  }

  writeEntry(
    requesterId: RequesterId,
    domainId: number,
    tables: RadixTable | undefined,
    deviceTlb: boolean,
  ): void {
    this.#devices.set(
      requesterId,
      tables === undefined
        ? { ...DENY_ALL, blocksInterrupts: this.#blocksInterrupts }
        : {
            ...DENY_ALL,
            mode: this.features.levels,
            pageTable: tables.root,
            read: true,
            write: true,
            domainId,
            remoteIotlb: deviceTlb,
            blocksInterrupts: this.#blocksInterrupts,
          },
    );
  }

  invalidateEntry(deviceId: RequesterId): AmdviCommand {
    return { type: 'invalidate-devtab-entry', deviceId };
  }

  invalidateDomain(domainId: number): AmdviCommand {
    return { type: 'invalidate-pages', domainId, directories: true };
  }

  invalidatePages(domainId: number, first: IoPageNumber, order: number, leafOnly: boolean): AmdviCommand {
    return {
      type: 'invalidate-pages',
      domainId,
      address: ioPageAddress(first),
      sizeBits: 12 + order,
      directories: !leafOnly,
    };
  }

  invalidateDeviceTlb(
    deviceId: RequesterId,
    address: IoVirtualAddress,
    order: number | undefined,
  ): AmdviCommand {
    const range = order === undefined ? {} : { address, sizeBits: 12 + order };
    return { type: 'invalidate-iotlb-pages', deviceId, ...range };
  }

  invalidateEverything(): readonly AmdviCommand[] {
    return [{ type: 'invalidate-all' }];
  }

  remapInterrupts(): readonly AmdviCommand[] {
    this.#blocksInterrupts = true;
    this.#devices.blockInterrupts();
    return this.invalidateEverything();
  }

  /**
   * The unit stops at a command that it does not accept (CmdBufRun), but passes over a device that does not answer: the
   * event log alone says so, and waits behind it are completed. So the log is looked at before a wait is believed.
   */
  queueError(deviceTlbs: boolean): QueueError | undefined {
    const { registers } = this.unit;
    const status = registers.read32(STATUS_OFFSET);
    if ((status & STATUS.CMD_BUF_RUN) === 0) return { kind: 'refused' };
    if (!deviceTlbs) return undefined;
    const tail = registers.read32(EVENT_TAIL);
    while (this.#scanned !== tail) {
      const at = addressAfter(this.#eventBase, this.#scanned);
      this.#scanned = (this.#scanned + RING_ENTRY_BYTES) % EVENT_LOG_BYTES;
      const { memory } = this.#parts;
      if (memory.readU32(addressAfter(at, 4)) >>> 28 === AMDVI_EVENT.IOTLB_INV_TIMEOUT)
        return { kind: 'timed-out', requesterId: asRequesterId(memory.readU32(at) & 0xffff) };
    }
    return this.#lostEvents || (status & STATUS.EVENT_OVERFLOW) !== 0 ? { kind: 'unknown' } : undefined;
  }

  /** CmdBufEn off and on starts a buffer that stopped. One that did not stop needs nothing. */
  resumeQueue({ kind }: QueueError): void {
    const { registers } = this.unit;
    if (kind === 'unknown') {
      this.#lostEvents = false;
      if ((registers.read32(STATUS_OFFSET) & STATUS.EVENT_OVERFLOW) !== 0) this.#restartLog();
    }
    if (kind !== 'refused') return;
    const control = registers.read32(CONTROL_OFFSET);
    registers.write32(CONTROL_OFFSET, control & ~CONTROL.CMD_BUF_EN);
    registers.write32(CONTROL_OFFSET, control);
  }

  acknowledgeWait(): void {
    this.unit.registers.write32(STATUS_OFFSET, STATUS.COM_WAIT_INT);
  }

  /** Takes every event of the log; one that overflowed is started again, as Linux does (iommu_restart_log). */
  readLog(take: FaultReader): void {
    const { registers } = this.unit;
    const { memory } = this.#parts;
    registers.write32(STATUS_OFFSET, STATUS.EVENT_LOG_INT);
    const tail = registers.read32(EVENT_TAIL);
    let head = registers.read32(EVENT_HEAD);
    // Events lie in memory, so no register is read for each.
    for (; head !== tail; head = (head + RING_ENTRY_BYTES) % EVENT_LOG_BYTES) {
      const at = addressAfter(this.#eventBase, head);
      const word1 = memory.readU32(addressAfter(at, 4));
      const flags = (word1 >>> 16) & 0xfff;
      const reason = word1 >>> 28;
      const low = memory.readU32(addressAfter(at, 8));
      const high = memory.readU32(addressAfter(at, 12));
      const offset = high < WIDE_ADDRESS_HIGH ? 0 : offsetInPage(low);
      const fault = {
        requesterId: asRequesterId(memory.readU32(at) & 0xffff),
        address: ioVirtualAddress(high * 2 ** 32 + (low - offset)),
        write: (flags & AMDVI_FLAG.WRITE) !== 0,
        reason,
        text: amdviEventText(reason, flags),
      };
      take(fault, 0);
    }
    registers.write64(EVENT_HEAD, BigInt(head));
    if ((registers.read32(STATUS_OFFSET) & STATUS.EVENT_OVERFLOW) === 0) return;
    this.#lostEvents = true;
    this.#restartLog();
  }

  isAccess(code: number): boolean {
    return (
      code !== AMDVI_EVENT.ILLEGAL_COMMAND_ERROR &&
      code !== AMDVI_EVENT.COMMAND_HARDWARE_ERROR &&
      code !== AMDVI_EVENT.IOTLB_INV_TIMEOUT
    );
  }

  #restartLog(): void {
    const { registers } = this.unit;
    registers.write32(CONTROL_OFFSET, ON);
    registers.write32(STATUS_OFFSET, STATUS.EVENT_OVERFLOW);
    registers.write32(CONTROL_OFFSET, ON | CONTROL.EVENT_LOG_EN);
  }

  counts(): UnitCounts {
    const { logged, lost } = this.unit.log.counters;
    return { processed: this.unit.commands.processed, recorded: logged, compressed: 0, dropped: lost };
  }
}

/** What EFR says: HATS, in bits 11:10, is the number of levels less 4. Page sizes and 16-bit domains are every unit's. */
function amdviFeatures(efr: bigint): UnitFeatures {
  const levels = Math.min(LEVELS, 4 + Number((efr >> 10n) & 3n));
  return {
    levels,
    addressBits: 12 + 9 * levels,
    largePages: true,
    maxOrder: 40,
    domainLimit: 2 ** 16,
    cachingMode: false,
    writeOnlyPages: true,
    deviceTlbs: true,
    interruptRemapping: true,
  };
}
