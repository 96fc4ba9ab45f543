import {
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  type PageNumber,
  pageAfter,
  pageOf,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import { READ, WRITE } from '../entry-format.js';
import { indexOfPage, pageWithin } from '../page-arithmetic.js';
import type { Replacement } from './parameters.js';
import { type CacheSlot, NO_SLOT, TagStore } from './tag-store.js';

const MAX_PAGE_BITS = 64;

/**
 * Translations by domain, page and page size. A device's request says nothing of the page size, so a look asks for
 * each size of which there is an entry, the smallest first.
 */
export class Iotlb {
  readonly #tags: TagStore;
  readonly #physical: Float64Array;
  readonly #permissions: Uint8Array;
  /** Log2 of the sizes that were ever held, ascending; 0 ends the list. */
  readonly #sizes = new Uint8Array(MAX_PAGE_BITS);
  #foundBits = 0;

  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    this.#tags = new TagStore(entries, ways, replacement, seed);
    this.#physical = new Float64Array(entries);
    this.#permissions = new Uint8Array(entries);
  }

  /** Translations held. */
  get size(): number {
    return this.#tags.size;
  }

  get entries(): number {
    return this.#tags.entries;
  }

  /** Log2 of the page size that the last successful `find` met. */
  get foundBits(): number {
    return this.#foundBits;
  }

  /** The slot that translates a page of 4 KB, or NO_SLOT. */
  find(domain: number, page: IoPageNumber): CacheSlot {
    for (let index = 0; index < MAX_PAGE_BITS; index += 1) {
      const bits = this.#sizes[index] ?? absent();
      if (bits === 0) return NO_SLOT;
      const slot = this.#tags.find(domain, bits, indexOfPage(page, bits));
      if (slot >= 0) {
        this.#foundBits = bits;
        return slot;
      }
    }
    return NO_SLOT;
  }

  /** Whether a slot's page may be read (or written). */
  permits(slot: CacheSlot, write: boolean): boolean {
    return ((this.#permissions[slot] ?? absent()) & (write ? WRITE : READ)) !== 0;
  }

  /** Whether a slot says that nothing is mapped: caching mode only. */
  isAbsent(slot: CacheSlot): boolean {
    return this.#permissions[slot] === 0;
  }

  /** Physical address at which a slot's page starts. */
  physical(slot: CacheSlot): HostPhysicalAddress {
    return hostPhysicalAddress(this.#physical[slot] ?? absent());
  }

  /** Where a page of 4 KB goes by the slot that the last `find` met for it. */
  physicalPage(slot: CacheSlot, page: IoPageNumber): PageNumber {
    return pageAfter(pageOf(this.physical(slot)), pageWithin(page, this.#foundBits));
  }

  /** Holds a translation, or with neither right that there is none; one of the same page is replaced. */
  insert(
    domain: number,
    pageBits: number,
    page: IoPageNumber,
    physical: HostPhysicalAddress,
    read: boolean,
    write: boolean,
  ): void {
    this.#noteSize(pageBits);
    const slot = this.#tags.insert(domain, pageBits, indexOfPage(page, pageBits));
    this.#physical[slot] = physical;
    this.#permissions[slot] = (read ? READ : 0) | (write ? WRITE : 0);
  }

  clear(): void {
    this.#tags.clear();
  }

  removeDomain(domain: number): void {
    this.#tags.removeDomain(domain);
  }

  /** Drops every translation of a domain that covers one of the 4 KB pages in [start, end), whatever its size. */
  removeRange(domain: number, start: IoPageNumber, end: number): void {
    this.#tags.removeRange(domain, start, end);
  }

  checkInvariants(): void {
    this.#tags.checkInvariants();
  }

  #noteSize(pageBits: number): void {
    let carried = pageBits;
    for (let index = 0; index < MAX_PAGE_BITS; index += 1) {
      const held = this.#sizes[index] ?? absent();
      if (held === carried) return;
      if (held === 0 || held > carried) {
        this.#sizes[index] = carried;
        if (held === 0) return;
        carried = held;
      }
    }
  }
}
