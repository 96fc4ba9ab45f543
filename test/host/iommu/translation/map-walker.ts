import type { TableWalker, WalkResult } from '../../../../host/iommu/table-walker.js';

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

/**
 * Four-level tables as a list of pages: the walker of these tests. A 4 KB page takes four table reads, a 2 MB page
 * three. A fault takes as many reads as a walk to a 4 KB page.
 */
export class MapWalker implements TableWalker {
  /** Domain by requester; 0 is pass-through. */
  readonly contexts = new Map<number, number>();
  readonly pages = new Map<number, MappedPage[]>();
  walks = 0;

  walk(requesterId: number, iova: number, write: boolean, out: WalkResult): void {
    out.reset();
    this.walks += 1;
    if (iova >= 0xfee0_0000 && iova < 0xfef0_0000) {
      out.stopAtInterruptWindow();
      return;
    }
    out.contextReads = 2;
    const domain = this.contexts.get(requesterId);
    if (domain === undefined) {
      out.fail(NO_CONTEXT);
      return;
    }
    out.domainId = domain;
    if (domain === 0) {
      out.pass(iova, true, true);
      return;
    }
    const page = (this.pages.get(domain) ?? []).find(
      ({ first, pageBits }) => iova >= first && iova < first + 2 ** pageBits,
    );
    const lastLevel = page?.pageBits === 21 ? 2 : 1;
    for (let level = 4; level >= lastLevel; level -= 1) out.noteRead(domain * 2 ** 20 + level * 4096, level);
    if (page === undefined) {
      out.fail(NOT_MAPPED);
    } else if (!(write ? page.write : page.read)) {
      out.fail(NOT_PERMITTED);
    } else {
      out.ok = true;
      out.physical = page.physical;
      out.pageBits = page.pageBits;
      out.read = page.read;
      out.write = page.write;
    }
  }

  map(domain: number, page: MappedPage): void {
    this.unmap(domain, page.first, 2 ** page.pageBits);
    this.pages.set(domain, [...(this.pages.get(domain) ?? []), page]);
  }

  unmap(domain: number, first: number, bytes: number): void {
    const left = (this.pages.get(domain) ?? []).filter(
      (page) => page.first + 2 ** page.pageBits <= first || page.first >= first + bytes,
    );
    this.pages.set(domain, left);
  }
}

/** A 4 KB page that may be read and written. */
export function page4K(first: number, physical: number): MappedPage {
  return { first, pageBits: 12, physical, read: true, write: true };
}
