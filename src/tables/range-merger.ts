/** Pages of one size whose IOVAs and physical addresses both follow one another, with the same permissions. */
export interface TranslationRange {
  readonly iovaPage: number;
  readonly physicalPage: number;
  /** Length in 4 KB pages, whatever the size of the tables' pages. */
  readonly pages: number;
  readonly pageBits: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** Joins pages that arrive by rising IOVA into ranges. */
export class RangeMerger {
  readonly #emit: (range: TranslationRange) => void;
  #iovaPage = 0;
  #physicalPage = 0;
  #pages = 0;
  #pageBits = 0;
  #read = false;
  #write = false;

  constructor(emit: (range: TranslationRange) => void) {
    this.#emit = emit;
  }

  add(iovaPage: number, physicalPage: number, pageBits: number, read: boolean, write: boolean): void {
    const follows =
      this.#pages > 0 &&
      iovaPage === this.#iovaPage + this.#pages &&
      physicalPage === this.#physicalPage + this.#pages &&
      pageBits === this.#pageBits &&
      read === this.#read &&
      write === this.#write;
    if (!follows) {
      this.finish();
      this.#iovaPage = iovaPage;
      this.#physicalPage = physicalPage;
      this.#pageBits = pageBits;
      this.#read = read;
      this.#write = write;
    }
    this.#pages += 2 ** (pageBits - 12);
  }

  /** Emits the range that is open. Call it after the last page. */
  finish(): void {
    if (this.#pages === 0) return;
    const pages = this.#pages;
    this.#pages = 0;
    this.#emit({
      iovaPage: this.#iovaPage,
      physicalPage: this.#physicalPage,
      pages,
      pageBits: this.#pageBits,
      read: this.#read,
      write: this.#write,
    });
  }
}
