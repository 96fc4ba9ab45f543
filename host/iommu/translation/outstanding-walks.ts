import {
  requesterId as asRequesterId,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  ioPageNumber,
  type PageNumber,
  pageAfter,
  pageOf,
  type RequesterId,
} from '../../../nic/addresses.js';
import type { Clock } from '../../../scheduler/clock.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { READ, WRITE } from '../entry-format.js';
import type { ContextGranularity } from '../invalidation-sink.js';
import { indexOfPage, pageSize } from '../page-arithmetic.js';
import { ENTRY_WORDS, MAX_WALK_LEVELS } from '../table-walker.js';
import { coversContext } from './context-cache.js';

/** Log2 of the bytes of the pages that are counted. */
const SMALL_PAGE_BITS = 12;
/** What the end of a walk may put into the caches. */
const FILL_CONTEXT = 1;
const FILL_POINTERS = 2;
const FILL_PAGE = 4;

/** A walk that has ended, as `takeEnded` reports it. */
export interface EndedWalk {
  requesterId: RequesterId;
  domainId: number;
  /** The 4 KB page of the request. */
  page: IoPageNumber;
  pageBits: number;
  physical: HostPhysicalAddress;
  /** Neither: there is no such page (caching mode). */
  read: boolean;
  write: boolean;
  /** The requester's entry as it was read, and whether it settles every request by itself. */
  readonly entry: Uint32Array;
  entryDecides: boolean;
  /** READ and WRITE as the entry grants them to translated requests; 0 if it has none translated. */
  entryRights: number;
  /** The tables that were read, their levels, and what the entries above each grant; the first `levels` count. */
  levels: number;
  readonly tableAddress: Float64Array;
  readonly tableLevel: Uint8Array;
  readonly tableRights: Uint8Array;
  fillsContext: boolean;
  fillsPointers: boolean;
  fillsPage: boolean;
}

/** A walk to be filled in. */
export function emptyWalk(): EndedWalk {
  return {
    requesterId: asRequesterId(0),
    domainId: 0,
    page: ioPageNumber(0),
    pageBits: 0,
    physical: hostPhysicalAddress(0),
    read: false,
    write: false,
    entry: new Uint32Array(ENTRY_WORDS),
    entryDecides: false,
    entryRights: 0,
    levels: 0,
    tableAddress: new Float64Array(MAX_WALK_LEVELS),
    tableLevel: new Uint8Array(MAX_WALK_LEVELS),
    tableRights: new Uint8Array(MAX_WALK_LEVELS),
    fillsContext: false,
    fillsPointers: false,
    fillsPage: false,
  };
}

/**
 * Walks that have begun and not ended, in the order in which they end. A request for a page that is being walked
 * waits for that walk instead of asking for another. An invalidation that reaches the page of such a walk, or the
 * requester's entry, keeps what the walk found out of the caches, and later requests from sharing it.
 */
export class OutstandingWalks {
  readonly #clock: Clock;
  // One row per walk. `#order` has the rows, those of walks under way first and sorted by end.
  #order: Int32Array;
  #count = 0;
  #endsAtNs: Float64Array;
  /** The page, in pages of 4 KB: the first, and the one after the last. */
  #from: Float64Array;
  #to: Float64Array;
  #physical: Float64Array;
  #page: Float64Array;
  #requester: Int32Array;
  #domain: Int32Array;
  #permissions: Uint8Array;
  #fills: Uint8Array;
  #levels: Uint8Array;
  #pageBits: Uint8Array;
  #entryDecides: Uint8Array;
  #entryRights: Uint8Array;
  // Several elements a row.
  #entry: Uint32Array;
  #tableAddress: Float64Array;
  #tableLevel: Uint8Array;
  #tableRights: Uint8Array;
  readonly ended = emptyWalk();

  constructor(clock: Clock, initialCapacity = 64) {
    this.#clock = clock;
    this.#order = Int32Array.from({ length: initialCapacity }, (_, row) => row);
    this.#endsAtNs = new Float64Array(initialCapacity);
    this.#from = new Float64Array(initialCapacity);
    this.#to = new Float64Array(initialCapacity);
    this.#physical = new Float64Array(initialCapacity);
    this.#page = new Float64Array(initialCapacity);
    this.#requester = new Int32Array(initialCapacity);
    this.#domain = new Int32Array(initialCapacity);
    this.#permissions = new Uint8Array(initialCapacity);
    this.#fills = new Uint8Array(initialCapacity);
    this.#levels = new Uint8Array(initialCapacity);
    this.#pageBits = new Uint8Array(initialCapacity);
    this.#entryDecides = new Uint8Array(initialCapacity);
    this.#entryRights = new Uint8Array(initialCapacity);
    this.#entry = new Uint32Array(initialCapacity * ENTRY_WORDS);
    this.#tableAddress = new Float64Array(initialCapacity * MAX_WALK_LEVELS);
    this.#tableLevel = new Uint8Array(initialCapacity * MAX_WALK_LEVELS);
    this.#tableRights = new Uint8Array(initialCapacity * MAX_WALK_LEVELS);
  }

