import {
  type HostPhysicalAddress,
  lastPageOf,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
} from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';
import { FreePages } from './free-pages.js';
import type { PhysicalMemory } from './physical-memory.js';

/** The owner of a page: a domain number, or NO_OWNER. */
export type DomainId = number;
export const NO_OWNER: DomainId = -1;

/** The use of a page. Only `guest` pages may be named in a guest's descriptors. */
export const PAGE_KINDS = ['free', 'guest', 'descriptor-ring', 'hypervisor', 'io-table', 'shadow'] as const;
export type PageKind = (typeof PAGE_KINDS)[number];

/** Why a request of a domain was refused. */
export type PageRefusal = 'not-ram' | 'not-owner' | 'wrong-kind' | 'pinned' | 'out-of-memory';

/** An outcome that is not an exception: a guest's mistake is a value. */
export type PageOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: PageRefusal; readonly page: PageNumber };

/** Keeps tables of which device may reach which page: notified at once, before a page can have its next owner. */
export interface OwnershipObserver {
  /** These pages belong to `domain` now. The list is borrowed. */
  given(pages: readonly PageNumber[], domain: DomainId, kind: PageKind): void;
  /** These no longer do. */
  taken(pages: readonly PageNumber[], domain: DomainId): void;
}

/**
 * Every page of memory with its owner, its kind and its reference count. A page that is referenced by DMA
 * (a count above zero) is not given to another domain: a release of it is remembered and carried out when the
 * last reference goes (Xen's rule, which CDNA builds on).
 */
