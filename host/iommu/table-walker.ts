import {
  type BusPageNumber,
  deviceAddress,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioPageOf,
  type MemoryAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  passedThrough,
  type RequesterId,
  WIDE_ADDRESS,
} from '../../nic/addresses.js';

/** All that a walker, a table builder or a queue needs of memory: little-endian 32-bit words at physical byte addresses. */
export interface TableMemory {
  readU32(address: HostPhysicalAddress): number;
  writeU32(address: HostPhysicalAddress, value: number): void;
  /** Every byte of a range is `value`. */
  fill(address: HostPhysicalAddress, length: number, value: number): void;
}

/** No address: there is no table, or no entry, or no page for one. Below 0. */
export const NO_ADDRESS = hostPhysicalAddress(-1);

/** Says whether the 4 KB page at `address` can be read. A unit that reads where it says no reports a hardware fault. */
export type Reachable = (address: HostPhysicalAddress) => boolean;

/** Most page-table reads that one walk makes: AMD-Vi has six levels. */
export const MAX_WALK_LEVELS = 6;

/** First address beyond the 64 bits of a request. */
export const ADDRESS_LIMIT = 2 ** 64;

/** The interrupt window: writes to it are interrupt messages, never transfers to memory. */
export const INTERRUPT_WINDOW_START = 0xfee0_0000;
export const INTERRUPT_WINDOW_END = 0xfef0_0000;
/** Pages of 2^30 bytes. */
const PAGES_OF_LOWER = 2 ** 18;
const FIRST_INTERRUPT_PAGE = INTERRUPT_WINDOW_START / PAGE_BYTES;
const INTERRUPT_PAGES_END = INTERRUPT_WINDOW_END / PAGE_BYTES;

/** 32-bit words of a requester's entry that caches keep: a VT-d context entry, the first half of an AMD-Vi DTE. */
export const ENTRY_WORDS = 4;

/** What was not there when a walk failed: the requester's entry, or an entry of the page tables. */
export type Absence = 'nothing' | 'entry' | 'page';

/** What a failed walk may log: `always`, only the device's `first` fault, or `never`. */
export type FaultLogging = 'always' | 'first' | 'never';

/**
 * Result of a walk. One object serves many walks: a caller keeps one and hands it to `walk` each time.
 *
 * A walk that fails (`ok` false) has a `faultReason` of the vendor's numbering. Reason 0 means that the request
 * is stopped and nothing is to be recorded, as for the interrupt window.
 */
export class WalkResult {
  /** True if the request may go on to memory. */
  ok = false;
  /** VT-d fault reason, or AMD-Vi event code; 0 when there is nothing to record. */
  faultReason = 0;
  /** AMD-Vi event flags (bits 27:16 of an event, as a number); 0 for VT-d. */
  faultFlags = 0;
  /** AMD-Vi: physical address of the table entry that could not be read; -1 for every other fault. */
  entryAddress = NO_ADDRESS;
  /** Whether the tables allow this fault to be logged (VT-d FPD, AMD-Vi SE and SA). */
  logging: FaultLogging = 'always';
  /** The address lies in the interrupt window. A write is a message for the interrupt controller, a read is refused. */
  interruptWindow = false;
  /** The request goes on with its own address. `physical` is then the 4 KB page of that address. */
  passThrough = false;
  /** Physical address at which the page starts. */
  physical = hostPhysicalAddress(0);
  /** Log2 of the page's size in bytes: 12 for 4 KB. */
  pageBits = 0;
  /** Permissions of the page, after the AND along the walk. */
  read = false;
  write = false;
  /** Domain of the requester, 0 if its entry was not reached. */
  domainId = 0;
  /** Reads made to find the requester's tables: 2 for VT-d (root, context), 1 for AMD-Vi (device table), fewer on a fault. */
  contextReads = 0;
  /** The requester's entry as it was read: the context entry (VT-d) or the first half of the DTE (AMD-Vi). */
  readonly entry = new Uint32Array(ENTRY_WORDS);
  /** The entry lets every request pass untranslated, so no cache of pages need be asked. */
  entryPasses = false;
  /** The request failed because the entry, or a page-table entry, is not present: what caching mode may remember. */
  absent: Absence = 'nothing';
  /** Where the page tables are to be walked from: the top table, or one that a cache points at. */
  table = hostPhysicalAddress(0);
  level = 0;
  /** READ and WRITE as far as the entries above `table` grant them. */
  rights = 0;
  /** Page-table reads made. */
  levels = 0;
  /** The table that each of those reads went to, in order; the first `levels` elements are of this walk. */
  readonly tableAddress = new Float64Array(MAX_WALK_LEVELS);
  /** The level of each of those tables: 1 holds 4 KB pages. AMD-Vi may skip levels, so they need not be consecutive. */
  readonly tableLevel = new Uint8Array(MAX_WALK_LEVELS);
  /** What the entries above each of those tables grant. */
  readonly tableRights = new Uint8Array(MAX_WALK_LEVELS);

