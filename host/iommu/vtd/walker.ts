import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageOf,
  PAGE_BYTES,
  pageAddress,
  pageAfter,
  pageOf,
  type RequesterId,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import { overlaps, pageSize, pageStart, pageWithin } from '../page-arithmetic.js';
import {
  assertRequest,
  ENTRY_WORDS,
  entryIndex,
  INTERRUPT_WINDOW_END,
  INTERRUPT_WINDOW_START,
  isInterruptPage,
  lowerOf,
  NO_ADDRESS,
  type Reachable,
  type TableMemory,
  type TableWalker,
  upperOf,
  type WalkResult,
  walkFromMemory,
} from '../table-walker.js';
import { assertCapabilities, type VtdCapabilities } from './capabilities.js';
import {
  addressOf,
  SL_HIGH_TRANSIENT,
  SL_PAGE_SIZE,
  SL_READ,
  SL_SNOOP,
  SL_WRITE,
  TRANSLATION_TYPE,
} from './entries.js';
import { VTD_FAULT } from './fault-reasons.js';

const MAX_LEVELS = 5;

/**
 * Walks VT-d legacy-mode tables: root table, context table, then 3, 4 or 5 second-level tables. Every check that
 * can end in a fault is made, in the order in which the entries are met; at one entry permission is looked at
 * before reserved bits (the order of QEMU's emulation; the fault is recorded either way).
 *
 * Permission is the AND along the walk, so a walk stops at the first entry that lacks what the request needs.
 */
export class VtdWalker implements TableWalker {
  readonly capabilities: VtdCapabilities;
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  #rootTable = hostPhysicalAddress(0);

  // Which bits must be zero, per level, for entries that hold a page and for those that point at a table.
  readonly #pageReservedLow = new Uint32Array(MAX_LEVELS + 1);
  readonly #tableReservedLow = new Uint32Array(MAX_LEVELS + 1);
  readonly #pageReservedHigh: number;
  readonly #tableReservedHigh: number;
  /** Bits 63:HAW of a root or context entry, in the high word. */
  readonly #pointerReservedHigh: number;
  /** Pages of the host's addresses. */
  readonly #hostPages: number;
  /** Pages within the width that AW asks for, and within MGAW; 0 where SAGAW lacks the width. */
  readonly #widthPages = new Float64Array(8);

  /**
   * @param reachable says which pages can be read; all, if left out
   */
  constructor(memory: TableMemory, capabilities: VtdCapabilities, reachable: Reachable = () => true) {
    assertCapabilities(capabilities);
    this.capabilities = capabilities;
    this.#memory = memory;
    this.#reachable = reachable;
    const beyondHost = ~(2 ** (capabilities.hostAddressBits - 32) - 1);
    this.#pointerReservedHigh = beyondHost;
    this.#tableReservedHigh = (beyondHost & 0xf_ffff) | SL_HIGH_TRANSIENT;
    this.#pageReservedHigh = (beyondHost & 0xf_ffff) | (capabilities.deviceTlb ? 0 : SL_HIGH_TRANSIENT);
    this.#hostPages = 2 ** capabilities.hostAddressBits / PAGE_BYTES;
    const snoop = capabilities.snoopControl ? 0 : SL_SNOOP;
    this.#pageReservedLow[1] = snoop;
    this.#pageReservedLow[2] = snoop | 0x1f_f000 | (capabilities.pages2M ? 0 : SL_PAGE_SIZE);
    this.#pageReservedLow[3] = snoop | 0x3fff_f000 | (capabilities.pages1G ? 0 : SL_PAGE_SIZE);
    this.#pageReservedLow[4] = SL_PAGE_SIZE;
    this.#pageReservedLow[5] = SL_PAGE_SIZE;
    this.#tableReservedLow.fill(SL_SNOOP);
    for (const levels of capabilities.tableLevels) {
      const bits = Math.min(12 + 9 * levels, capabilities.guestAddressBits);
      this.#widthPages[levels - 2] = 2 ** bits / PAGE_BYTES;
    }
  }

  /** Physical address of the root table, 4 KB aligned. */
  get rootTable(): HostPhysicalAddress {
    return this.#rootTable;
  }

