import { identityOf, ioPageAddress, type PageNumber, pageNumber } from '../../../../nic/addresses.js';
import { present } from '../../../../scheduler/present.js';
import type { DomainId, OwnershipObserver, PageKind } from '../../../memory/page-ownership.js';
import { OpenSetupGate } from '../../open-setup-gate.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';

/**
 * Direct map: all of the guest's memory is mapped at its own addresses when the guest starts, and stays so.
 * Nothing is done at run time, so it is as fast as no protection; but every page is pinned, so none can be
 * ballooned away, and the guest's own device reaches all of the guest.
 *
 * Where a guest's memory is aligned it is mapped in pages of 2 MB: a table page less to read in each walk, and an
 * entry for 512 pages. Taking one page out would mean to break such a page up, so none is ever given back.
 */
export class DirectMap implements MappingStrategy, OwnershipObserver {
  readonly transmit: OpenSetupGate;
  readonly receive: OpenSetupGate;
  readonly #space: GuestSpace;
  /** Pages that follow each other: the first of each run, and their number. */
  readonly #runs: number[] = [];
  #pages = 0;
  #closed = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.transmit = new OpenSetupGate(space.domain);
    this.receive = this.transmit;
    this.#map(space.domain.ownedPages);
    space.parts.pages.observe(this, space.domain.id);
  }

  opened(): void {}

  given(pages: readonly PageNumber[], _domain: DomainId, kind: PageKind): void {
    if (this.#closed || kind !== 'guest') return;
    this.#map(pages);
    this.#space.announce();
  }

  taken(): void {
    // Every page is pinned, so none is taken while the map stands.
  }

  closed(): void {
    this.#closed = true;
    const space = this.#space;
    this.#clearRuns(0, (first, count) => space.whenGone(() => space.unpin(first, count)));
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.address.tables.find(ioPageAddress(identityOf(page))) === undefined;
  }

  counters(): Readonly<Record<string, number>> {
    return { directMappedPages: this.#pages };
  }

  /** All of them or none. @throws ParameterError when the machine has no page left for a table */
  #map(pages: Iterable<PageNumber>): void {
    const runs = this.#runs.length;
    try {
      this.#mapRuns(pages);
    } catch (error) {
      // No device has made a request since, so no cache knows any of it.
      this.#clearRuns(runs, (first, count) => this.#space.unpin(first, count));
      throw error;
    }
  }

  /** Takes runs out of the tables, from a place in the list on; `unpin` is to release their pages, now or later. */
  #clearRuns(from: number, unpin: (first: PageNumber, count: number) => void): void {
    const gone = this.#runs.splice(from);
    for (let run = 0; run < gone.length; run += 2) {
      const first = pageNumber(present(gone[run]));
      const count = present(gone[run + 1]);
      this.#space.clearRange(identityOf(first), first, count);
      unpin(first, count);
      this.#pages -= count;
    }
  }

  #mapRuns(pages: Iterable<PageNumber>): void {
    let first = pageNumber(-1);
    let count = 0;
    for (const page of pages) {
      if (page === first + count && count > 0) {
        count += 1;
        continue;
      }
      this.#mapRun(first, count);
      first = page;
      count = 1;
    }
    this.#mapRun(first, count);
  }

  #mapRun(first: PageNumber, count: number): void {
    if (count === 0) return;
    this.#space.mapRange(identityOf(first), first, count, READ_WRITE);
    this.#runs.push(first, count);
    this.#pages += count;
  }
}
