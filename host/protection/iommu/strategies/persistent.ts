import { identityOf, type PageNumber } from '../../../../nic/addresses.js';
import { InvariantViolation } from '../../../../scheduler/errors.js';
import { countOf } from '../../../../scheduler/tally.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { IdentityGate, type PageKeeper } from './identity-gate.js';

export interface PersistentOptions {
  /** Pages that one guest may keep mapped. @defaultValue 8,192 (32 MB) */
  readonly quotaPages: number;
}

/**
 * Persistent (Willmann et al., ATC 2008; quota after Yassour et al., SYSTOR 2010): a page is mapped when it is
 * first used for I/O and stays so. Only a page that is wanted back, or that must be evicted to keep the quota, is
 * unmapped: the least recently used one that no transfer needs. In steady state nothing is left to do, and the device
 * reaches every page that was ever used for I/O.
 *
 * When every mapped page is in use a transfer is not held up for the quota; what is too much is unmapped as soon as it
 * is idle, so a guest has at most the quota mapped, or what is in flight.
 */
export class Persistent implements MappingStrategy, PageKeeper {
  readonly transmit: IdentityGate;
  readonly receive: IdentityGate;
  readonly #space: GuestSpace;
  readonly #quota: number;
  // Mapped pages, least recently used first, with the buffers that use them now.
  readonly #mapped = new Map<PageNumber, number>();
  #reused = 0;
  #evicted = 0;
  #overQuota = 0;

  constructor(space: GuestSpace, options: PersistentOptions) {
    this.#space = space;
    this.#quota = options.quotaPages;
    this.transmit = new IdentityGate(space, this);
    this.receive = new IdentityGate(space, this);
  }

  opened(): void {}

  isMapped(page: PageNumber): boolean {
    return this.#mapped.has(page);
  }

  use(page: PageNumber): void {
    const uses = this.#mapped.get(page);
    if (uses === undefined) {
      this.#evictTo(this.#quota - 1);
      if (this.#mapped.size >= this.#quota) this.#overQuota += 1;
      this.#space.map(identityOf(page), page, READ_WRITE);
    } else {
      this.#reused += 1;
      // To the end: the map keeps the order in which pages were last used.
      this.#mapped.delete(page);
    }
    this.#mapped.set(page, (uses ?? 0) + 1);
  }

  unuse(page: PageNumber): void {
    const uses = countOf(this.#mapped, page);
    if (uses === 0) throw new InvariantViolation(`page ${page} is used by fewer buffers than finished`);
    this.#mapped.set(page, uses - 1);
  }

  settle(): void {
    if (this.#mapped.size > this.#quota) this.#evictTo(this.#quota);
  }

  closed(): void {
    this.transmit.close();
    this.receive.close();
    const space = this.#space;
    for (const page of this.#mapped.keys()) {
      space.clear(identityOf(page), 1);
      space.whenGone(() => space.unpin(page, 1));
    }
    this.#mapped.clear();
  }

  relinquish(page: PageNumber): boolean {
    const uses = this.#mapped.get(page);
    if (uses === undefined) return this.#space.parts.pages.count(page) === 0;
    if (uses > 0) return false;
    this.#evict(page);
    this.#space.driver.waitCharged();
    return true;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      reusedMappings: this.#reused,
      liveMappings: this.#mapped.size,
      evictedMappings: this.#evicted,
      overQuota: this.#overQuota,
    };
  }

  /** Unmaps idle pages, least recently used first, until no more than `pages` are mapped or none is idle. */
  #evictTo(pages: number): void {
    if (this.#mapped.size <= pages) return;
    for (const [page, uses] of this.#mapped) {
      if (uses > 0) continue;
      this.#evict(page);
      if (this.#mapped.size <= pages) break;
    }
    this.#space.driver.waitCharged();
  }

  #evict(page: PageNumber): void {
    this.#mapped.delete(page);
    this.#evicted += 1;
    this.#space.clear(identityOf(page), 1);
    this.#space.invalidate(identityOf(page), 1, false, () => this.#space.unpin(page, 1));
  }
}
