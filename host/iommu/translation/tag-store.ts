import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { IoPageNumber } from '../../../nic/addresses.js';
import type { Branded } from '../../../scheduler/branded.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { powerOfTwoFrom } from '../../../scheduler/whole-logarithm.js';
import { indexOfPage, pageIndex } from '../page-arithmetic.js';
import type { Replacement } from './parameters.js';

/** Number of a slot of a cache. Each cache has its own. */
export type CacheSlot = Branded<'CacheSlot'>;

/** A slot number that was kept as a plain number and is read back, or is counted up to. */
export function cacheSlot(value: number): CacheSlot {
  return value as CacheSlot;
}

/** No slot: the tag is not there. */
export const NO_SLOT = cacheSlot(-1);
/** In place of the page size of a slot that holds no tag. */
const EMPTY = -1;
const MAX_PAGE_BITS = 64;

/**
 * The tags of a set-associative cache: which slot holds (domain, page size, page number). What a slot is worth is
 * kept by its user, in arrays of its own, by slot number.
 *
 * A tag is found through a hash chain and not way by way, so that a fully associative cache of any size costs the
 * same to look into. The set of a tag is its page number modulo the number of sets.
 */
export class TagStore {
  readonly entries: number;
  readonly ways: number;
  readonly #sets: number;
  readonly #replacement: Replacement;
  readonly #random: RandomGenerator;
  readonly #domain: Int32Array;
  /** Log2 of the page size, or EMPTY. */
  readonly #bits: Int8Array;
  readonly #page: Float64Array;
  /** When a slot was filled (fifo) or last used (lru), as a running number. */
  readonly #stamp: Float64Array;
  readonly #next: Int32Array;
  readonly #heads: Int32Array;
  readonly #filledWays: Int32Array;
  /** Tags held of each page size. */
  readonly #ofSize = new Int32Array(MAX_PAGE_BITS + 1);
  /** Page sizes that were ever held, log2. */
  readonly #sizes: number[] = [];
  #clock = 0;
  #size = 0;

