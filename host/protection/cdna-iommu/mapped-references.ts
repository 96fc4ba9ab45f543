import { identityOf, type PageNumber } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { countOf } from '../../../scheduler/tally.js';
import type { PageReferences } from '../cdna/page-references.js';
import { type GuestSpace, READ_WRITE } from '../iommu/guest-space.js';

/**
 * References that are mappings: a page is in the guest's translation tables while a validated descriptor uses it.
 * Taking it out is as lazy as CDNA's own release, so one invalidation covers all pages of a release; their pages
 * stay pinned until the unit has reported it.
 */
export class MappedReferences implements PageReferences {
  readonly #space: GuestSpace;
  readonly #uses = new Map<PageNumber, number>();
  #leaving: PageNumber[] = [];

  constructor(space: GuestSpace) {
    this.#space = space;
  }

  /** Pages that are mapped. */
  get mapped(): number {
    return this.#uses.size;
  }

  take(page: PageNumber): void {
    const uses = countOf(this.#uses, page);
    if (uses === 0) this.#space.map(identityOf(page), page, READ_WRITE);
    this.#uses.set(page, uses + 1);
  }

  drop(page: PageNumber): void {
    const uses = countOf(this.#uses, page);
    if (uses === 0) throw new InvariantViolation(`page ${page} is dropped more often than taken`);
    if (uses > 1) {
      this.#uses.set(page, uses - 1);
      return;
    }
    this.#uses.delete(page);
    this.#space.clear(identityOf(page), 1);
    this.#leaving.push(page);
  }

  settle(): void {
    if (this.#leaving.length === 0) return;
    const pages = this.#leaving;
    this.#leaving = [];
    this.#space.invalidateAll(() => {
      for (const page of pages) this.#space.unpin(page, 1);
    });
  }
}
