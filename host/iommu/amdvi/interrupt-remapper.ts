import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import { deliverUnmapped, type InterruptRemapper, type InterruptResult } from '../interrupt-remapping.js';
import { pageStart } from '../page-arithmetic.js';
import type { Reachable, TableMemory } from '../table-walker.js';
import { DTE_BYTES, DTE_SA, DTE_SE } from './entries.js';
import { AMDVI_EVENT, AMDVI_FLAG } from './events.js';

/** IV, in the fifth word of a DTE (bit 128); IntTabLen is bits 132:129, the table's address bits 179:134. */
const DTE_INTERRUPT_VALID = 1 << 0;
/** IntCtl, bits 189:188, in the sixth word: what becomes of fixed and arbitrated interrupts. */
const INTERRUPT_CONTROL = { ABORT: 0, UNMAPPED: 1, REMAPPED: 2 } as const;
const INTERRUPT_CONTROL_SHIFT = 28;
/** Longest table, IntTabLen 11: 2,048 entries. */
const MAX_TABLE_LOG2 = 11;

/** Bits of a 32-bit interrupt remapping table entry: IntType 4:2, destination 15:8, vector 23:16. */
const IRTE = { REMAP: 1 << 0, SUPPRESS: 1 << 1 } as const;
/** GuestMode (7) needs EFR.GASup; 31:24 are reserved. */
const IRTE_RESERVED = 0xff00_0080;
const IRTE_BYTES = 4;
/** IntTypes that exist for fixed and arbitrated interrupts. */
const MAX_INTERRUPT_TYPE = 1;

/**
 * AMD-Vi interrupt remapping: the second half of a device's DTE names a table of 32-bit entries, and bits 10:0 of the
 * message data an entry in it. With IV = 0 messages pass unmapped, as before. Entries of both kinds are cached as they
 * were read, until INVALIDATE_DEVTAB_ENTRY or INVALIDATE_INTERRUPT_TABLE names the device.
 */
export class AmdviInterruptRemapper implements InterruptRemapper {
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  /** Words 3, 4 and 5 of DTEs, by device. */
  readonly #devices = new Map<number, readonly [number, number, number]>();
  /** Entries by index, by device. */
  readonly #entries = new Map<number, Map<number, number>>();
  #deviceTable: HostPhysicalAddress = hostPhysicalAddress(0);
  #deviceTableBytes = 0;
  /** CONTROL.IommuEn. */
  enabled = false;

  constructor(memory: TableMemory, reachable: Reachable) {
    this.#memory = memory;
    this.#reachable = reachable;
  }

  setDeviceTable(address: HostPhysicalAddress, bytes: number): void {
    this.#deviceTable = address;
    this.#deviceTableBytes = bytes;
  }

  /** Drops the cached DTE of a device, or all of them. */
  invalidateDevice(deviceId: RequesterId | undefined): void {
    if (deviceId === undefined) this.#devices.clear();
    else this.#devices.delete(deviceId);
  }

  /** Drops the cached entries of a device's table, or all of them. */
  invalidateTable(deviceId: RequesterId | undefined): void {
    if (deviceId === undefined) this.#entries.clear();
    else this.#entries.delete(deviceId);
  }

  reset(): void {
    this.enabled = false;
    this.setDeviceTable(hostPhysicalAddress(0), 0);
    this.invalidateDevice(undefined);
    this.invalidateTable(undefined);
  }

  remap(deviceId: RequesterId, address: number, data: number, out: InterruptResult): void {
    out.reset();
    if (!this.enabled) {
      deliverUnmapped(address, data, out);
      return;
    }
    const offset = deviceId * DTE_BYTES;
    if (offset >= this.#deviceTableBytes) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, AMDVI_FLAG.INTERRUPT);
      return;
    }
    const device = this.#device(deviceId, addressAfter(this.#deviceTable, offset));
    if (device === undefined) {
      out.fail(AMDVI_EVENT.DEV_TAB_HARDWARE_ERROR, AMDVI_FLAG.INTERRUPT);
      return;
    }
    const [flags, low, high] = device;
    if ((flags & DTE_SA) !== 0) out.logging = 'never';
    else if ((flags & DTE_SE) !== 0) out.logging = 'first';
    const control = (high >>> INTERRUPT_CONTROL_SHIFT) & 3;
    if ((low & DTE_INTERRUPT_VALID) === 0 || control === INTERRUPT_CONTROL.UNMAPPED) {
      deliverUnmapped(address, data, out);
      return;
    }
    if (control === INTERRUPT_CONTROL.ABORT) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, AMDVI_FLAG.INTERRUPT);
      return;
    }
    const log2 = (low >>> 1) & 0xf;
    if (control > INTERRUPT_CONTROL.REMAPPED || log2 > MAX_TABLE_LOG2) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, AMDVI_FLAG.INTERRUPT | AMDVI_FLAG.RESERVED);
      return;
    }
    out.index = data & 0x7ff;
    if (out.index >= 2 ** log2) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, AMDVI_FLAG.INTERRUPT);
      return;
    }
    const table = hostPhysicalAddress(((low & 0xffff_ffc0) >>> 0) + (high & 0xf_ffff) * 2 ** 32);
    this.#apply(deviceId, table, out);
  }

  #apply(deviceId: RequesterId, table: HostPhysicalAddress, out: InterruptResult): void {
    const entry = this.#entry(deviceId, table, out.index);
    if (entry === undefined) {
      out.fail(AMDVI_EVENT.PAGE_TAB_HARDWARE_ERROR, AMDVI_FLAG.INTERRUPT);
      return;
    }
    if ((entry & IRTE.SUPPRESS) !== 0) out.logging = 'never';
    const type = (entry >>> 2) & 7;
    if ((entry & IRTE.REMAP) === 0) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, AMDVI_FLAG.INTERRUPT);
    } else if ((entry & IRTE_RESERVED) !== 0 || type > MAX_INTERRUPT_TYPE) {
      const flags = AMDVI_FLAG.INTERRUPT | AMDVI_FLAG.PRESENT | AMDVI_FLAG.RESERVED;
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, flags);
    } else {
      out.deliver((entry >>> 16) & 0xff, type, (entry >>> 8) & 0xff);
    }
  }

  #device(deviceId: RequesterId, at: HostPhysicalAddress): readonly [number, number, number] | undefined {
    const cached = this.#devices.get(deviceId);
    if (cached !== undefined) return cached;
    if (!this.#reachable(pageStart(at, 12))) return undefined;
    const word = (index: number) => this.#memory.readU32(addressAfter(at, index * 4));
    const device = [word(3), word(4), word(5)] as const;
    this.#devices.set(deviceId, device);
    return device;
  }

  #entry(deviceId: RequesterId, table: HostPhysicalAddress, index: number): number | undefined {
    const cached = this.#entries.get(deviceId)?.get(index);
    if (cached !== undefined) return cached;
    const at = addressAfter(table, index * IRTE_BYTES);
    if (!this.#reachable(pageStart(at, 12))) return undefined;
    const entry = present(this.#memory.readU32(at));
    const entries = this.#entries.get(deviceId) ?? new Map<number, number>();
    this.#entries.set(deviceId, entries.set(index, entry));
    return entry;
  }
}
