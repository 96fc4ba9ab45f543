import { identityOf, type PageNumber } from '../../../../nic/addresses.js';
import { InvariantViolation } from '../../../../scheduler/errors.js';
import { countOf } from '../../../../scheduler/tally.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { WhenReported } from '../iommu-driver.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { IdentityGate, type PageKeeper } from './identity-gate.js';

/**
 * Shared (Willmann et al., ATC 2008): a page is mapped while any transfer uses it. A transfer that finds the
 * mapping of another adds to its count; the last one takes it away, with an invalidation that is waited for.
 * Saves work only where transfers overlap on a page.
 */
export class Shared implements MappingStrategy, PageKeeper {
  readonly transmit: IdentityGate;
  readonly receive: IdentityGate;
  readonly #space: GuestSpace;
  readonly #forgotten: WhenReported;
  readonly #uses = new Map<PageNumber, number>();
  #reused = 0;
  #asked = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.#forgotten = (_iova, pages, page) => space.unpin(page, pages);
    this.transmit = new IdentityGate(space, this);
    this.receive = new IdentityGate(space, this);
  }

  opened(): void {}

  isMapped(page: PageNumber): boolean {
    return this.#uses.has(page);
  }

  use(page: PageNumber): void {
    const uses = countOf(this.#uses, page);
    if (uses === 0) this.#space.map(identityOf(page), page, READ_WRITE);
    else this.#reused += 1;
    this.#uses.set(page, uses + 1);
  }

  unuse(page: PageNumber): void {
    const uses = countOf(this.#uses, page);
    if (uses === 0) throw new InvariantViolation(`page ${page} is used by fewer buffers than finished`);
    if (uses > 1) {
      this.#uses.set(page, uses - 1);
      return;
    }
    this.#uses.delete(page);
    // One hypercall for all pages of a batch.
    if (!this.#asked) this.#space.enter();
    this.#asked = true;
    this.#space.clear(identityOf(page), 1);
    this.#space.invalidate(identityOf(page), 1, false, this.#forgotten, page);
  }

  settle(): void {
    if (!this.#asked) return;
    this.#asked = false;
    this.#space.driver.waitCharged();
  }

  closed(): void {
    this.transmit.close();
    this.receive.close();
    const space = this.#space;
    for (const page of this.#uses.keys()) {
      space.clear(identityOf(page), 1);
      space.whenGone(() => space.unpin(page, 1));
    }
    this.#uses.clear();
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return { reusedMappings: this.#reused, liveMappings: this.#uses.size };
  }
}