  /** Makes the result ready for a new walk. */
  reset(): void {
    this.ok = false;
    this.faultReason = 0;
    this.faultFlags = 0;
    this.entryAddress = NO_ADDRESS;
    this.logging = 'always';
    this.interruptWindow = false;
    this.passThrough = false;
    this.physical = hostPhysicalAddress(0);
    this.pageBits = 0;
    this.read = false;
    this.write = false;
    this.domainId = 0;
    this.contextReads = 0;
    this.entryPasses = false;
    this.absent = 'nothing';
    this.table = hostPhysicalAddress(0);
    this.level = 0;
    this.rights = 0;
    this.levels = 0;
  }

  /** The page tables are to be walked from here. */
  startAt(table: HostPhysicalAddress, level: number, rights: number): void {
    this.table = table;
    this.level = level;
    this.rights = rights;
  }

  /** The request goes on untranslated. */
  pass(page: IoPageNumber, read: boolean, write: boolean): void {
    this.ok = true;
    this.passThrough = true;
    this.physical = passedThrough(deviceAddress(ioPageAddress(page)));
    this.pageBits = 12;
    this.read = read;
    this.write = write;
  }

  /** The request is stopped, with a fault of the vendor's numbering. */
  fail(faultReason: number, faultFlags = 0): void {
    this.ok = false;
    this.faultReason = faultReason;
    this.faultFlags = faultFlags;
  }

  /** The request is in the interrupt window: nothing of it is for memory, and nothing is recorded. */
  stopAtInterruptWindow(): void {
    this.ok = false;
    this.interruptWindow = true;
  }

  /** Notes a page-table read. @param rights READ and WRITE as the entries above grant them */
  noteRead(tableAddress: HostPhysicalAddress, level: number, rights: number): void {
    this.tableAddress[this.levels] = tableAddress;
    this.tableLevel[this.levels] = level;
    this.tableRights[this.levels] = rights;
    this.levels += 1;
  }
}

/**
 * Translates one address by reading the tables in memory. It caches nothing, takes no time and allocates nothing.
 *
 * A walk has three parts, so that caches can put what they hold in place of a read: the requester's entry, what that
 * entry says of a request, and the page tables from some table down.
 */
export interface TableWalker {
  /**
   * @param requesterId 16-bit bus/device/function, bus in the high byte
   * @param iova the address that the device used, bytes, a whole number below 2^64; from 2^53 on, where a number no
   * longer holds every byte's address, the first byte of its page, which is all that tables and caches distinguish
   * @param write true for a write
   * @param out receives the outcome; whatever it held is overwritten
   */
  walk(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, out: WalkResult): void;
  /** Reads the requester's entry into `out.entry`. False, with the fault, if the request stops at it. */
  readEntry(requesterId: RequesterId, write: boolean, out: WalkResult): boolean;
  /**
   * Decides by `out.entry`, wherever it was read, about a request for a page. False if that settles the request, which passes
   * or is stopped; true if the page tables from `out.table` down are to say.
   */
  applyEntry(page: IoPageNumber, write: boolean, out: WalkResult): boolean;
  /** Walks the page tables from `out.table`, of `out.level`. */
  walkTables(page: IoPageNumber, write: boolean, out: WalkResult): void;
  /** Stops the request as an entry does that is not present. */
  stopAtAbsentPage(write: boolean, out: WalkResult): void;
}

