const READ = 1;
const WRITE = 2;
/** What the end of a walk may put into the caches. */
const FILL_CONTEXT = 1;
const FILL_POINTERS = 2;
const FILL_PAGE = 4;

const FIELDS = 9;
const [REQUESTER, DOMAIN, PAGE_BITS, PERMISSIONS, LEVEL_MASK, FILLS, PASS_THROUGH] = [0, 1, 2, 3, 4, 5, 6];
const [IOVA, PHYSICAL] = [7, 8];

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
  /** One row a walk, `FIELDS` numbers each; `#order` sorts rows by end. */
  #rows: Float64Array;
  #endsAtNs: Float64Array;
  #order: Int32Array;
  #count = 0;
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
    this.#rows = new Float64Array(initialCapacity * FIELDS);
    this.#endsAtNs = new Float64Array(initialCapacity);
    this.#order = Int32Array.from({ length: initialCapacity }, (_, row) => row);
  }

  get count(): number {
    return this.#count;
  }

  /** End of the walk that ends next, ns, or Infinity. */
  get nextEndNs(): number {
    return this.#count > 0 ? (this.#endsAtNs[this.#order[0] ?? 0] ?? 0) : Number.POSITIVE_INFINITY;
  }

  /**
   * Notes a walk. One that failed (`fillsPage` false) is kept for the pointers that it read, and is never shared.
   */
  add(endNs: number, walk: EndedWalk): void {
    if (this.#count === this.#order.length) this.#grow();
    const row = this.#order[this.#count] ?? 0;
    let at = this.#count;
    while (at > 0 && (this.#endsAtNs[this.#order[at - 1] ?? 0] ?? 0) > endNs) {
      this.#order[at] = this.#order[at - 1] ?? 0;
      at -= 1;
    }
    this.#order[at] = row;
    this.#count += 1;
    this.#endsAtNs[row] = endNs;
    const base = row * FIELDS;
    this.#rows[base + REQUESTER] = walk.requesterId;
    this.#rows[base + DOMAIN] = walk.domainId;
    this.#rows[base + PAGE_BITS] = walk.pageBits;
    this.#rows[base + PERMISSIONS] = (walk.read ? READ : 0) | (walk.write ? WRITE : 0);
    this.#rows[base + LEVEL_MASK] = walk.levelMask;
    this.#rows[base + FILLS] =
      (walk.fillsContext ? FILL_CONTEXT : 0) |
      (walk.fillsPointers ? FILL_POINTERS : 0) |
      (walk.fillsPage ? FILL_PAGE : 0);
    this.#rows[base + PASS_THROUGH] = walk.passThrough ? 1 : 0;
    this.#rows[base + IOVA] = walk.iova;
    this.#rows[base + PHYSICAL] = walk.physical;
  }

  /** A walk of the page of `iova` that this request may wait for, or -1. `domainId` is -1 if it is not known yet. */
  find(requesterId: number, domainId: number, iova: number, write: boolean): number {
    for (let index = 0; index < this.#count; index += 1) {
      const row = this.#order[index] ?? 0;
      const base = row * FIELDS;
      if (((this.#rows[base + FILLS] ?? 0) & FILL_PAGE) === 0) continue;
      if (((this.#rows[base + PERMISSIONS] ?? 0) & (write ? WRITE : READ)) === 0) continue;
      const same =
        domainId >= 0 ? this.#rows[base + DOMAIN] === domainId : this.#rows[base + REQUESTER] === requesterId;
      if (same && this.#covers(base, iova, iova + 1)) return row;
    }
    return -1;
  }

  endNs(row: number): number {
    return this.#endsAtNs[row] ?? 0;
  }

  /** Where `iova` goes, by the walk in `row`. */
  physical(row: number, iova: number): number {
    const base = row * FIELDS;
    return (this.#rows[base + PHYSICAL] ?? 0) + (iova % 2 ** (this.#rows[base + PAGE_BITS] ?? 0));
  }

  /** Takes the walk that ends next out, into `ended`, which is overwritten. There must be one. */
  takeEnded(): EndedWalk {
    const row = this.#order[0] ?? 0;
    this.#order.copyWithin(0, 1, this.#count);
    this.#count -= 1;
    this.#order[this.#count] = row;
    const base = row * FIELDS;
    const fills = this.#rows[base + FILLS] ?? 0;
    const permissions = this.#rows[base + PERMISSIONS] ?? 0;
    const ended = this.ended;
    ended.requesterId = this.#rows[base + REQUESTER] ?? 0;
    ended.domainId = this.#rows[base + DOMAIN] ?? 0;
    ended.iova = this.#rows[base + IOVA] ?? 0;
    ended.pageBits = this.#rows[base + PAGE_BITS] ?? 0;
    ended.physical = this.#rows[base + PHYSICAL] ?? 0;
    ended.read = (permissions & READ) !== 0;
    ended.write = (permissions & WRITE) !== 0;
    ended.passThrough = this.#rows[base + PASS_THROUGH] === 1;
    ended.levelMask = this.#rows[base + LEVEL_MASK] ?? 0;
    ended.fillsContext = (fills & FILL_CONTEXT) !== 0;
    ended.fillsPointers = (fills & FILL_POINTERS) !== 0;
    ended.fillsPage = (fills & FILL_PAGE) !== 0;
    return ended;
  }

  /** Keeps the pages found by walks of a domain (-1: of all) in [address, end) out of the IOTLB, and their pointers too unless `leafOnly`. */
  discard(domainId: number, address: number, end: number, leafOnly: boolean): void {
    const lost = FILL_PAGE | (leafOnly ? 0 : FILL_POINTERS);
    for (let index = 0; index < this.#count; index += 1) {
      const base = (this.#order[index] ?? 0) * FIELDS;
      if (domainId >= 0 && this.#rows[base + DOMAIN] !== domainId) continue;
      if (this.#covers(base, address, end))
        this.#rows[base + FILLS] = (this.#rows[base + FILLS] ?? 0) & ~lost;
    }
  }

  /** Keeps what walks found of contexts out of the context cache. It concerns all of them: few are ever under way. */
  discardContexts(): void {
    for (let index = 0; index < this.#count; index += 1) {
      const base = (this.#order[index] ?? 0) * FIELDS;
      this.#rows[base + FILLS] = (this.#rows[base + FILLS] ?? 0) & ~FILL_CONTEXT;
    }
  }

  checkInvariants(): void {
    if (new Set(this.#order).size !== this.#order.length) throw new Error('a row of a walk is lost');
    for (let index = 1; index < this.#count; index += 1) {
      if (this.endNs(this.#order[index - 1] ?? 0) > this.endNs(this.#order[index] ?? 0)) {
        throw new Error('walks are out of order');
      }
    }
  }

  #covers(base: number, address: number, end: number): boolean {
    const span = 2 ** (this.#rows[base + PAGE_BITS] ?? 0);
    const iova = this.#rows[base + IOVA] ?? 0;
    const start = iova - (iova % span);
    return start < end && start + span > address;
  }

  #grow(): void {
    const capacity = this.#order.length;
    const rows = new Float64Array(capacity * 2 * FIELDS);
    rows.set(this.#rows);
    this.#rows = rows;
    const ends = new Float64Array(capacity * 2);
    ends.set(this.#endsAtNs);
    this.#endsAtNs = ends;
    const order = Int32Array.from({ length: capacity * 2 }, (_, row) => row);
    order.set(this.#order);
    this.#order = order;
  }
}
