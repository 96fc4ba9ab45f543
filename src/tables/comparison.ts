import { hex, pageHex } from './address.js';
import type { ListedTranslation } from './dump.js';
import type { Requester } from './enumeration.js';

/** One thing in which the tables and the dump's own list disagree. Values are ready to be shown. */
export interface Difference {
  /** `missing`: listed, not in the tables. `extra`: in the tables, not listed. */
  readonly kind: 'missing' | 'extra' | 'different';
  readonly requesterId: number;
  readonly listed?: Readonly<Record<string, unknown>>;
  readonly found?: Readonly<Record<string, unknown>>;
}

/** Differences that are kept with their values; beyond them only the counts go on. */
const MAX_DIFFERENCES = 1000;

/** A page of a list: start and length in 4 KB pages. */
interface Page {
  readonly start: number;
  readonly end: number;
  readonly physical: number;
  readonly pageBits: number;
  readonly read: boolean;
  readonly write: boolean;
}

/**
 * Compares translations that arrive by rising IOVA, requester by requester, with the list in the dump. Two lists
 * are equal when they have the same pages, with the same size, physical address and permissions.
 *
 * AMD-Vi pages between the standard sizes are held by several equal entries. A list may name such a page once, or
 * once per entry, or in 4 KB pieces: all three say the same and count as one page.
 */
export class ListComparison {
  readonly #listed = new Map<number, Page[]>();
  readonly #differences: Difference[] = [];
  readonly #counts = { missing: 0, extra: 0, different: 0 };
  #matched = 0;
  #requesterId = 0;
  #pages: readonly Page[] = [];
  #next = 0;

  constructor(listed: readonly ListedTranslation[]) {
    for (const entry of listed) {
      const count = 2 ** (entry.pageBits - 12);
      const start = entry.iovaPage - (entry.iovaPage % count);
      const physical = entry.physicalPage - (entry.physicalPage % count);
      const { pageBits, read, write } = entry;
      const pages = this.#listed.get(entry.requesterId);
      const page = { start, end: start + count, physical, pageBits, read, write };
      if (pages === undefined) this.#listed.set(entry.requesterId, [page]);
      else pages.push(page);
    }
    for (const [requesterId, pages] of this.#listed) {
      pages.sort((a, b) => a.start - b.start || a.pageBits - b.pageBits);
      this.#listed.set(
        requesterId,
        pages.filter((page, at) => !samePage(page, pages[at - 1])),
      );
    }
  }

  get equal(): boolean {
    return this.#counts.missing + this.#counts.extra + this.#counts.different === 0;
  }

  /** Pages on which tables and list agree. */
  get matched(): number {
    return this.#matched;
  }

  get counts(): { readonly missing: number; readonly extra: number; readonly different: number } {
    return this.#counts;
  }

  /** The first MAX_DIFFERENCES differences. */
  get differences(): readonly Difference[] {
    return this.#differences;
  }

  /** The pages of `requesterId` come next. */
  begin(requesterId: number): void {
    this.#requesterId = requesterId;
    this.#pages = this.#listed.get(requesterId) ?? [];
    this.#next = 0;
    this.#listed.delete(requesterId);
  }

  /** A page that the tables hold. */
  accept(iovaPage: number, physical: number, pageBits: number, read: boolean, write: boolean): void {
    const end = iovaPage + 2 ** (pageBits - 12);
    while ((this.#pages[this.#next]?.end ?? Number.POSITIVE_INFINITY) <= iovaPage) this.#takeMissing();
    const page = this.#pages[this.#next];
    const found = { start: iovaPage, end, physical, pageBits, read, write };
    if (page === undefined || page.start >= end) {
      this.#note('extra', { found: shownPage(found) });
    } else if (samePage(page, found) || ((pageBits - 12) % 9 !== 0 && this.#takePieces(found))) {
      this.#matched += 1;
      if (page === this.#pages[this.#next]) this.#next += 1;
    } else {
      this.#note('different', { listed: shownPage(page), found: shownPage(found) });
      this.#next += 1;
    }
  }

  /** No more pages of this requester. */
  end(): void {
    while (this.#next < this.#pages.length) this.#takeMissing();
  }

  /** No more requesters: what is listed for others is missing from the tables. */
  finish(): void {
    for (const requesterId of [...this.#listed.keys()].sort((a, b) => a - b)) {
      this.begin(requesterId);
      this.end();
    }
  }

  /** Compares what a requester's entry says with what the dump lists for it; absent fields are not compared. */
  compareFields(requester: Requester, listed: Readonly<Record<string, number | undefined>>): void {
    for (const [name, value] of Object.entries(listed)) {
      const found = requester.fields[name];
      if (value === undefined || found === undefined || found === value) continue;
      this.#note(
        'different',
        { listed: { [name]: shownField(name, value) }, found: { [name]: shownField(name, Number(found)) } },
        requester.requesterId,
      );
    }
  }

  /** An entry that is only in the tables, or only in the list. */
  noteEntry(kind: 'missing' | 'extra', requesterId: number, entry: string): void {
    this.#note(kind, kind === 'missing' ? { listed: { entry } } : { found: { entry } }, requesterId);
  }

  #takeMissing(): void {
    const page = this.#pages[this.#next];
    this.#next += 1;
    if (page !== undefined) this.#note('missing', { listed: shownPage(page) });
  }

  /** True, having gone past them, if the list has `found` as pieces that together are the whole page. */
  #takePieces(found: Page): boolean {
    let cursor = found.start;
    let next = this.#next;
    while (cursor < found.end) {
      const piece = this.#pages[next];
      const fits =
        piece !== undefined &&
        piece.start === cursor &&
        piece.end <= found.end &&
        piece.physical === found.physical + (cursor - found.start) &&
        piece.read === found.read &&
        piece.write === found.write;
      if (!fits) return false;
      cursor = piece.end;
      next += 1;
    }
    this.#next = next;
    return true;
  }

  #note(
    kind: Difference['kind'],
    sides: Pick<Difference, 'listed' | 'found'>,
    requesterId = this.#requesterId,
  ): void {
    this.#counts[kind] += 1;
    if (this.#differences.length < MAX_DIFFERENCES) this.#differences.push({ kind, requesterId, ...sides });
  }
}

function samePage(a: Page, b: Page | undefined): boolean {
  return (
    b !== undefined &&
    a.start === b.start &&
    a.pageBits === b.pageBits &&
    a.physical === b.physical &&
    a.read === b.read &&
    a.write === b.write
  );
}

function shownPage({ start, physical, pageBits, read, write }: Page): Record<string, unknown> {
  return { iova: pageHex(start), physical: pageHex(physical), page_bits: pageBits, read, write };
}

/** Addresses in hexadecimal, the rest as numbers. */
export function shownField(name: string, value: number | boolean): unknown {
  return name === 'table' && typeof value === 'number' ? hex(value) : value;
}