/** A walk with nothing cached: every part is read from memory. */
export function walkFromMemory(
  walker: Omit<TableWalker, 'walk'>,
  requesterId: RequesterId,
  iova: IoVirtualAddress,
  write: boolean,
  out: WalkResult,
): void {
  if (!beginRequest(requesterId, iova, out)) return;
  if (!walker.readEntry(requesterId, write, out)) return;
  const page = ioPageOf(iova);
  if (walker.applyEntry(page, write, out)) walker.walkTables(page, write, out);
}

/** True if an address, before or after translation, lies in the interrupt window. */
export function inInterruptWindow(address: MemoryAddress): boolean {
  return address >= INTERRUPT_WINDOW_START && address < INTERRUPT_WINDOW_END;
}

/** The same of a page, before or after translation. */
export function isInterruptPage(page: BusPageNumber | IoPageNumber | PageNumber): boolean {
  return page >= FIRST_INTERRUPT_PAGE && page < INTERRUPT_PAGES_END;
}

/**
 * Makes `out` ready for a request. False if the request lies in the interrupt window and is thereby dealt with.
 *
 * @throws RangeError for a request that no device could emit
 */
function beginRequest(requesterId: RequesterId, iova: IoVirtualAddress, out: WalkResult): boolean {
  assertRequest(requesterId, iova);
  out.reset();
  if (!inInterruptWindow(iova)) return true;
  out.stopAtInterruptWindow();
  return false;
}

/** A request that meets a unit which does not translate: it passes with its own address. */
export function passUntranslated(requesterId: RequesterId, iova: IoVirtualAddress, out: WalkResult): void {
  if (!beginRequest(requesterId, iova, out)) return;
  out.entryPasses = true;
  out.pass(ioPageOf(iova), true, true);
}

/**
 * Index of the entry for an address in a table of `level`, 0..511. The address is given as its bits from 30 up and
 * its lower 30 bits, so that every index but that of the sixth level is a shift of a 32-bit number.
 */
export function entryIndex(upper: number, lower: number, level: number): number {
  // The bits from 30 up of an address from 2^62 on are more than 32.
  if (level > 5) return Math.floor(upper / 2 ** 27) & 511;
  return level > 2 ? (upper >>> (9 * (level - 3))) & 511 : (lower >>> (3 + 9 * level)) & 511;
}

/** A page as `entryIndex` takes its address: the bits from 30 up, and the lower 30. */
export function upperOf(page: IoPageNumber): number {
  return Math.floor(page / PAGES_OF_LOWER);
}

export function lowerOf(page: IoPageNumber): number {
  return (page & (PAGES_OF_LOWER - 1)) * PAGE_BYTES;
}

/** Throws for a request that no device could emit. That is a mistake of ours. */
export function assertRequest(requesterId: RequesterId, iova: IoVirtualAddress): void {
  if (!(iova >= 0 && iova < ADDRESS_LIMIT) || iova !== Math.floor(iova)) {
    throw new RangeError(`address is ${iova}, expected a whole number of bytes from 0 to 2^64 - 1`);
  }
  if (iova >= WIDE_ADDRESS && offsetInPage(iova) !== 0) {
    throw new RangeError(`address is ${iova}, expected the first byte of its page from 2^53 on`);
  }
  if ((requesterId & 0xffff) !== requesterId) {
    throw new RangeError(`requester ID is ${requesterId}, expected 16 bits`);
  }
}
