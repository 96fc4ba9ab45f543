import {
  addressAfter,
  type HostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioPageAfter,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
} from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { type EntryFormat, type PageAllocator, READ, spanBits, WRITE } from './entry-format.js';
import { pageOffset, pageSize, pageStart } from './page-arithmetic.js';
import { ADDRESS_LIMIT, entryIndex, NO_ADDRESS, type TableMemory } from './table-walker.js';

/** Outcome of `map`. The two refusals leave every translation unchanged. */
export type MapOutcome = 'mapped' | 'already-mapped' | 'no-page';

/** A translation as `find` reports it. */
export interface Mapping {
  readonly iova: IoVirtualAddress;
  readonly physical: HostPhysicalAddress;
  readonly pageBits: number;
  readonly permissions: number;
}

const ENTRIES = 512;
const SMALL_PAGE_BITS = 12;
const TWO_30 = 2 ** 30;

/**
 * Builds and changes the page tables of one domain in memory, as host software does. It keeps nothing on the side:
 * what is mapped is what the tables say.
 *
 * A table page is given back only when one `unmap` covers all that it maps, as Linux's VT-d driver does
 * (dma_pte_clear_level); an emptied table stays otherwise. The caller of `unmap` must invalidate: `tablesFreed` says
 * whether the paging-structure caches are concerned too.
 */
export class RadixTable {
  /** Physical address of the top table. */
  readonly root: HostPhysicalAddress;
  readonly #memory: TableMemory;
  readonly #pages: PageAllocator;
  readonly #format: EntryFormat;
  readonly #limit: number;
  /** Pages from the first on whose numbers are 31-bit integers. */
  readonly #narrowPages: number;
  #tables = 1;
  #tablesFreed = 0;
  #bytesUnmapped = 0;
  #locatedLevel = 0;
  #locatedBits = 0;

  /** @throws Error if there is no page for the top table. */
  constructor(memory: TableMemory, pages: PageAllocator, format: EntryFormat) {
    this.#memory = memory;
    this.#pages = pages;
    this.#format = format;
    this.#limit = Math.min(2 ** spanBits(format.levels + 1), ADDRESS_LIMIT);
    this.#narrowPages = Math.min(this.#limit / PAGE_BYTES, 2 ** 31);
    this.root = this.#newTable();
    if (this.root < 0) throw new InvariantViolation('no page for the top table');
  }

  get levels(): number {
    return this.#format.levels;
  }

  /** Pages that the tables occupy, the top one included. */
  get tables(): number {
    return this.#tables;
  }

  /** Table pages that the last `map` or `unmap` gave back. */
  get tablesFreed(): number {
    return this.#tablesFreed;
  }

  /** Bytes that the last `unmap` took away. */
  get bytesUnmapped(): number {
    return this.#bytesUnmapped;
  }

  /**
   * Maps one page.
   *
   * @param pageBits log2 of its size; both addresses are aligned to it
   * @param permissions READ, WRITE or both
   * @throws RangeError for addresses or sizes that no table of this format can hold
   */
  map(
    iova: IoVirtualAddress,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): MapOutcome {
    const leaf = this.#format.levelFor(pageBits);
    if (leaf === 0 || leaf > this.levels)
      throw new RangeError(`page of 2^${pageBits} bytes: no such size here`);
    this.#assertRange(iova, pageSize(pageBits), pageBits);
    if (!(physical >= 0 && physical < 2 ** 52) || pageOffset(physical, pageBits) !== 0) {
      throw new RangeError(
        `physical address is ${physical}, expected a multiple of 2^${pageBits} below 2^52`,
      );
    }
    if (permissions < READ || permissions > (READ | WRITE)) {
      throw new RangeError(`permissions are ${permissions}, expected READ, WRITE or both`);
    }
    const upper = Math.floor(iova / TWO_30);
    return this.#map(upper, iova - upper * TWO_30, leaf, physical, pageBits, permissions);
  }