  set rootTable(address: HostPhysicalAddress) {
    if (!Number.isSafeInteger(address) || address < 0 || address % 4096 !== 0) {
      throw new RangeError(`root table is at ${address}, expected a multiple of 4096`);
    }
    this.#rootTable = address;
  }

  walk(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, out: WalkResult): void {
    walkFromMemory(this, requesterId, iova, write, out);
  }

  readEntry(requesterId: RequesterId, _write: boolean, out: WalkResult): boolean {
    const contextTable = this.#readRoot(requesterId >>> 8, out);
    return contextTable >= 0 && this.#readContext(addressAfter(contextTable, (requesterId & 0xff) * 16), out);
  }

  applyEntry(page: IoPageNumber, _write: boolean, out: WalkResult): boolean {
    if (!this.#checkContext(out)) return false;
    const { entry } = out;
    const low = entry[0] ?? absent();
    const addressWidth = (entry[2] ?? absent()) & 7;
    if (((low >>> 2) & 3) === TRANSLATION_TYPE.PASS_THROUGH) {
      out.entryPasses = true;
      if (page >= this.#hostPages) out.fail(VTD_FAULT.ADDRESS_BEYOND_MGAW);
      else out.pass(page, true, true);
      return false;
    }
    if (page >= (this.#widthPages[addressWidth] ?? absent())) {
      out.fail(VTD_FAULT.ADDRESS_BEYOND_MGAW);
      return false;
    }
    out.startAt(addressOf(low, entry[1] ?? absent()), addressWidth + 2, SL_READ | SL_WRITE);
    return true;
  }

  /**
   * A request that the device says it has translated itself (AT = translated). It goes on with its own address if
   * the context entry has translation type 1, and is blocked otherwise.
   */
  checkTranslatedRequest(requesterId: RequesterId, address: IoVirtualAddress, out: WalkResult): void {
    assertRequest(requesterId, address);
    out.reset();
    if (!this.readEntry(requesterId, false, out)) return;
    const type = ((out.entry[0] ?? absent()) >>> 2) & 3;
    if (type !== TRANSLATION_TYPE.TRANSLATE_AND_DEVICE_TLB) {
      out.fail(VTD_FAULT.BLOCKED_BY_TRANSLATION_TYPE);
    } else if (ioPageOf(address) >= this.#hostPages) {
      out.fail(VTD_FAULT.ADDRESS_BEYOND_MGAW);
    } else {
      out.pass(ioPageOf(address), true, true);
    }
  }

  stopAtAbsentPage(write: boolean, out: WalkResult): void {
    out.absent = 'page';
    out.fail(write ? VTD_FAULT.NO_WRITE_PERMISSION : VTD_FAULT.NO_READ_PERMISSION);
  }

  /** The context table of `bus`, or NO_ADDRESS with the fault in `out`. */
  #readRoot(bus: number, out: WalkResult): HostPhysicalAddress {
    const at = addressAfter(this.#rootTable, bus * 16);
    if (!this.#reachable(this.#rootTable)) {
      out.fail(VTD_FAULT.ROOT_TABLE_UNREADABLE);
      return NO_ADDRESS;
    }
    out.contextReads = 1;
    const low = this.#memory.readU32(at);
    const high = this.#memory.readU32(addressAfter(at, 4));
    if ((low & 1) === 0) {
      out.fail(VTD_FAULT.ROOT_NOT_PRESENT);
      return NO_ADDRESS;
    }
    const reserved = (low & 0xffe) | (high & this.#pointerReservedHigh);
    if (
      (reserved | this.#memory.readU32(addressAfter(at, 8)) | this.#memory.readU32(addressAfter(at, 12))) !==
      0
    ) {
      out.fail(VTD_FAULT.ROOT_RESERVED);
      return NO_ADDRESS;
    }
    return addressOf(low, high);
  }

  /** Reads and checks the context entry at `at`; false with the fault in `out` if it stops the request. */
  #readContext(at: HostPhysicalAddress, out: WalkResult): boolean {
    if (!this.#reachable(pageStart(at, 12))) {
      out.fail(VTD_FAULT.CONTEXT_TABLE_UNREADABLE);
      return false;
    }
    out.contextReads = 2;
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      out.entry[word] = this.#memory.readU32(addressAfter(at, word * 4));
    return this.#checkContext(out);
  }

  /** Checks the context entry in `out`; false with the fault if it stops the request. */
  #checkContext(out: WalkResult): boolean {
    const { entry } = out;
    const low = entry[0] ?? absent();
    const upper = entry[2] ?? absent();
    // FPD counts even in an entry that is not present: it is how software silences a device that it has no use for.
    if ((low & 2) !== 0) out.logging = 'never';
    if ((low & 1) === 0) {
      out.absent = 'entry';
      out.fail(VTD_FAULT.CONTEXT_NOT_PRESENT);
      return false;
    }
    const reserved =
      (low & 0xff0) | ((entry[1] ?? absent()) & this.#pointerReservedHigh) | (upper & 0xff00_0080);
    if ((reserved | (entry[3] ?? absent())) !== 0) {
      // What the entry says about logging is as little to be trusted as the rest of it: this fault is not qualified.
      out.logging = 'always';
      out.fail(VTD_FAULT.CONTEXT_RESERVED);
      return false;
    }
    out.domainId = (upper >>> 8) & 0xffff;
    const type = (low >>> 2) & 3;
    const typeKnown =
      type === TRANSLATION_TYPE.TRANSLATE ||
      (type === TRANSLATION_TYPE.TRANSLATE_AND_DEVICE_TLB && this.capabilities.deviceTlb) ||
      (type === TRANSLATION_TYPE.PASS_THROUGH && this.capabilities.passThrough);
    if (!typeKnown || (this.#widthPages[upper & 7] ?? absent()) === 0) {
      out.fail(VTD_FAULT.CONTEXT_INVALID);
      return false;
    }
    return true;
  }

  walkTables(page: IoPageNumber, write: boolean, out: WalkResult): void {
    const needed = write ? SL_WRITE : SL_READ;
    const upper = upperOf(page);
    const lower = lowerOf(page);
    // The top table is the one that the context entry names, unless a cached pointer led past it.
    const topLevel = ((out.entry[2] ?? absent()) & 7) + 2;
    let permissions = out.rights;
    let table = out.table;
    for (let level = out.level; ; level -= 1) {
      if (!this.#reachable(table)) {
        // A top table that cannot be read is the context entry's mistake.
        out.fail(level === topLevel ? VTD_FAULT.CONTEXT_INVALID : VTD_FAULT.PAGING_ENTRY_UNREADABLE);
        return;
      }
      out.noteRead(table, level, permissions);
      const index = entryIndex(upper, lower, level);
      const low = this.#memory.readU32(addressAfter(table, index * 8));
      const high = this.#memory.readU32(addressAfter(addressAfter(table, index * 8), 4));
      if ((low & needed) === 0) {
        if ((low & (SL_READ | SL_WRITE)) === 0) out.absent = 'page';
        out.fail(write ? VTD_FAULT.NO_WRITE_PERMISSION : VTD_FAULT.NO_READ_PERMISSION);
        return;
      }
      permissions &= low;
      const isPage = level === 1 || (low & SL_PAGE_SIZE) !== 0;
      const reserved = isPage
        ? (low & (this.#pageReservedLow[level] ?? absent())) | (high & this.#pageReservedHigh)
        : (low & (this.#tableReservedLow[level] ?? absent())) | (high & this.#tableReservedHigh);
      if (reserved !== 0) {
        out.fail(VTD_FAULT.PAGING_ENTRY_RESERVED);
        return;
      }
      table = addressOf(low, high);
      if (isPage) {
        const pageBits = 3 + 9 * level;
        const physical = pageAfter(pageOf(table), pageWithin(page, pageBits));
        if (isInterruptPage(physical)) {
          out.fail(VTD_FAULT.PAGE_IN_INTERRUPT_WINDOW);
          return;
        }
        out.ok = true;
        // Of a large page around the window only what was asked for: a cache must not let the next request into the window.
        const isWhole =
          level === 1 || !overlaps(table, pageSize(pageBits), INTERRUPT_WINDOW_START, INTERRUPT_WINDOW_END);
        out.physical = isWhole ? table : pageAddress(physical);
        out.pageBits = isWhole ? pageBits : 12;
        out.read = (permissions & SL_READ) !== 0;
        out.write = (permissions & SL_WRITE) !== 0;
        return;
      }
    }
  }
}