  get count(): number {
    return this.#count;
  }

  /** End of the walk that ends next, ns, or Infinity. */
  get nextEndNs(): number {
    return this.#count > 0
      ? (this.#endsAtNs[this.#order[0] ?? absent()] ?? absent())
      : Number.POSITIVE_INFINITY;
  }

  /** Whether the walk that ends next has ended by now. */
  get hasEnded(): boolean {
    return this.#count > 0 && (this.#endsAtNs[this.#order[0] ?? absent()] ?? absent()) <= this.#clock.nowNs;
  }

  /** Notes a walk that ends in so many ns. One that failed (`fillsPage` false) is kept for the pointers that it read, and is never shared. */
  add(endsInNs: number, walk: EndedWalk): void {
    const endNs = this.#clock.nowNs + endsInNs;
    if (this.#count === this.#order.length) this.#grow();
    const row = this.#order[this.#count] ?? absent();
    let at = this.#count;
    while (at > 0 && (this.#endsAtNs[this.#order[at - 1] ?? absent()] ?? absent()) > endNs) {
      this.#order[at] = this.#order[at - 1] ?? absent();
      at -= 1;
    }
    this.#order[at] = row;
    this.#count += 1;
    const span = pageSize(walk.pageBits - SMALL_PAGE_BITS);
    const from = indexOfPage(walk.page, walk.pageBits) * span;
    this.#pageBits[row] = walk.pageBits;
    this.#endsAtNs[row] = endNs;
    this.#from[row] = from;
    this.#to[row] = from + span;
    this.#physical[row] = walk.physical;
    this.#page[row] = walk.page;
    this.#requester[row] = walk.requesterId;
    this.#domain[row] = walk.domainId;
    this.#permissions[row] = (walk.read ? READ : 0) | (walk.write ? WRITE : 0);
    this.#fills[row] =
      (walk.fillsContext ? FILL_CONTEXT : 0) |
      (walk.fillsPointers ? FILL_POINTERS : 0) |
      (walk.fillsPage ? FILL_PAGE : 0);
    this.#levels[row] = walk.levels;
    this.#entryDecides[row] = walk.entryDecides ? 1 : 0;
    this.#entryRights[row] = walk.entryRights;
    // So few words that a call of set takes longer than they do.
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      this.#entry[row * ENTRY_WORDS + word] = walk.entry[word] ?? absent();
    for (let step = 0; step < walk.levels; step += 1) {
      const at = row * MAX_WALK_LEVELS + step;
      this.#tableAddress[at] = walk.tableAddress[step] ?? absent();
      this.#tableLevel[at] = walk.tableLevel[step] ?? absent();
      this.#tableRights[at] = walk.tableRights[step] ?? absent();
    }
  }

  /**
   * A walk that this request for a page of 4 KB may wait for, or -1: one under way that ends at that page. `domainId` is -1
   * if it is not known yet: then the walk must be one of the same requester's, and the context entry that it has read must still hold.
   */
  find(requesterId: RequesterId, domainId: number, page: IoPageNumber, write: boolean): number {
    const needed = write ? WRITE : READ;
    for (let index = 0; index < this.#count; index += 1) {
      const row = this.#order[index] ?? absent();
      if ((this.#from[row] ?? absent()) > page || (this.#to[row] ?? absent()) <= page) continue;
      const fills = this.#fills[row] ?? absent();
      if ((fills & FILL_PAGE) === 0 || ((this.#permissions[row] ?? absent()) & needed) === 0) continue;
      const shares =
        domainId >= 0
          ? this.#domain[row] === domainId
          : this.#requester[row] === requesterId && (fills & FILL_CONTEXT) !== 0;
      if (shares) return row;
    }
    return -1;
  }

  /** In how many ns a walk ends. */
  endsInNs(row: number): number {
    return (this.#endsAtNs[row] ?? absent()) - this.#clock.nowNs;
  }

  /** Where a page of 4 KB goes, by the walk in `row`. */
  physicalPage(row: number, page: IoPageNumber): PageNumber {
    const first = pageOf(hostPhysicalAddress(this.#physical[row] ?? absent()));
    return pageAfter(first, page - (this.#from[row] ?? absent()));
  }

  /** Takes the walk that ends next out, into `ended`, which is overwritten. There must be one. */
  takeEnded(): EndedWalk {
    const row = this.#order[0] ?? absent();
    this.#count -= 1;
    // As many as there are walkers at the most: too few for a call of copyWithin to pay.
    for (let index = 0; index < this.#count; index += 1)
      this.#order[index] = this.#order[index + 1] ?? absent();
    this.#order[this.#count] = row;
    const fills = this.#fills[row] ?? absent();
    const permissions = this.#permissions[row] ?? absent();
    const { ended } = this;
    ended.requesterId = asRequesterId(this.#requester[row] ?? absent());
    ended.domainId = this.#domain[row] ?? absent();
    ended.page = ioPageNumber(this.#page[row] ?? absent());
    ended.pageBits = this.#pageBits[row] ?? absent();
    ended.physical = hostPhysicalAddress(this.#physical[row] ?? absent());
    ended.read = (permissions & READ) !== 0;
    ended.write = (permissions & WRITE) !== 0;
    ended.entryDecides = this.#entryDecides[row] === 1;
    ended.entryRights = this.#entryRights[row] ?? absent();
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      ended.entry[word] = this.#entry[row * ENTRY_WORDS + word] ?? absent();
    ended.levels = this.#levels[row] ?? absent();
    for (let step = 0; step < ended.levels; step += 1) {
      const at = row * MAX_WALK_LEVELS + step;
      ended.tableAddress[step] = this.#tableAddress[at] ?? absent();
      ended.tableLevel[step] = this.#tableLevel[at] ?? absent();
      ended.tableRights[step] = this.#tableRights[at] ?? absent();
    }
    ended.fillsContext = (fills & FILL_CONTEXT) !== 0;
    ended.fillsPointers = (fills & FILL_POINTERS) !== 0;
    ended.fillsPage = (fills & FILL_PAGE) !== 0;
    return ended;
  }

  /**
   * An invalidation of a domain (-1: of all) in the pages [start, end): what walks of it have found is neither cached nor
   * shared, nor are their pointers cached unless `leafOnly`.
   */
  discard(domainId: number, start: IoPageNumber, end: number, leafOnly: boolean): void {
    const kept = leafOnly ? ~FILL_PAGE : ~(FILL_PAGE | FILL_POINTERS);
    for (let index = 0; index < this.#count; index += 1) {
      const row = this.#order[index] ?? absent();
      if (domainId >= 0 && this.#domain[row] !== domainId) continue;
      if ((this.#from[row] ?? absent()) >= end || (this.#to[row] ?? absent()) <= start) continue;
      this.#fills[row] = (this.#fills[row] ?? absent()) & kept;
    }
  }

  /** An invalidation of contexts: what walks found of the entries that it covers is neither cached nor believed. */
  discardContexts(
    granularity: ContextGranularity,
    domainId: number,
    requesterId: RequesterId,
    functionMask: number,
  ): void {
    for (let index = 0; index < this.#count; index += 1) {
      const row = this.#order[index] ?? absent();
      const domain = this.#domain[row] ?? absent();
      const requester = asRequesterId(this.#requester[row] ?? absent());
      if (!coversContext(granularity, domainId, requesterId, functionMask, domain, requester)) continue;
      this.#fills[row] = (this.#fills[row] ?? absent()) & ~FILL_CONTEXT;
    }
  }

  checkInvariants(): void {
    if (new Set(this.#order).size !== this.#order.length)
      throw new InvariantViolation('a row of a walk is lost');
    for (let index = 1; index < this.#count; index += 1) {
      if (this.endsInNs(this.#order[index - 1] ?? absent()) > this.endsInNs(this.#order[index] ?? absent())) {
        throw new InvariantViolation('walks are out of order');
      }
    }
  }

  #grow(): void {
    const capacity = this.#order.length * 2;
    const wider = <T extends Int32Array | Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#order = wider(
      this.#order,
      Int32Array.from({ length: capacity }, (_, row) => row),
    );
    this.#endsAtNs = wider(this.#endsAtNs, new Float64Array(capacity));
    this.#from = wider(this.#from, new Float64Array(capacity));
    this.#to = wider(this.#to, new Float64Array(capacity));
    this.#physical = wider(this.#physical, new Float64Array(capacity));
    this.#page = wider(this.#page, new Float64Array(capacity));
    this.#requester = wider(this.#requester, new Int32Array(capacity));
    this.#domain = wider(this.#domain, new Int32Array(capacity));
    this.#permissions = wider(this.#permissions, new Uint8Array(capacity));
    this.#fills = wider(this.#fills, new Uint8Array(capacity));
    this.#levels = wider(this.#levels, new Uint8Array(capacity));
    this.#pageBits = wider(this.#pageBits, new Uint8Array(capacity));
    this.#entryDecides = wider(this.#entryDecides, new Uint8Array(capacity));
    this.#entryRights = wider(this.#entryRights, new Uint8Array(capacity));
    this.#entry = wider(this.#entry, new Uint32Array(capacity * ENTRY_WORDS));
    this.#tableAddress = wider(this.#tableAddress, new Float64Array(capacity * MAX_WALK_LEVELS));
    this.#tableLevel = wider(this.#tableLevel, new Uint8Array(capacity * MAX_WALK_LEVELS));
    this.#tableRights = wider(this.#tableRights, new Uint8Array(capacity * MAX_WALK_LEVELS));
  }
}
