import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioPageNumber,
  ioPageOf,
  PAGE_BYTES,
  type RequesterId,
} from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import { READ, spanBits, WRITE } from '../entry-format.js';
import { overlaps, pageSize, pageStart, pageWithin } from '../page-arithmetic.js';
import {
  assertRequest,
  ENTRY_WORDS,
  entryIndex,
  lowerOf,
  type Reachable,
  type TableMemory,
  type TableWalker,
  upperOf,
  type WalkResult,
  walkFromMemory,
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

/** Log2 of the bytes of a page. */
const PAGE_BITS = 12;
const HOST_LIMIT = 2 ** 52;
const HOST_PAGES = HOST_LIMIT / PAGE_BYTES;

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
 */
export class AmdviWalker implements TableWalker {
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  readonly #maxMode: number;
  #deviceTable = hostPhysicalAddress(0);
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
  setDeviceTable(address: HostPhysicalAddress, bytes: number): void {
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

  walk(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, out: WalkResult): void {
    walkFromMemory(this, requesterId, iova, write, out);
  }

  readEntry(requesterId: RequesterId, write: boolean, out: WalkResult): boolean {
    const access = write ? AMDVI_FLAG.WRITE : 0;
    const offset = requesterId * DTE_BYTES;
    if (offset >= this.#deviceTableBytes) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access);
      return false;
    }
    const at = addressAfter(this.#deviceTable, offset);
    if (!this.#reachable(pageStart(at, 12))) {
      out.fail(AMDVI_EVENT.DEV_TAB_HARDWARE_ERROR, access);
      out.entryAddress = at;
      return false;
    }
    out.contextReads = 1;
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      out.entry[word] = this.#memory.readU32(addressAfter(at, word * 4));
    return this.#checkEntry(access, out);
  }

  applyEntry(page: IoPageNumber, write: boolean, out: WalkResult): boolean {
    const { entry } = out;
    const access = write ? AMDVI_FLAG.WRITE : 0;
    if (!this.#checkEntry(access, out)) return false;
    const low = present(entry[0]);
    const high = present(entry[1]);
    const valid = (low & DTE_VALID) !== 0;
    if (!valid || this.#isExcluded(page, present(entry[3]))) {
      out.entryPasses = !valid;
      if (page >= HOST_PAGES) out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
      else out.pass(page, true, true);
      return false;
    }
    const mode = levelField(low);
    if ((low & DTE_TRANSLATION_VALID) === 0) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
    } else if (mode > this.#maxMode) {
      out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access | AMDVI_FLAG.RESERVED);
    } else if ((high & (write ? HIGH_WRITE : HIGH_READ)) === 0) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access | AMDVI_FLAG.PRESENT | AMDVI_FLAG.PERMISSION);
    } else if (page >= (mode === 0 ? HOST_PAGES : pageSize(spanBits(mode + 1) - PAGE_BITS))) {
      out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
    } else if (mode === 0) {
      out.pass(page, (high & HIGH_READ) !== 0, (high & HIGH_WRITE) !== 0);
    } else {
      out.startAt(addressField(low, high), mode, rightsOf(high));
      return true;
    }
    return false;
  }

  /** A request that the device says it has translated itself: it passes if the device table entry has I set. */
  checkTranslatedRequest(
    requesterId: RequesterId,
    address: IoVirtualAddress,
    write: boolean,
    out: WalkResult,
  ): void {
    assertRequest(requesterId, address);
    out.reset();
    if (!this.readEntry(requesterId, write, out)) return;
    const { entry } = out;
    const allowed = (present(entry[0]) & DTE_VALID) !== 0 && (present(entry[3]) & DTE_I) !== 0;
    if (allowed && address < HOST_LIMIT) out.pass(ioPageOf(address), true, true);
    else out.fail(AMDVI_EVENT.INVALID_DEVICE_REQUEST, write ? AMDVI_FLAG.WRITE : 0);
  }

  stopAtAbsentPage(write: boolean, out: WalkResult): void {
    out.absent = 'page';
    out.fail(AMDVI_EVENT.IO_PAGE_FAULT, write ? AMDVI_FLAG.WRITE : 0);
  }

  /** Checks the device table entry in `out`; false with the fault if it stops the request. */
  #checkEntry(access: number, out: WalkResult): boolean {
    const { entry } = out;
    const low = present(entry[0]);
    if ((low & DTE_VALID) === 0) return true;
    const flags = present(entry[3]);
    if ((flags & DTE_SA) !== 0) out.logging = 'never';
    else if ((flags & DTE_SE) !== 0) out.logging = 'first';
    out.domainId = present(entry[2]) & 0xffff;
    const reserved = (low & DTE_RESERVED_0) | (present(entry[1]) & DTE_RESERVED_1) | (flags & DTE_RESERVED_3);
    if (reserved === 0) return true;
    // What the entry says about logging is as little to be trusted as the rest of it.
    out.logging = 'always';
    out.fail(AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY, access | AMDVI_FLAG.RESERVED);
    return false;
  }

  #isExcluded(page: IoPageNumber, flags: number): boolean {
    const range = this.#exclusion;
    const first = ioPageAddress(page);
    if (range === undefined || first < range.start || first >= range.end) return false;
    return range.allowAll || (flags & DTE_EX) !== 0;
  }

  #touchesExclusion(first: IoPageNumber, pageBits: number): boolean {
    const range = this.#exclusion;
    if (range === undefined) return false;
    return overlaps(ioPageAddress(first), pageSize(pageBits), range.start, range.end);
  }

  walkTables(page: IoPageNumber, write: boolean, out: WalkResult): void {
    const access = write ? AMDVI_FLAG.WRITE : 0;
    const needed = write ? HIGH_WRITE : HIGH_READ;
    const upper = upperOf(page);
    const lower = lowerOf(page);
    let { table, level, rights } = out;
    for (;;) {
      if (!this.#reachable(table)) {
        out.fail(AMDVI_EVENT.PAGE_TAB_HARDWARE_ERROR, access);
        out.entryAddress = addressAfter(table, entryIndex(upper, lower, level) * 8);
        return;
      }
      out.noteRead(table, level, rights);
      const index = entryIndex(upper, lower, level);
      const low = this.#memory.readU32(addressAfter(table, index * 8));
      const high = this.#memory.readU32(addressAfter(addressAfter(table, index * 8), 4));
      if ((low & PTE_PRESENT) === 0) {
        this.stopAtAbsentPage(write, out);
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
      rights &= rightsOf(high);
      table = addressField(low, high);
      if (isPage) {
        out.ok = true;
        // Of a large page around excluded addresses only what was asked for: a cache must not translate those.
        const within = pageWithin(page, pageBits);
        const isSplit = this.#touchesExclusion(ioPageNumber(page - within), pageBits);
        const first = pageStart(table, pageBits);
        out.physical = isSplit ? addressAfter(first, within * PAGE_BYTES) : first;
        out.pageBits = isSplit ? PAGE_BITS : pageBits;
        out.read = (rights & READ) !== 0;
        out.write = (rights & WRITE) !== 0;
        return;
      }
      // The entry covers 2^spanBits(level) bytes, the table it points at perhaps fewer: the rest is not mapped.
      if (next < level - 1 && pageWithin(page, spanBits(level)) >= pageSize(spanBits(next + 1) - PAGE_BITS)) {
        out.fail(AMDVI_EVENT.IO_PAGE_FAULT, access);
        return;
      }
      level = next;
    }
  }
}

/** IR and IW of an entry's high word, as READ and WRITE. */
function rightsOf(high: number): number {
  return (high >>> 29) & (READ | WRITE);
}
