import { type PageNumber, pageAfter, pageNumber } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';

/**
 * The pages of a machine that have no owner: those that were never taken, from the mark on, and those that have come
 * back. Some addresses are withheld, because there is no memory behind them.
 */
export class FreePages {
  readonly #pageCount: number;
  readonly #returned: PageNumber[] = [];
  readonly #withheld = { first: pageNumber(0), end: pageNumber(0) };
  #mark = pageNumber(0);

  constructor(pageCount: number) {
    this.#pageCount = pageCount;
  }

  /** The first page that was never taken; all behind it are free, or withheld. */
  get mark(): PageNumber {
    return this.#mark;
  }

  /** How many there are. */
  get count(): number {
    const { first, end } = this.#withheld;
    const ahead = this.#mark <= first ? end - first : 0;
    return this.#returned.length + this.#pageCount - this.#mark - ahead;
  }

  /** Pages from `first` to before `end` are never given out. @throws InvariantViolation when one behind them was. */
  withhold(first: PageNumber, end: PageNumber): void {
    if (this.#mark > first) throw new InvariantViolation(`pages from ${first} are withheld too late`);
    this.#withheld.first = pageNumber(Math.min(first, this.#pageCount));
    this.#withheld.end = pageNumber(Math.min(end, this.#pageCount));
  }

  /** Any `count` pages; undefined when there are not as many. */
  takeAny(count: number): PageNumber[] | undefined {
    if (this.count < count) return undefined;
    const pages: PageNumber[] = [];
    while (pages.length < count) pages.push(this.#returned.pop() ?? this.#takeUntouched());
    return pages;
  }

  /**
   * Pages that follow each other: untouched ones, and once those are used up, ones that have come back. The first is a
   * multiple of `align` if untouched memory allows; `strict` takes none whose first is not.
   */
  takePiece(count: number, align: number, strict: boolean): PageNumber[] | undefined {
    const first = this.#untouchedPiece(count, align) ?? (strict ? undefined : this.#untouchedPiece(count, 1));
    if (first === undefined) return this.#returnedPiece(count, strict ? align : 1);
    // Skipped pages are treated like returned ones.
    for (this.#stepOver(); this.#mark < first; this.#stepOver()) this.#returned.push(this.#takeUntouched());
    this.#mark = pageAfter(first, count);
    return pagesFrom(first, count);
  }

  /** Takes one particular page that has come back; false when it has not. */
  takeReturned(page: PageNumber): boolean {
    const at = this.#returned.lastIndexOf(page);
    if (at < 0) return false;
    this.#returned.splice(at, 1);
    return true;
  }

  /** A page has come back. */
  giveBack(page: PageNumber): void {
    this.#returned.push(page);
  }

  #takeUntouched(): PageNumber {
    this.#stepOver();
    const page = this.#mark;
    this.#mark = pageAfter(page);
    return page;
  }

  /** The mark does not stand on what is withheld. */
  #stepOver(): void {
    const { first, end } = this.#withheld;
    if (this.#mark >= first && this.#mark < end) this.#mark = end;
  }

  /** Where a piece of untouched memory begins that holds `count` pages, or undefined. */
  #untouchedPiece(count: number, align: number): PageNumber | undefined {
    const { first, end } = this.#withheld;
    let at = Math.ceil(this.#mark / align) * align;
    if (at < end && at + count > first) at = Math.ceil(end / align) * align;
    return at + count <= this.#pageCount ? pageNumber(at) : undefined;
  }

  /** Takes `count` pages that follow each other, of those that have come back. */
  #returnedPiece(count: number, align: number): PageNumber[] | undefined {
    const sorted = [...this.#returned].sort((left, right) => left - right);
    let run = 0;
    for (const [index, page] of sorted.entries()) {
      run = index > 0 && sorted[index - 1] === page - 1 ? run + 1 : 1;
      const first = pageNumber(page - count + 1);
      if (run < count || first % align !== 0) continue;
      const rest = this.#returned.filter((other) => other < first || other > page);
      this.#returned.splice(0, this.#returned.length, ...rest);
      return pagesFrom(first, count);
    }
    return undefined;
  }
}

/** `count` numbers from `first` on. */
function pagesFrom(first: PageNumber, count: number): PageNumber[] {
  const pages: PageNumber[] = [];
  for (let index = 0; index < count; index += 1) pages.push(pageAfter(first, index));
  return pages;
}
