/**
 * Called for each page that tables hold, by rising IOVA.
 *
 * @param iovaPage IOVA / 4096; IOVAs may have 64 bits, page numbers always fit a number
 * @param physicalPage physical address / 4096
 * @param pageBits log2 of the page's size
 */
export type PageVisitor = (
  iovaPage: number,
  physicalPage: number,
  pageBits: number,
  read: boolean,
  write: boolean,
) => void;

/** One requester of a dump, and what its entry says. */
export interface Requester {
  readonly requesterId: number;
  readonly domainId: number;
  /** Physical address of the top table, bytes; 0 if requests are not translated. */
  readonly table: number;
  /** Levels of the tables; 0 if requests are not translated. */
  readonly levels: number;
  /** What happens to requests, in a few words. */
  readonly treatment: 'translated' | 'pass-through' | 'blocked';
  /** The entry as the dump's own vocabulary has it, for JSON and for `--check`. */
  readonly fields: Readonly<Record<string, number | boolean>>;
}

/** Tables that a vendor's reader has made sense of. */
export interface TableSet {
  readonly title: string;
  readonly format: 'vtd' | 'amdvi';
  /** What the dump calls a requester: source_id or device_id. */
  readonly requesterField: 'source_id' | 'device_id';
  readonly requesters: readonly Requester[];
  readonly problems: Problems;
  /** Walks the tables of one requester. */
  visit(requester: Requester, visitor: PageVisitor): void;
}

/**
 * What hardware would refuse, and what the dump lacks. Each is reported once, however many requesters share the table
 * that it is in.
 */
export class Problems {
  readonly #seen = new Set<string>();
  readonly #missing = new Set<string>();

  /** Tables that the dump lacks: what is listed without them is not all that a device may reach. */
  get missing(): number {
    return this.#missing.size;
  }

  get list(): readonly string[] {
    return [...this.#seen];
  }

  note(text: string): void {
    this.#seen.add(text);
  }

  /** A table that the dump does not hold, so that what it maps is not known. */
  noteMissing(text: string): void {
    this.#missing.add(text);
    this.note(text);
  }
}

/**
 * Tables that the walk of one requester may read before it is abandoned. Tables that share parts read a page more
 * than once, but only those that point back at themselves read every page many times.
 */
export function tableReadLimit(pages: number): number {
  return 1024 + 16 * pages;
}
