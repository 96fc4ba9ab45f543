import { offsetInPage, pageSize, pageStart } from '../page-arithmetic.js';
import { spanBits } from '../radix-table.js';
import {
  ADDRESS_LIMIT,
  assertRequest,
  beginRequest,
  entryIndex,
  type Reachable,
  type TableMemory,
  type TableWalker,
  type WalkResult,
} from '../table-walker.js';
import {
  addressField,
  DTE_BYTES,
  DTE_EX,
  DTE_I,
  DTE_RESERVED_0,
  DTE_RESERVED_1,
  DTE_RESERVED_3,
  DTE_SA,
  DTE_SE,
  DTE_TRANSLATION_VALID,
  DTE_VALID,
  HIGH_READ,
  HIGH_WRITE,
  levelField,
  PTE_PRESENT,
  PTE_RESERVED_HIGH,
  pageBitsOf,
} from './entries.js';
import { AMDVI_EVENT, AMDVI_FLAG } from './events.js';

const TWO_30 = 2 ** 30;
const HOST_LIMIT = 2 ** 52;

/** Addresses that pass untranslated: all devices' (`allowAll`), or those of devices whose entry has EX set. */
export interface ExclusionRange {
  readonly start: number;
  /** First byte after the range. */
  readonly end: number;
  readonly allowAll: boolean;
}

/**
 * Walks AMD-Vi tables: the device table, then page tables of 1 to 6 levels. An entry may point past levels; the
 * address bits of the levels skipped must then be zero. IR and IW are the AND of the device table entry and of all
 * page table entries, and a walk stops at the first that lacks what the request needs.
 *
 * An address of 2^53 or more is refused with IO_PAGE_FAULT (not present), whatever the tables say.
 */
export class AmdviWalker implements TableWalker {
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  readonly #maxMode: number;
  #deviceTable = 0;
  #deviceTableBytes = 0;
  #exclusion: ExclusionRange | undefined;

  /**
   * @param reachable says which pages can be read; all, if left out
   * @param maxMode most levels that the unit can walk (HATS), 4..6
   */
  constructor(memory: TableMemory, reachable: Reachable = () => true, maxMode = 6) {
    this.#memory = memory;
    this.#reachable = reachable;
    this.#maxMode = maxMode;
  }

  /** @param bytes a multiple of 4096, up to 2 MB: 65,536 entries */
  setDeviceTable(address: number, bytes: number): void {
    if (!(address >= 0 && address < HOST_LIMIT) || address % 4096 !== 0) {
      throw new RangeError(`device table is at ${address}, expected a multiple of 4096 below 2^52`);
    }
    if (!(bytes >= 0 && bytes <= 2 ** 21) || bytes % 4096 !== 0) {
      throw new RangeError(`device table has ${bytes} bytes, expected a multiple of 4096 up to 2 MB`);
    }
    this.#deviceTable = address;
    this.#deviceTableBytes = bytes;
  }

  /** Sets the exclusion range, or takes it away. */
  setExclusion(range: ExclusionRange | undefined): void {
    this.#exclusion = range;
  }

