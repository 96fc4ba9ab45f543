import { type TableWalker, type WalkResult, walkFromMemory } from '../../../../host/iommu/table-walker.js';
import {
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioPageNumber,
  type RequesterId,
} from '../../../../nic/addresses.js';

/** A page of a device's address space. `first` is its first IOVA. */
export interface MappedPage {
  readonly first: number;
  readonly pageBits: number;
  readonly physical: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** Reason codes of `MapWalker`: no context, nothing mapped, no permission. */
export const NO_CONTEXT = 2;
export const NOT_MAPPED = 6;
export const NOT_PERMITTED = 5;

/** Tables of a root lie in a region of their own, so that a table's address says whose it is. */
const REGION = 2 ** 20;
const READ_WRITE = 3;

/**
 * Four-level tables as a list of pages: the walker of these tests. A 4 KB page takes four table reads, a 2 MB page
 * three. A fault takes as many reads as a walk to a 4 KB page.
 */
export class MapWalker implements TableWalker {
  /** Domain by requester; 0 is pass-through. */
  readonly contexts = new Map<number, number>();
  /** Number of the tables that a domain has been given; its own number at first. */
  readonly roots = new Map<number, number>();
  /** Pages by tables. */
  readonly #pages = new Map<number, MappedPage[]>();

  walk(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, out: WalkResult): void {
    walkFromMemory(this, requesterId, iova, write, out);
  }

  readEntry(requesterId: RequesterId, write: boolean, out: WalkResult): boolean {
    const domain = this.contexts.get(requesterId);
    out.contextReads = 2;
    out.entry.set(domain === undefined ? [0, 0, 0, 0] : [1, domain, this.rootOf(domain), 0]);
    if (domain !== undefined) return true;
    return this.applyEntry(ioPageNumber(0), write, out);
  }

  applyEntry(page: IoPageNumber, _write: boolean, out: WalkResult): boolean {
    const [present = 0, domain = 0, root = 0] = out.entry;
    if (present === 0) {
      out.absent = 'entry';
      out.fail(NO_CONTEXT);
      return false;
    }
    out.domainId = domain;
    if (domain === 0) {
      out.entryPasses = true;
      out.pass(page, true, true);
      return false;
    }
    out.startAt(hostPhysicalAddress(root * REGION + 4 * 4096), 4, READ_WRITE);
    return true;
  }

  walkTables(asked: IoPageNumber, write: boolean, out: WalkResult): void {
    const iova = ioPageAddress(asked);
    const root = Math.floor(out.table / REGION);
    const page = (this.#pages.get(root) ?? []).find(
      ({ first, pageBits }) => iova >= first && iova < first + 2 ** pageBits,
    );
    const lastLevel = page?.pageBits === 21 ? 2 : 1;
    for (let level = out.level; level >= lastLevel; level -= 1)
      out.noteRead(hostPhysicalAddress(root * REGION + level * 4096), level, READ_WRITE);
    if (page === undefined) {
      this.stopAtAbsentPage(write, out);
    } else if (!(write ? page.write : page.read)) {
      out.fail(NOT_PERMITTED);
    } else {
      out.ok = true;
      out.physical = hostPhysicalAddress(page.physical);
      out.pageBits = page.pageBits;
      out.read = page.read;
      out.write = page.write;
    }
  }

  stopAtAbsentPage(_write: boolean, out: WalkResult): void {
    out.absent = 'page';
    out.fail(NOT_MAPPED);
  }

  rootOf(domain: number): number {
    return this.roots.get(domain) ?? domain;
  }

  map(domain: number, page: MappedPage): void {
    this.unmap(domain, page.first, 2 ** page.pageBits);
    const root = this.rootOf(domain);
    this.#pages.set(root, [...(this.#pages.get(root) ?? []), page]);
  }

  unmap(domain: number, first: number, bytes: number): void {
    const root = this.rootOf(domain);
    const left = (this.#pages.get(root) ?? []).filter(
      (page) => page.first + 2 ** page.pageBits <= first || page.first >= first + bytes,
    );
    this.#pages.set(root, left);
  }
}

/** A 4 KB page that may be read and written. */
export function page4K(first: number, physical: number): MappedPage {
  return { first, pageBits: 12, physical, read: true, write: true };
}