  /** As `map`, for a page of 4 KB that is named by its number. */
  mapPage(ioPage: IoPageNumber, page: PageNumber, permissions: number): MapOutcome {
    // Beyond 2^31 a number of a page is no integer to the engine, and large addresses are checked as `map` does.
    if (!(ioPage >= 0 && ioPage < this.#narrowPages) || permissions < READ || permissions > (READ | WRITE))
      return this.map(ioPageAddress(ioPage), pageAddress(page), SMALL_PAGE_BITS, permissions);
    return this.#map(
      ioPage >>> 18,
      (ioPage & 0x3ffff) << SMALL_PAGE_BITS,
      1,
      pageAddress(page),
      SMALL_PAGE_BITS,
      permissions,
    );
  }

  /** @param upper the address from bit 30 up; @param lower the bits below */
  #map(
    upper: number,
    lower: number,
    leaf: number,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): MapOutcome {
    this.#tablesFreed = 0;
    let table = this.root;
    for (let level = this.levels; level > leaf; level -= 1) {
      const at = entryOf(table, level, upper, lower);
      const low = this.#memory.readU32(at);
      const high = this.#memory.readU32(addressAfter(at, 4));
      if (this.#format.isPresent(low, high)) {
        if (this.#format.isPage(low, high, level)) return 'already-mapped';
        table = this.#format.address(low, high, level);
      } else {
        table = this.#newTable();
        if (table < 0) return 'no-page';
        this.#tables += 1;
        this.#format.writeTable(this.#memory, at, table, level - 1);
      }
    }
    return this.#writePages(entryOf(table, leaf, upper, lower), leaf, physical, pageBits, permissions);
  }

  /**
   * Takes away every translation in [iova, iova + bytes); what is not mapped there is left as it is.
   *
   * @returns table pages given back
   * @throws RangeError if the range is not of whole pages, or would split a larger one
   */
  unmap(iova: IoVirtualAddress, bytes: number): number {
    this.#assertRange(iova, bytes, SMALL_PAGE_BITS);
    const first = this.#locateAddress(iova);
    if (first >= 0 && pageStart(iova, this.#locatedBits) < iova) {
      throw new RangeError(`unmap at ${iova} splits a page`);
    }
    if (
      first >= 0 &&
      pageSize(this.#locatedBits) === bytes &&
      this.#locatedLevel * 9 + 3 === this.#locatedBits
    ) {
      // One page in one entry, as most are: it is found already.
      this.#tablesFreed = 0;
      this.#erase(first);
      this.#bytesUnmapped = bytes;
      return 0;
    }
    const lastPage = addressAfter(iova, bytes - pageSize(SMALL_PAGE_BITS));
    const last = this.#locateAddress(lastPage);
    if (last >= 0 && pageStart(lastPage, this.#locatedBits) + pageSize(this.#locatedBits) > iova + bytes) {
      throw new RangeError(`unmap up to ${iova + bytes} splits a page`);
    }
    this.#tablesFreed = 0;
    this.#bytesUnmapped = 0;
    this.#clear(this.root, this.levels, 0, iova, iova + bytes);
    return this.#tablesFreed;
  }

  /** As `unmap`, for pages of 4 KB from a number on. */
  unmapPages(first: IoPageNumber, pages: number): number {
    if (pages === 1 && first >= 0 && first < this.#narrowPages) {
      const at = this.#locatePage(first);
      // A small page is an entry of the last level, whoever wrote it: there is nothing else to look at.
      if (at >= 0 && this.#locatedLevel === 1 && this.#locatedBits === SMALL_PAGE_BITS) {
        this.#tablesFreed = 0;
        this.#erase(at);
        this.#bytesUnmapped = PAGE_BYTES;
        return 0;
      }
    }
    return this.#unmapSmall(first, pages) ? 0 : this.unmap(ioPageAddress(first), pages * PAGE_BYTES);
  }

  /**
   * As `unmapPages`, for few pages all of which are small ones, or not mapped: then no table becomes empty by it. Without
   * an effect it returns false.
   */
  #unmapSmall(first: IoPageNumber, pages: number): boolean {
    if (!(first >= 0 && first + pages <= this.#narrowPages && pages > 0 && pages < ENTRIES)) return false;
    for (let page = first; page < first + pages; page = ioPageAfter(page, 1)) {
      const at = this.#locatePage(page);
      if (at >= 0 && (this.#locatedLevel !== 1 || this.#locatedBits !== SMALL_PAGE_BITS)) return false;
    }
    this.#tablesFreed = 0;
    this.#bytesUnmapped = 0;
    for (let page = first; page < first + pages; page = ioPageAfter(page, 1)) {
      const at = this.#locatePage(page);
      if (at < 0) continue;
      this.#erase(at);
      this.#bytesUnmapped += PAGE_BYTES;
    }
    return true;
  }

  /** The translation that covers `iova`, or undefined. For set-up and tests: it allocates. */
  find(iova: IoVirtualAddress): Mapping | undefined {
    const at = iova >= 0 && iova < this.#limit ? this.#locateAddress(iova) : NO_ADDRESS;
    if (at < 0) return undefined;
    const low = this.#memory.readU32(at);
    const high = this.#memory.readU32(addressAfter(at, 4));
    const pageBits = this.#locatedBits;
    return {
      iova: pageStart(iova, pageBits),
      physical: this.#format.address(low, high, this.#locatedLevel),
      pageBits,
      permissions: this.#format.permissions(low, high),
    };
  }

  /** Physical addresses of all table pages, top one first: no device may be able to write to them. */
  tableAddresses(): HostPhysicalAddress[] {
    const found: HostPhysicalAddress[] = [];
    const visit = (table: HostPhysicalAddress, level: number): void => {
      found.push(table);
      for (let at = table; level > 1 && at < table + PAGE_BYTES; at = addressAfter(at, 8)) {
        const low = this.#memory.readU32(at);
        const high = this.#memory.readU32(addressAfter(at, 4));
        if (this.#format.isPresent(low, high) && !this.#format.isPage(low, high, level)) {
          visit(this.#format.address(low, high, level), level - 1);
        }
      }
    };
    visit(this.root, this.levels);
    return found;
  }

  /** Gives every table page back, the top one too. The object must not be used after it. */
  destroy(): void {
    this.#release(this.root, this.levels);
  }

  /** Throws if the tables do not match the builder's state. For tests: reads every table. */
  checkInvariants(): void {
    const found = this.tableAddresses();
    if (found.length !== this.#tables)
      throw new InvariantViolation(`${this.#tables} tables counted, ${found.length} found`);
    if (new Set(found).size !== found.length) throw new InvariantViolation('a table page is used twice');
  }

  #assertRange(iova: IoVirtualAddress, bytes: number, unitBits: number): void {
    const aligned = pageOffset(iova, unitBits) === 0 && pageOffset(bytes, unitBits) === 0;
    if (!(iova >= 0 && bytes > 0 && iova + bytes <= this.#limit) || !aligned) {
      throw new RangeError(
        `range of ${bytes} bytes at ${iova}, expected multiples of ${pageSize(unitBits)} below ${this.#limit}`,
      );
    }
  }

  /** Where the entry lies that holds the page of `iova`, or NO_ADDRESS; its level and the page's size are left in `#located...`. */
  #locateAddress(iova: IoVirtualAddress): HostPhysicalAddress {
    const upper = Math.floor(iova / TWO_30);
    return this.#locate(upper, iova - upper * TWO_30);
  }

  /** Likewise of a page whose number has 31 bits. */
  #locatePage(page: IoPageNumber): HostPhysicalAddress {
    return this.#locate(page >>> 18, (page & 0x3ffff) << SMALL_PAGE_BITS);
  }

  /** Likewise of an address in two parts. */
  #locate(upper: number, lower: number): HostPhysicalAddress {
    let table = this.root;
    for (let level = this.levels; level > 0; level -= 1) {
      const at = entryOf(table, level, upper, lower);
      const low = this.#memory.readU32(at);
      const high = this.#memory.readU32(addressAfter(at, 4));
      if (!this.#format.isPresent(low, high)) return NO_ADDRESS;
      if (this.#format.isPage(low, high, level)) {
        this.#locatedLevel = level;
        this.#locatedBits = this.#format.pageBits(low, high, level);
        return at;
      }
      table = this.#format.address(low, high, level);
    }
    return NO_ADDRESS;
  }

  #newTable(): HostPhysicalAddress {
    const table = this.#pages.allocate();
    if (table < 0) return NO_ADDRESS;
    this.#memory.fill(table, PAGE_BYTES, 0);
    return table;
  }

  /** A page larger than its level's span is one entry repeated (AMD-Vi, NextLevel 7). */
  #writePages(
    at: HostPhysicalAddress,
    level: number,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): MapOutcome {
    const count = pageSize(pageBits - spanBits(level));
    if (
      count === 1 &&
      !this.#format.isPresent(this.#memory.readU32(at), this.#memory.readU32(addressAfter(at, 4)))
    ) {
      // One empty entry, as for most pages: there is nothing to look into.
      this.#format.writePage(this.#memory, at, physical, pageBits, permissions);
      return 'mapped';
    }
    for (let entry = at; entry < at + count * 8; entry = addressAfter(entry, 8)) {
      const low = this.#memory.readU32(entry);
      const high = this.#memory.readU32(addressAfter(entry, 4));
      if (!this.#format.isPresent(low, high)) continue;
      if (this.#format.isPage(low, high, level)) return 'already-mapped';
      if (!this.#isEmpty(this.#format.address(low, high, level), level - 1)) return 'already-mapped';
    }
    for (let entry = at; entry < at + count * 8; entry = addressAfter(entry, 8)) {
      const low = this.#memory.readU32(entry);
      const high = this.#memory.readU32(addressAfter(entry, 4));
      // What is present here is a table that earlier unmaps emptied: the page takes its place.
      const emptied = this.#format.isPresent(low, high) ? this.#format.address(low, high, level) : NO_ADDRESS;
      this.#format.writePage(this.#memory, entry, physical, pageBits, permissions);
      if (emptied >= 0) this.#release(emptied, level - 1);
    }
    return 'mapped';
  }

  #isEmpty(table: HostPhysicalAddress, level: number): boolean {
    for (let at = table; at < table + PAGE_BYTES; at = addressAfter(at, 8)) {
      const low = this.#memory.readU32(at);
      const high = this.#memory.readU32(addressAfter(at, 4));
      if (!this.#format.isPresent(low, high)) continue;
      if (this.#format.isPage(low, high, level)) return false;
      if (!this.#isEmpty(this.#format.address(low, high, level), level - 1)) return false;
    }
    return true;
  }

  #clear(table: HostPhysicalAddress, level: number, base: number, start: number, end: number): void {
    const span = pageSize(spanBits(level));
    const first = Math.max(0, Math.floor((start - base) / span));
    // Not floor of `end - 1`: from 2^53 on that is no number.
    const last = Math.min(ENTRIES - 1, Math.ceil((end - base) / span) - 1);
    for (let index = first; index <= last; index += 1) {
      const at = addressAfter(table, index * 8);
      const low = this.#memory.readU32(at);
      const high = this.#memory.readU32(addressAfter(at, 4));
      if (!this.#format.isPresent(low, high)) continue;
      const entryBase = base + index * span;
      if (this.#format.isPage(low, high, level)) {
        this.#erase(at);
        this.#bytesUnmapped += span;
      } else {
        const child = this.#format.address(low, high, level);
        if (start <= entryBase && end >= entryBase + span) {
          this.#erase(at);
          this.#release(child, level - 1);
        } else {
          this.#clear(child, level - 1, entryBase, start, end);
        }
      }
    }
  }

  /** Gives back a table that nothing points at any more, and all below it. */
  #release(table: HostPhysicalAddress, level: number): void {
    for (let at = table; at < table + PAGE_BYTES; at = addressAfter(at, 8)) {
      const low = this.#memory.readU32(at);
      const high = this.#memory.readU32(addressAfter(at, 4));
      if (!this.#format.isPresent(low, high)) continue;
      if (this.#format.isPage(low, high, level)) this.#bytesUnmapped += pageSize(spanBits(level));
      else this.#release(this.#format.address(low, high, level), level - 1);
    }
    this.#pages.release(table);
    this.#tables -= 1;
    this.#tablesFreed += 1;
  }

  /** The word that makes an entry present goes first, so that no walk sees half of it. */
  #erase(at: HostPhysicalAddress): void {
    this.#memory.writeU32(at, 0);
    this.#memory.writeU32(addressAfter(at, 4), 0);
  }
}

/** Where the entry of an address lies in a table, the address given as `entryIndex` takes it. */
function entryOf(
  table: HostPhysicalAddress,
  level: number,
  upper: number,
  lower: number,
): HostPhysicalAddress {
  return addressAfter(table, entryIndex(upper, lower, level) * 8);
}