export class PageOwnership {
  readonly pageCount: number;
  readonly #memory: PhysicalMemory;
  readonly #owner: Int32Array;
  readonly #count: Uint32Array;
  readonly #kind: Uint8Array;
  readonly #releasing: Uint8Array;
  readonly #free: FreePages;
  // Pieces whose RAM lies in banks.
  readonly #setAside: { readonly first: PageNumber; readonly end: PageNumber }[] = [];
  readonly #observers: OwnershipObserver[] = [];
  // Those of one domain alone: with thousands of guests, a page is told to the one that it concerns.
  readonly #observersOf = new Map<DomainId, OwnershipObserver[]>();
  readonly #one: [PageNumber] = [pageNumber(0)];
  #pinned = 0;
  #pinsTaken = 0;
  #pinsReleased = 0;

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    this.pageCount = memory.pageCount;
    this.#free = new FreePages(memory.pageCount);
    this.#owner = new Int32Array(memory.pageCount).fill(NO_OWNER);
    this.#count = new Uint32Array(memory.pageCount);
    this.#kind = new Uint8Array(memory.pageCount);
    this.#releasing = new Uint8Array(memory.pageCount);
  }

  /** Pages with a count above zero. */
  get pinnedPages(): number {
    return this.#pinned;
  }

  /** The counts of all pages, summed: reads every page that was ever allocated. */
  get references(): number {
    let references = 0;
    for (let page = 0; page < this.#free.mark; page += 1) references += this.#count[page] ?? absent();
    return references;
  }

  get pinsTaken(): number {
    return this.#pinsTaken;
  }

  get pinsReleased(): number {
    return this.#pinsReleased;
  }

  get freePages(): number {
    return this.#free.count;
  }

  owner(page: PageNumber): DomainId {
    return this.#owner[page] ?? NO_OWNER;
  }

  /** References on a page; 0 for one that does not exist. */
  count(page: PageNumber): number {
    // 0: there is no such page.
    return this.#count[page] ?? 0;
  }

  kind(page: PageNumber): PageKind {
    // 0: there is no such page, and 0 is the kind of a free one.
    return PAGE_KINDS[this.#kind[page] ?? 0] ?? 'free';
  }

  /** Whether the page was released and only its references keep it. */
  isReleasing(page: PageNumber): boolean {
    return this.#releasing[page] === 1;
  }

  /** Whether the page's RAM lies in a bank: it never changes hands. */
  isSetAside(page: PageNumber): boolean {
    return this.#setAside.some(({ first, end }) => page >= first && page < end);
  }

  /** Whether a domain has every page of `length` bytes at `address`, and none of them is being released. */
  holdsAll(domain: DomainId, address: HostPhysicalAddress, length: number): boolean {
    const last = lastPageOf(address, length);
    for (let page = pageOf(address); page <= last; page = pageAfter(page)) {
      if (this.#owner[page] !== domain || this.#releasing[page] === 1) return false;
    }
    return true;
  }

  /** Tells `observer` of every change of owner from now on, or of those of `domain` alone. */
  observe(observer: OwnershipObserver, domain?: DomainId): void {
    if (domain === undefined) {
      this.#observers.push(observer);
      return;
    }
    const observers = this.#observersOf.get(domain);
    if (observers === undefined) this.#observersOf.set(domain, [observer]);
    else observers.push(observer);
  }

  /**
   * Pages from `first` to before `end` are never given out: their addresses are not for memory. To be called
   * before any page behind `first` is given.
   */
  withhold(first: PageNumber, end: PageNumber): void {
    this.#free.withhold(first, end);
  }

  /**
   * Gives `count` pages, in one piece if `contiguous`, zeroed. Returns the page numbers.
   *
   * @param align the first of a piece is a multiple of this, if untouched memory allows
   */
  allocate(
    domain: DomainId,
    kind: PageKind,
    count: number,
    contiguous = false,
    align = 1,
  ): PageOutcome<PageNumber[]> {
    const pages = contiguous ? this.#free.takePiece(count, align, false) : this.#free.takeAny(count);
    if (pages === undefined) return { ok: false, refusal: 'out-of-memory', page: this.#free.mark };
    // 0: none was asked for, and nothing is filled.
    const [first = 0] = pages;
    if (contiguous) {
      this.#owner.fill(domain, first, first + count);
      this.#kind.fill(PAGE_KINDS.indexOf(kind), first, first + count);
    } else {
      assign(this.#owner, pages, domain);
      assign(this.#kind, pages, PAGE_KINDS.indexOf(kind));
    }
    try {
      this.#announce(pages, domain, kind);
    } catch (error) {
      // Whoever keeps tables of pages has no memory for one more: nobody has these after all.
      for (const page of pages) this.#setFree(page);
      throw error;
    }
    return { ok: true, value: pages };
  }

  /**
   * Takes a piece of memory out of what is given out, for RAM in a bank. No page of it has an owner yet;
   * `claimSetAside` gives one, and a page that is released does not join the free pages but waits to be claimed again.
   * Returns the first page, a multiple of `align`; `undefined` when there is no such piece.
   */
  setAside(count: number, align: number): PageNumber | undefined {
    const pages = this.#free.takePiece(count, align, true);
    if (pages === undefined) return undefined;
    const first = pages[0] ?? absent();
    this.#setAside.push({ first, end: pageAfter(first, count) });
    return first;
  }

  /** Joins what was set aside to the free pages again. @throws InvariantViolation while a page of it has an owner. */
  giveBack(first: PageNumber): void {
    const index = this.#setAside.findIndex((range) => range.first === first);
    if (index < 0) throw new InvariantViolation(`no pages from ${first} on are set aside`);
    const { end } = this.#setAside[index] ?? absent();
    for (let page = first; page < end; page = pageAfter(page)) {
      if (this.#owner[page] !== NO_OWNER)
        throw new InvariantViolation(`page ${page} is given back and belongs to domain ${this.owner(page)}`);
    }
    this.#setAside.splice(index, 1);
    for (let page = first; page < end; page = pageAfter(page)) this.#free.giveBack(page);
  }

  /**
   * Gives a page that was set aside to a domain. A release of it by the same domain that still waits for its
   * references is called off. False if the page belongs to a domain already.
   */
  claimSetAside(domain: DomainId, page: PageNumber): boolean {
    if (!this.isSetAside(page)) throw new InvariantViolation(`page ${page} is not set aside`);
    if (this.#owner[page] === domain && this.#releasing[page] === 1) {
      this.#releasing[page] = 0;
      return true;
    }
    if (this.#owner[page] !== NO_OWNER) return false;
    this.#owner[page] = domain;
    this.#kind[page] = GUEST_KIND;
    this.#tellGiven(page);
    return true;
  }

  /** Gives one particular page, which must have been released. */
  claim(domain: DomainId, kind: PageKind, page: PageNumber): PageOutcome<undefined> {
    if (!this.#free.takeReturned(page)) return { ok: false, refusal: 'not-owner', page };
    this.#owner[page] = domain;
    this.#kind[page] = PAGE_KINDS.indexOf(kind);
    this.#tellGiven(page);
    return { ok: true, value: undefined };
  }

  /**
   * Whether a domain may have `length` bytes at `address` used for DMA: every page is RAM, is its own, holds
   * guest data and is not being released. Returns the first page that is not, or undefined.
   */
  firstForeign(
    domain: DomainId,
    address: HostPhysicalAddress,
    length: number,
  ): { page: PageNumber; refusal: PageRefusal } | undefined {
    const last = lastPageOf(address, length);
    for (let page = pageOf(address); page <= last; page = pageAfter(page)) {
      const refusal = this.refusalFor(domain, page);
      if (refusal !== undefined) return { page, refusal };
    }
    return undefined;
  }

  /** Why a domain may not use a page for DMA; undefined when it may. */
  refusalFor(domain: DomainId, page: PageNumber): PageRefusal | undefined {
    if (!(page >= 0 && page < this.pageCount)) return 'not-ram';
    if (this.#owner[page] !== domain || this.#releasing[page] === 1) return 'not-owner';
    if (this.#kind[page] !== GUEST_KIND) return 'wrong-kind';
    return undefined;
  }

  /** One more reference. @throws InvariantViolation for a page without an owner: only a gate that did not validate would pin it. */
  pin(page: PageNumber): void {
    if (this.owner(page) === NO_OWNER)
      throw new InvariantViolation(`page ${page} is pinned and has no owner`);
    const count = this.#count[page] ?? absent();
    this.#count[page] = count + 1;
    if (count === 0) this.#pinned += 1;
    this.#pinsTaken += 1;
  }

  /**
   * One reference less; a release that waited for it happens now. True if the page became free by it.
   * @throws InvariantViolation when it has none: the caller's books are wrong.
   */
  unpin(page: PageNumber): boolean {
    const count = this.#count[page] ?? absent();
    if (count === 0) throw new InvariantViolation(`page ${page} is unpinned more often than pinned`);
    this.#count[page] = count - 1;
    this.#pinsReleased += 1;
    if (count > 1) return false;
    this.#pinned -= 1;
    if (this.#releasing[page] === 0) return false;
    this.#setFree(page);
    return true;
  }

  /** A domain gives a page back. While it is referenced it is `pending`. */
  release(domain: DomainId, page: PageNumber): PageOutcome<'freed' | 'pending'> {
    if (!(page >= 0 && page < this.pageCount)) return { ok: false, refusal: 'not-ram', page };
    if (this.#owner[page] !== domain || this.#releasing[page] === 1)
      return { ok: false, refusal: 'not-owner', page };
    if ((this.#count[page] ?? absent()) > 0) {
      this.#releasing[page] = 1;
      return { ok: true, value: 'pending' };
    }
    this.#setFree(page);
    return { ok: true, value: 'freed' };
  }

  /** Gives a page of one domain to another, its bytes with it (page flip). */
  transfer(from: DomainId, to: DomainId, page: PageNumber): PageOutcome<undefined> {
    if (!(page >= 0 && page < this.pageCount)) return { ok: false, refusal: 'not-ram', page };
    if (this.#owner[page] !== from || this.#releasing[page] === 1)
      return { ok: false, refusal: 'not-owner', page };
    if (this.#kind[page] !== GUEST_KIND || this.isSetAside(page))
      return { ok: false, refusal: 'wrong-kind', page };
    if ((this.#count[page] ?? absent()) > 0) return { ok: false, refusal: 'pinned', page };
    this.#tellTaken(page);
    this.#owner[page] = to;
    this.#tellGiven(page);
    return { ok: true, value: undefined };
  }

  /** Takes a page away whatever its count: what a hypervisor does that does not know of the DMA. For experiments. */
  forceTransfer(page: PageNumber, to: DomainId, kind: PageKind): void {
    this.#tellTaken(page);
    this.#owner[page] = to;
    this.#kind[page] = PAGE_KINDS.indexOf(kind);
    this.#releasing[page] = 0;
    this.#tellGiven(page);
  }

  checkInvariants(): void {
    let pinned = 0;
    for (let page = 0; page < this.#free.mark; page += 1) {
      const count = this.#count[page] ?? absent();
      if (count > 0) pinned += 1;
      if (this.#kind[page] === 0 && (count > 0 || this.#owner[page] !== NO_OWNER)) {
        throw new InvariantViolation(`free page ${page} is owned or referenced`);
      }
      if (this.#releasing[page] === 1 && count === 0)
        throw new InvariantViolation(`page ${page} waits for nothing`);
    }
    if (pinned !== this.#pinned) throw new InvariantViolation('pinned pages are miscounted');
    if (this.#pinsTaken - this.#pinsReleased !== this.references)
      throw new InvariantViolation('pins taken are not pins released plus in flight');
  }

  #tellGiven(page: PageNumber): void {
    this.#one[0] = page;
    this.#announce(this.#one, this.owner(page), this.kind(page));
  }

  #announce(pages: readonly PageNumber[], domain: DomainId, kind: PageKind): void {
    for (const observer of this.#observers) observer.given(pages, domain, kind);
    for (const observer of this.#observersOf.get(domain) ?? []) observer.given(pages, domain, kind);
  }

  #tellTaken(page: PageNumber): void {
    this.#one[0] = page;
    const owner = this.owner(page);
    for (const observer of this.#observers) observer.taken(this.#one, owner);
    for (const observer of this.#observersOf.get(owner) ?? []) observer.taken(this.#one, owner);
  }

  #setFree(page: PageNumber): void {
    // Tables are closed first: what the device writes after that must not survive the fill.
    this.#tellTaken(page);
    this.#owner[page] = NO_OWNER;
    this.#kind[page] = 0;
    this.#releasing[page] = 0;
    // The bytes of a page in a bank are its guest's, also when the machine has no use for them any more.
    if (this.isSetAside(page)) return;
    // The next owner must not see data of the last one.
    this.#memory.fill(pageAddress(page), PAGE_BYTES, 0);
    this.#free.giveBack(page);
  }
}

const GUEST_KIND = PAGE_KINDS.indexOf('guest');

/** One value for many cells. Apart, so that the engine compiles the loop once and not with all that follows it. */
function assign(column: Int32Array | Uint8Array, cells: readonly PageNumber[], value: number): void {
  for (let index = 0; index < cells.length; index += 1) column[cells[index] ?? absent()] = value;
}