  walk(requesterId: number, iova: number, write: boolean, out: WalkResult): void {
    if (!beginRequest(requesterId, iova, out)) return;
    const access = write ? AMDVI_FLAG.WRITE : 0;
    if (iova >= ADDRESS_LIMIT) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
      return;
    }
    const entry = this.#readEntry(requesterId, access, out);
    if (entry < 0) return;
    const low = this.#memory.readU32(entry);
    const flags = this.#memory.readU32(entry + 12);
    if ((low & DTE_VALID) === 0 || this.#isExcluded(iova, flags)) {
      if (iova >= HOST_LIMIT) out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
      else out.pass(iova, true, true);
      return;
    }
    if ((low & DTE_TRANSLATION_VALID) === 0) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
      return;
    }
    const high = this.#memory.readU32(entry + 4);
    const mode = levelField(low);
    if (mode > this.#maxMode) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access | AMDVI_FLAG.RESERVED);
    } else if ((high & (write ? HIGH_WRITE : HIGH_READ)) === 0) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access | AMDVI_FLAG.PRESENT | AMDVI_FLAG.PERMISSION);
    } else if (iova >= (mode === 0 ? HOST_LIMIT : 2 ** spanBits(mode + 1))) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
    } else if (mode === 0) {
      out.pass(iova, (high & HIGH_READ) !== 0, (high & HIGH_WRITE) !== 0);
    } else {
      this.#walkPageTables(addressField(low, high), mode, high, iova, write, out);
    }
  }

  /** A request that the device says it has translated itself: it passes if the device table entry has I set. */
  checkTranslatedRequest(requesterId: number, address: number, write: boolean, out: WalkResult): void {
    assertRequest(requesterId, address);
    out.reset();
    const access = write ? AMDVI_FLAG.WRITE : 0;
    const entry = this.#readEntry(requesterId, access, out);
    if (entry < 0) return;
    const allowed =
      (this.#memory.readU32(entry) & DTE_VALID) !== 0 && (this.#memory.readU32(entry + 12) & DTE_I) !== 0;
    if (!allowed || address >= HOST_LIMIT) out.fail(AMDVI_EVENT.INVALID_DEVICE_REQUEST, access);
    else out.pass(address, true, true);
  }

  /** Physical address of the requester's device table entry, or -1 with the fault in `out`. */
  #readEntry(requesterId: number, access: number, out: WalkResult): number {
    const offset = requesterId * DTE_BYTES;
    if (offset >= this.#deviceTableBytes) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access);
      return -1;
    }
    const at = this.#deviceTable + offset;
    if (!this.#reachable(pageStart(at, 12))) {
      out.fail(AMDVI_EVENT.DEV_TAB_HARDWARE_ERROR, access);
      out.entryAddress = at;
      return -1;
    }
    out.contextReads = 1;
    const low = this.#memory.readU32(at);
    if ((low & DTE_VALID) === 0) return at;
    const flags = this.#memory.readU32(at + 12);
    if ((flags & DTE_SA) !== 0) out.logging = 'never';
    else if ((flags & DTE_SE) !== 0) out.logging = 'first';
    out.domainId = this.#memory.readU32(at + 8) & 0xffff;
    const reserved =
      (low & DTE_RESERVED_0) | (this.#memory.readU32(at + 4) & DTE_RESERVED_1) | (flags & DTE_RESERVED_3);
    if (reserved !== 0) {
      // What the entry says about logging is as little to be trusted as the rest of it.
      out.logging = 'always';
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access | AMDVI_FLAG.RESERVED);
      return -1;
    }
    return at;
  }

  #isExcluded(iova: number, flags: number): boolean {
    const range = this.#exclusion;
    if (range === undefined || iova < range.start || iova >= range.end) return false;
    return range.allowAll || (flags & DTE_EX) !== 0;
  }

  #walkPageTables(
    top: number,
    mode: number,
    entryRights: number,
    iova: number,
    write: boolean,
    out: WalkResult,
  ): void {
    const access = write ? AMDVI_FLAG.WRITE : 0;
    const needed = write ? HIGH_WRITE : HIGH_READ;
    const upper = Math.floor(iova / TWO_30);
    const lower = iova - upper * TWO_30;
    let rights = entryRights;
    let table = top;
    let level = mode;
    for (;;) {
      if (!this.#reachable(table)) {
        out.fail(AMDVI_EVENT.PAGE_TAB_HARDWARE_ERROR, access);
        out.entryAddress = table + entryIndex(upper, lower, level) * 8;
        return;
      }
      out.noteRead(table, level);
      const index = entryIndex(upper, lower, level);
      const low = this.#memory.readU32(table + index * 8);
      const high = this.#memory.readU32(table + index * 8 + 4);
      if ((low & PTE_PRESENT) === 0) {
        out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
        return;
      }
      const next = levelField(low);
      const isPage = next === 0 || next === 7;
      const pageBits = isPage ? pageBitsOf(low, high, level) : 0;
      if ((high & PTE_RESERVED_HIGH) !== 0 || (isPage ? pageBits === 0 : next >= level)) {
        out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access | AMDVI_FLAG.PRESENT | AMDVI_FLAG.RESERVED);
        return;
      }
      if ((high & needed) === 0) {
        out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access | AMDVI_FLAG.PRESENT | AMDVI_FLAG.PERMISSION);
        return;
      }
      rights &= high;
      table = addressField(low, high);
      if (isPage) {
        out.ok = true;
        out.physical = pageStart(table, pageBits);
        out.pageBits = pageBits;
        out.read = (rights & HIGH_READ) !== 0;
        out.write = (rights & HIGH_WRITE) !== 0;
        return;
      }
      // The entry covers 2^spanBits(level) bytes, the table it points at perhaps fewer: the rest is not mapped.
      if (next < level - 1 && offsetInPage(iova, spanBits(level)) >= pageSize(spanBits(next + 1))) {
        out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
        return;
      }
      level = next;
    }
  }
}
