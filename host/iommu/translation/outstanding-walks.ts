import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { pageSize, pageStart } from '../page-arithmetic.js';

const READ = 1;
const WRITE = 2;
/** What the end of a walk may put into the caches. */
const FILL_CONTEXT = 1;
const FILL_POINTERS = 2;
const FILL_PAGE = 4;

/** A walk that has ended, as `takeEnded` reports it. */
export interface EndedWalk {
  requesterId: number;
  domainId: number;
  iova: number;
  pageBits: number;
  physical: number;
  read: boolean;
  write: boolean;
  passThrough: boolean;
  levelMask: number;
  fillsContext: boolean;
  fillsPointers: boolean;
  fillsPage: boolean;
}

/**
 * Walks that have begun and not ended, in the order in which they end. A request for a page that is being walked
 * waits for that walk instead of asking for another. An invalidation that reaches the page of such a walk keeps
 * what the walk found out of the caches, and later requests from sharing it.
 */
export class OutstandingWalks {
  // One row a walk. `#order` has the rows, those of walks under way first and sorted by end.
  #order: Int32Array;
  #count = 0;
  #endsAtNs: Float64Array;
  /** The page: first byte, and the one after the last. */
  #from: Float64Array;
  #to: Float64Array;
  #physical: Float64Array;
  #iova: Float64Array;
  #requester: Int32Array;
  #domain: Int32Array;
  #permissions: Uint8Array;
  #fills: Uint8Array;
  #levelMask: Uint8Array;
  #pageBits: Uint8Array;
  #passThrough: Uint8Array;
  readonly ended: EndedWalk = {
    requesterId: 0,
    domainId: 0,
    iova: 0,
    pageBits: 0,
    physical: 0,
    read: false,
    write: false,
    passThrough: false,
    levelMask: 0,
    fillsContext: false,
    fillsPointers: false,
    fillsPage: false,
  };

  constructor(initialCapacity = 64) {
    this.#order = Int32Array.from({ length: initialCapacity }, (_, row) => row);
    this.#endsAtNs = new Float64Array(initialCapacity);
    this.#from = new Float64Array(initialCapacity);
    this.#to = new Float64Array(initialCapacity);
    this.#physical = new Float64Array(initialCapacity);
    this.#iova = new Float64Array(initialCapacity);
    this.#requester = new Int32Array(initialCapacity);
    this.#domain = new Int32Array(initialCapacity);
    this.#permissions = new Uint8Array(initialCapacity);
    this.#fills = new Uint8Array(initialCapacity);
    this.#levelMask = new Uint8Array(initialCapacity);
    this.#pageBits = new Uint8Array(initialCapacity);
    this.#passThrough = new Uint8Array(initialCapacity);
  }

  get count(): number {
    return this.#count;
  }

  /** End of the walk that ends next, ns, or Infinity. */
  get nextEndNs(): number {
    return this.#count > 0 ? present(this.#endsAtNs[present(this.#order[0])]) : Number.POSITIVE_INFINITY;
  }

