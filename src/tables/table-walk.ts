import { spanBits } from '../../host/iommu/entry-format.js';
import { hex } from './address.js';
import type { DumpPages } from './dump-pages.js';
import { type PageVisitor, type Problems, type Requester, tableReadLimit } from './enumeration.js';

/** An entry that is present: what it points at, and what it grants by itself. */
export interface PresentEntry {
  /** Level of the table that it points at, or 0 if it holds a page. */
  readonly nextLevel: number;
  /** Physical address of the table or of the page, bytes. */
  readonly address: number;
  /** Log2 of the page's size; 0 for a table. */
  readonly pageBits: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** How a vendor writes the entries of page tables. */
export interface EntryReader {
  /** Entries of a table at `level` that addresses of 64 bits can name. */
  entries(level: number): number;
  /** The entry at `index`; undefined if it is not present, or why hardware would refuse it. */
  read(page: DataView, index: number, level: number): PresentEntry | undefined | { readonly refused: string };
  /** Entries that together hold the page of the entry at `index`; 1 unless a vendor has pages of several entries. */
  replicas(entry: PresentEntry, level: number): number;
  /** True if the `count` entries from `index` say the same. */
  areEqual(page: DataView, index: number, count: number): boolean;
}

/** Walks all of a requester's tables in a dump and lists the pages, by rising IOVA. */
export class TableWalk {
  readonly #pages: DumpPages;
  readonly #problems: Problems;
  readonly #reader: EntryReader;
  #tablesLeft = 0;

  constructor(pages: DumpPages, problems: Problems, reader: EntryReader) {
    this.#pages = pages;
    this.#problems = problems;
    this.#reader = reader;
  }

  /** @param read @param write what the requester's own entry grants */
  visit(requester: Requester, read: boolean, write: boolean, visitor: PageVisitor): void {
    this.#tablesLeft = tableReadLimit(this.#pages.count);
    if (requester.levels > 0) this.#table(requester.table, requester.levels, 0, read, write, visitor);
  }

  #table(
    table: number,
    level: number,
    basePage: number,
    read: boolean,
    write: boolean,
    visitor: PageVisitor,
  ): void {
    const page = this.#pages.pageAt(table);
    if (page === undefined) {
      this.#problems.noteMissing(`the dump lacks the level ${level} table at ${hex(table)}`);
      return;
    }
    if (this.#tablesLeft === 0) {
      this.#problems.note(`gave up at ${hex(table)}: the tables point back at themselves`);
      return;
    }
    this.#tablesLeft -= 1;
    const spanPages = 2 ** (spanBits(level) - 12);
    for (let index = 0; index < this.#reader.entries(level); index += 1) {
      const entry = this.#reader.read(page, index, level);
      if (entry === undefined) continue;
      const name = `entry ${index} of the level ${level} table at ${hex(table)}`;
      if ('refused' in entry) {
        this.#problems.note(`${name} ${entry.refused}`);
        continue;
      }
      const readable = read && entry.read;
      const writable = write && entry.write;
      if (!readable && !writable) continue;
      const iovaPage = basePage + index * spanPages;
      if (entry.nextLevel > 0) {
        this.#table(entry.address, entry.nextLevel, iovaPage, readable, writable, visitor);
        continue;
      }
      const physicalPage = entry.address / 4096;
      const count = this.#reader.replicas(entry, level);
      if (index % count === 0 && this.#reader.areEqual(page, index, count)) {
        visitor(iovaPage, physicalPage, entry.pageBits, readable, writable);
        index += count - 1;
      } else {
        this.#problems.note(`${name} is one of ${count} that should be equal`);
        visitor(iovaPage, physicalPage + (index % count) * spanPages, spanBits(level), readable, writable);
      }
    }
  }
}