  /** @param seed of the choice of victims, for replacement `random` */
  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    if (!(entries >= 1 && ways >= 1) || entries % ways !== 0) {
      throw new ParameterError(`cache of ${entries} entries in sets of ${ways}, expected whole sets`);
    }
    this.entries = entries;
    this.ways = ways;
    this.#sets = entries / ways;
    this.#replacement = replacement;
    this.#random = xoroshiro128plus(seed);
    this.#domain = new Int32Array(entries);
    this.#bits = new Int8Array(entries).fill(EMPTY);
    this.#page = new Float64Array(entries);
    this.#stamp = new Float64Array(entries);
    this.#next = new Int32Array(entries).fill(NO_SLOT);
    this.#heads = new Int32Array(powerOfTwoFrom(entries * 2)).fill(NO_SLOT);
    this.#filledWays = new Int32Array(this.#sets);
  }

  /** Slots in use. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a tag, or NO_SLOT. Under lru it counts as used. */
  find(domain: number, bits: number, page: number): CacheSlot {
    const slot = this.#locate(domain, bits, page);
    if (slot !== NO_SLOT && this.#replacement === 'lru') this.#stamp[slot] = this.#tick();
    return slot;
  }

  /** Gives a tag a slot, at another's cost if its set is full, and says which. A tag that is there keeps its slot. */
  insert(domain: number, bits: number, page: number): CacheSlot {
    const held = this.find(domain, bits, page);
    if (held !== NO_SLOT) return held;
    const set = this.#setOf(page);
    const slot = this.#victim(set);
    this.#domain[slot] = domain;
    this.#bits[slot] = bits;
    this.#page[slot] = page;
    this.#stamp[slot] = this.#tick();
    const bucket = this.#bucket(domain, bits, page);
    this.#next[slot] = this.#heads[bucket] ?? absent();
    this.#heads[bucket] = slot;
    this.#filledWays[set] = (this.#filledWays[set] ?? absent()) + 1;
    if (this.#ofSize[bits] === 0 && !this.#sizes.includes(bits)) this.#sizes.push(bits);
    this.#ofSize[bits] = (this.#ofSize[bits] ?? absent()) + 1;
    this.#size += 1;
    return slot;
  }

  /** Whether a slot is in use. */
  holds(slot: CacheSlot): boolean {
    return this.#bits[slot] !== EMPTY;
  }

  removeSlot(slot: CacheSlot): void {
    if (!this.holds(slot)) return;
    const page = this.#page[slot] ?? absent();
    const bits = this.#bits[slot] ?? absent();
    const bucket = this.#bucket(this.#domain[slot] ?? absent(), bits, page);
    const after = this.#after(slot);
    let at = this.#first(bucket);
    if (at === slot) {
      this.#heads[bucket] = after;
    } else {
      while (this.#next[at] !== slot) at = this.#after(at);
      this.#next[at] = after;
    }
    this.#bits[slot] = EMPTY;
    const set = this.#setOf(page);
    this.#filledWays[set] = (this.#filledWays[set] ?? absent()) - 1;
    this.#ofSize[bits] = (this.#ofSize[bits] ?? absent()) - 1;
    this.#size -= 1;
  }

  clear(): void {
    this.#bits.fill(EMPTY);
    this.#heads.fill(NO_SLOT);
    this.#filledWays.fill(0);
    this.#ofSize.fill(0);
    this.#size = 0;
  }

  removeDomain(domain: number): void {
    for (let index = 0; this.#size > 0 && index < this.entries; index += 1) {
      const slot = cacheSlot(index);
      if (this.holds(slot) && this.#domain[slot] === domain) this.removeSlot(slot);
    }
  }

  /** Drops every tag of a domain whose page has one of the 4 KB pages in [start, end). */
  removeRange(domain: number, start: IoPageNumber, end: number): void {
    let left = this.#size;
    for (let index = 0; left > 0; index += 1) {
      const bits = this.#sizes[index] ?? absent();
      const held = this.#ofSize[bits] ?? absent();
      if (held === 0) continue;
      left -= held;
      const first = indexOfPage(start, bits);
      const last = indexOfPage(end - 1, bits);
      // A few pages are looked up; when they are more than there are tags, each tag is looked at.
      if (last - first < held) {
        for (let page = first; page <= last; page += 1) {
          const slot = this.#locate(domain, bits, page);
          if (slot !== NO_SLOT) this.removeSlot(slot);
        }
      } else {
        this.#scan(domain, bits, first, last);
      }
    }
  }

  /** Throws if a chain, a set or a count is not what it should be. For tests: O(entries). */
  checkInvariants(): void {
    let chained = 0;
    for (let bucket = 0; bucket < this.#heads.length; bucket += 1) {
      for (let slot = this.#first(bucket); slot !== NO_SLOT; slot = this.#after(slot)) {
        chained += 1;
        if (chained > this.entries) throw new InvariantViolation('a hash chain has a loop');
        if (!this.holds(slot)) throw new InvariantViolation(`empty slot ${slot} is chained`);
        const page = this.#page[slot] ?? absent();
        const expected = this.#bucket(this.#domain[slot] ?? absent(), this.#bits[slot] ?? absent(), page);
        if (expected !== bucket)
          throw new InvariantViolation(`slot ${slot} is in chain ${bucket}, expected ${expected}`);
        if (Math.floor(slot / this.ways) !== this.#setOf(page))
          throw new InvariantViolation(`slot ${slot} is in a wrong set`);
      }
    }
    if (chained !== this.#size)
      throw new InvariantViolation(`${this.#size} tags counted, ${chained} chained`);
    let filled = 0;
    for (const count of this.#filledWays) filled += count;
    let ofSizes = 0;
    for (const count of this.#ofSize) ofSizes += count;
    if (ofSizes !== this.#size)
      throw new InvariantViolation(`${this.#size} tags counted, ${ofSizes} by page size`);
    if (filled !== this.#size) throw new InvariantViolation(`${this.#size} tags counted, ${filled} in sets`);
  }

  /** The first slot of a chain, or NO_SLOT. */
  #first(bucket: number): CacheSlot {
    return cacheSlot(this.#heads[bucket] ?? absent());
  }

  /** The next slot of its chain, or NO_SLOT. */
  #after(slot: CacheSlot): CacheSlot {
    return cacheSlot(this.#next[slot] ?? absent());
  }

  #locate(domain: number, bits: number, page: number): CacheSlot {
    let slot = this.#first(this.#bucket(domain, bits, page));
    while (slot !== NO_SLOT) {
      if (this.#page[slot] === page && this.#domain[slot] === domain && this.#bits[slot] === bits)
        return slot;
      slot = this.#after(slot);
    }
    return NO_SLOT;
  }

  #scan(domain: number, bits: number, first: number, last: number): void {
    for (let slot = 0; slot < this.entries; slot += 1) {
      const page = this.#page[slot] ?? absent();
      if (this.#bits[slot] !== bits || this.#domain[slot] !== domain) continue;
      if (page >= first && page <= last) this.removeSlot(cacheSlot(slot));
    }
  }

  /** page modulo sets, exact: the quotient of whole numbers below 2^53 never rounds up to the next whole number. */
  #setOf(page: number): number {
    const sets = this.#sets;
    return sets === 1 ? 0 : page - Math.floor(page / sets) * sets;
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  #bucket(domain: number, bits: number, page: number): number {
    // The low half of the page number moves most; the rest must count, as ring buffers lie far apart.
    const high = page < 2 ** 32 ? 0 : pageIndex(page, 32);
    const mixed = Math.imul((page | 0) ^ Math.imul(high, 0x9e3779b1) ^ (domain << 6) ^ bits, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & (this.#heads.length - 1);
  }

  /** An empty slot of a set. */
  #victim(set: number): CacheSlot {
    const first = set * this.ways;
    if ((this.#filledWays[set] ?? absent()) < this.ways) {
      let slot = first;
      while (this.#bits[slot] !== EMPTY) slot += 1;
      return cacheSlot(slot);
    }
    let victim = first;
    if (this.#replacement === 'random') {
      victim = first + Math.floor(((this.#random.next() >>> 0) / 2 ** 32) * this.ways);
    } else {
      for (let slot = first + 1; slot < first + this.ways; slot += 1) {
        if ((this.#stamp[slot] ?? absent()) < (this.#stamp[victim] ?? absent())) victim = slot;
      }
    }
    this.removeSlot(cacheSlot(victim));
    return cacheSlot(victim);
  }
}