  /** Notes a walk. One that failed (`fillsPage` false) is kept for the pointers that it read, and is never shared. */
  add(endNs: number, walk: EndedWalk): void {
    if (this.#count === this.#order.length) this.#grow();
    const row = present(this.#order[this.#count]);
    let at = this.#count;
    while (at > 0 && present(this.#endsAtNs[present(this.#order[at - 1])]) > endNs) {
      this.#order[at] = present(this.#order[at - 1]);
      at -= 1;
    }
    this.#order[at] = row;
    this.#count += 1;
    const span = pageSize(walk.pageBits);
    const from = pageStart(walk.iova, walk.pageBits);
    this.#pageBits[row] = walk.pageBits;
    this.#endsAtNs[row] = endNs;
    this.#from[row] = from;
    this.#to[row] = from + span;
    this.#physical[row] = walk.physical;
    this.#iova[row] = walk.iova;
    this.#requester[row] = walk.requesterId;
    this.#domain[row] = walk.domainId;
    this.#permissions[row] = (walk.read ? READ : 0) | (walk.write ? WRITE : 0);
    this.#fills[row] =
      (walk.fillsContext ? FILL_CONTEXT : 0) |
      (walk.fillsPointers ? FILL_POINTERS : 0) |
      (walk.fillsPage ? FILL_PAGE : 0);
    this.#levelMask[row] = walk.levelMask;
    this.#passThrough[row] = walk.passThrough ? 1 : 0;
  }

  /** A walk of the page of `iova` that this request may wait for, or -1. `domainId` is -1 if it is not known yet. */
  find(requesterId: number, domainId: number, iova: number, write: boolean): number {
    const needed = write ? WRITE : READ;
    for (let index = 0; index < this.#count; index += 1) {
      const row = present(this.#order[index]);
      if (present(this.#from[row]) > iova || present(this.#to[row]) <= iova) continue;
      if ((present(this.#fills[row]) & FILL_PAGE) === 0 || (present(this.#permissions[row]) & needed) === 0)
        continue;
      const shares = domainId >= 0 ? this.#domain[row] === domainId : this.#requester[row] === requesterId;
      if (shares) return row;
    }
    return -1;
  }

  endNs(row: number): number {
    return present(this.#endsAtNs[row]);
  }

  /** Where `iova` goes, by the walk in `row`. */
  physical(row: number, iova: number): number {
    return present(this.#physical[row]) + iova - present(this.#from[row]);
  }

  /** Takes the walk that ends next out, into `ended`, which is overwritten. There must be one. */
  takeEnded(): EndedWalk {
    const row = present(this.#order[0]);
    this.#count -= 1;
    // As many as there are walkers at the most: too few for a call of copyWithin to pay.
    for (let index = 0; index < this.#count; index += 1) this.#order[index] = present(this.#order[index + 1]);
    this.#order[this.#count] = row;
    const fills = present(this.#fills[row]);
    const permissions = present(this.#permissions[row]);
    const { ended } = this;
    ended.requesterId = present(this.#requester[row]);
    ended.domainId = present(this.#domain[row]);
    ended.iova = present(this.#iova[row]);
    ended.pageBits = present(this.#pageBits[row]);
    ended.physical = present(this.#physical[row]);
    ended.read = (permissions & READ) !== 0;
    ended.write = (permissions & WRITE) !== 0;
    ended.passThrough = this.#passThrough[row] === 1;
    ended.levelMask = present(this.#levelMask[row]);
    ended.fillsContext = (fills & FILL_CONTEXT) !== 0;
    ended.fillsPointers = (fills & FILL_POINTERS) !== 0;
    ended.fillsPage = (fills & FILL_PAGE) !== 0;
    return ended;
  }

  /**
   * An invalidation of a domain (-1: of all) in [address, end): what walks of it have found is neither cached nor
   * shared, nor are their pointers cached unless `leafOnly`.
   */
  discard(domainId: number, address: number, end: number, leafOnly: boolean): void {
    const kept = leafOnly ? ~FILL_PAGE : ~(FILL_PAGE | FILL_POINTERS);
    for (let index = 0; index < this.#count; index += 1) {
      const row = present(this.#order[index]);
      if (domainId >= 0 && this.#domain[row] !== domainId) continue;
      if (present(this.#from[row]) >= end || present(this.#to[row]) <= address) continue;
      this.#fills[row] = present(this.#fills[row]) & kept;
    }
  }

  /** Keeps what walks found of contexts out of the context cache. It concerns all of them: few are ever under way. */
  discardContexts(): void {
    for (let index = 0; index < this.#count; index += 1) {
      const row = present(this.#order[index]);
      this.#fills[row] = present(this.#fills[row]) & ~FILL_CONTEXT;
    }
  }

  checkInvariants(): void {
    if (new Set(this.#order).size !== this.#order.length)
      throw new InvariantViolation('a row of a walk is lost');
    for (let index = 1; index < this.#count; index += 1) {
      if (this.endNs(present(this.#order[index - 1])) > this.endNs(present(this.#order[index]))) {
        throw new InvariantViolation('walks are out of order');
      }
    }
  }

  #grow(): void {
    const capacity = this.#order.length * 2;
    const wider = <T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T => {
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
    this.#iova = wider(this.#iova, new Float64Array(capacity));
    this.#requester = wider(this.#requester, new Int32Array(capacity));
    this.#domain = wider(this.#domain, new Int32Array(capacity));
    this.#permissions = wider(this.#permissions, new Uint8Array(capacity));
    this.#fills = wider(this.#fills, new Uint8Array(capacity));
    this.#levelMask = wider(this.#levelMask, new Uint8Array(capacity));
    this.#pageBits = wider(this.#pageBits, new Uint8Array(capacity));
    this.#passThrough = wider(this.#passThrough, new Uint8Array(capacity));
  }
}
