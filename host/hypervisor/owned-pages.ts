import { type PageNumber, pageAfter, pageNumber } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { DomainId, PageOwnership } from '../memory/page-ownership.js';

interface PageRange {
  readonly first: PageNumber;
  readonly end: PageNumber;
}

const NO_RANGES: readonly PageRange[] = [];

/**
 * The pages of one domain. Its RAM is one piece, of which only the bounds are kept, so that a thousand guests with
 * their whole memory cost nothing; which pages of the piece it owns is what the page table says. RAM in banks is
 * kept in the same way, and is never taken into use here: what lies there is the guest's own affair. Pages that came
 * one by one are listed.
 */
export class OwnedPages implements Iterable<PageNumber> {
  readonly #pages: PageOwnership;
  readonly #domain: DomainId;
  // Pages that came one by one and in a row, none of which has gone; from the first that breaks the row on, a list of all of
  // them, in the order in which they came.
  #rowFirst = pageNumber(0);
  #rowEnd = pageNumber(0);
  #single: Set<PageNumber> | undefined;
  #attached: readonly PageRange[] = NO_RANGES;
  #first = pageNumber(0);
  #end = pageNumber(0);
  // Pages of the piece from here on have not been used for anything.
  #mark = pageNumber(0);
  #unused = 0;
  // One past the last of them; what lies behind it is gone or was never there.
  #top = pageNumber(0);
  #ofPiece = 0;

  constructor(pages: PageOwnership, domain: DomainId) {
    this.#pages = pages;
    this.#domain = domain;
  }

  /** Whether the domain was given RAM of its own. */
  get reserved(): boolean {
    return this.#end > 0;
  }

  get size(): number {
    let size = this.#ofPiece + this.#rowEnd - this.#rowFirst;
    if (this.#single !== undefined) size += this.#single.size;
    for (const { first, end } of this.#attached)
      for (let page = first; page < end; page = pageAfter(page)) if (this.#isOwned(page)) size += 1;
    return size;
  }

  /** Pages of the piece that have not been used for anything, and are still there. */
  get unused(): number {
    return this.#unused;
  }

  /** The last of them. */
  get lastUnused(): PageNumber | undefined {
    while (this.#top > this.#mark && !this.#isOwned(pageAfter(this.#top, -1)))
      this.#top = pageAfter(this.#top, -1);
    return this.#top > this.#mark ? pageAfter(this.#top, -1) : undefined;
  }

  has(page: PageNumber): boolean {
    if (this.#inRow(page) || this.#single?.has(page) === true) return true;
    return (this.#inPiece(page) || this.#inBank(page)) && this.#isOwned(page);
  }

  *[Symbol.iterator](): Iterator<PageNumber> {
    for (let page = this.#first; page < this.#end; page = pageAfter(page))
      if (this.#isOwned(page)) yield page;
    // Some of the row may go meanwhile, and the rest of it is listed then.
    const [first, end] = [this.#rowFirst, this.#rowEnd];
    for (let page = first; page < end; page = pageAfter(page))
      if (this.#inRow(page) || this.#single?.has(page) === true) yield page;
    for (const page of this.#single ?? []) if (page < first || page >= end) yield page;
    for (const { first, end } of this.#attached)
      for (let page = first; page < end; page = pageAfter(page)) if (this.#isOwned(page)) yield page;
  }

  /** The domain was given a piece. @throws InvariantViolation when it has one. */
  reserve(first: PageNumber, count: number): void {
    if (this.reserved) throw new InvariantViolation(`domain ${this.#domain} has its RAM already`);
    this.#first = first;
    this.#mark = first;
    this.#end = pageAfter(first, count);
    this.#top = this.#end;
    this.#unused = count;
    this.#ofPiece = count;
  }

  /** Pages from `first` to before `end` are RAM of the domain that lies in a bank. */
  attach(first: PageNumber, end: PageNumber): void {
    this.#attached = [...this.#attached, { first, end }];
  }

  /** The bank at `first` is gone. */
  detach(first: PageNumber): void {
    const rest = this.#attached.filter((range) => range.first !== first);
    if (rest.length === this.#attached.length)
      throw new InvariantViolation(`domain ${this.#domain} has no RAM attached at page ${first}`);
    this.#attached = rest;
  }

  /** Takes pages of the piece into use, in one piece if `contiguous`; undefined when there are not as many. */
  use(count: number, contiguous: boolean): PageNumber[] | undefined {
    if (count > this.#unused) return undefined;
    let mark = this.#mark;
    const pages: PageNumber[] = [];
    for (; pages.length < count && mark < this.#end; mark = pageAfter(mark)) {
      // What a balloon has taken out of the middle is stepped over.
      if (this.#isOwned(mark)) pages.push(mark);
      else if (contiguous) pages.length = 0;
    }
    if (pages.length < count) return undefined;
    // Pages before a contiguous piece that were too few for it no longer count as unused.
    for (let page = this.#mark; page < mark; page = pageAfter(page))
      if (this.#isOwned(page)) this.#unused -= 1;
    this.#mark = mark;
    return pages;
  }

  /** A page came by itself. */
  adopt(page: PageNumber): void {
    if (this.#inBank(page)) return;
    if (!this.#inPiece(page)) {
      this.#adoptSingle(page);
      return;
    }
    this.#ofPiece += 1;
    if (page < this.#mark) return;
    this.#unused += 1;
    this.#top = pageNumber(Math.max(this.#top, page + 1));
  }

  /** A page went: released, or given to another domain. */
  forget(page: PageNumber): void {
    if (this.#inRow(page)) this.#listRow();
    if (this.#single?.delete(page) === true || !this.#inPiece(page)) return;
    this.#ofPiece -= 1;
    if (page >= this.#mark) this.#unused -= 1;
  }

  #adoptSingle(page: PageNumber): void {
    if (this.#single === undefined && this.#rowFirst === this.#rowEnd) {
      this.#rowFirst = page;
      this.#rowEnd = pageAfter(page);
    } else if (this.#single === undefined && page === this.#rowEnd) this.#rowEnd = pageAfter(page);
    else if (!this.#inRow(page)) this.#listRow().add(page);
  }

  /** The row is a list from now on. */
  #listRow(): Set<PageNumber> {
    const list = this.#single ?? new Set();
    for (let page = this.#rowFirst; page < this.#rowEnd; page = pageAfter(page)) list.add(page);
    this.#rowEnd = this.#rowFirst;
    this.#single = list;
    return list;
  }

  #inRow(page: PageNumber): boolean {
    return page >= this.#rowFirst && page < this.#rowEnd;
  }

  #inPiece(page: PageNumber): boolean {
    return page >= this.#first && page < this.#end;
  }

  #inBank(page: PageNumber): boolean {
    return this.#attached.some(({ first, end }) => page >= first && page < end);
  }

  #isOwned(page: PageNumber): boolean {
    return this.#pages.owner(page) === this.#domain && !this.#pages.isReleasing(page);
  }
}
