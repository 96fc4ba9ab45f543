import { present } from '../../../scheduler/present.js';
import type { ContextGranularity } from '../invalidation-sink.js';
import type { Replacement } from './parameters.js';
import { TagStore } from './tag-store.js';

/** The context cache (VT-d) or device-table cache (AMD-Vi): a requester's domain, and whether it passes through. */
export class ContextCache {
  readonly #tags: TagStore;
  readonly #requester: Int32Array;
  readonly #domain: Int32Array;
  readonly #passThrough: Uint8Array;

  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    this.#tags = new TagStore(entries, ways, replacement, seed);
    this.#requester = new Int32Array(entries);
    this.#domain = new Int32Array(entries);
    this.#passThrough = new Uint8Array(entries);
  }

  get size(): number {
    return this.#tags.size;
  }

  /** The slot of a requester, or -1. */
  find(requesterId: number): number {
    return this.#tags.find(0, 0, requesterId);
  }

  domain(slot: number): number {
    return present(this.#domain[slot]);
  }

  passesThrough(slot: number): boolean {
    return this.#passThrough[slot] === 1;
  }

  insert(requesterId: number, domainId: number, passThrough: boolean): void {
    const slot = this.#tags.insert(0, 0, requesterId);
    this.#requester[slot] = requesterId;
    this.#domain[slot] = domainId;
    this.#passThrough[slot] = passThrough ? 1 : 0;
  }

  /** @param functionMask low function bits of the requester to ignore, 0..3 (granularity `device`) */
  invalidate(
    granularity: ContextGranularity,
    domainId: number,
    requesterId: number,
    functionMask: number,
  ): void {
    if (granularity === 'global') {
      this.#tags.clear();
      return;
    }
    // FM = 1 ignores function bit 2, FM = 2 bits 2:1, FM = 3 all three (VT-d specification, context-cache invalidate).
    const ignored = functionMask === 0 ? 0 : (0b111 << (3 - functionMask)) & 0b111;
    for (let slot = 0; slot < this.#tags.entries; slot += 1) {
      if (!this.#tags.holds(slot)) continue;
      const named =
        granularity === 'domain'
          ? this.#domain[slot] === domainId
          : ((present(this.#requester[slot]) ^ requesterId) & ~ignored) === 0;
      if (named) this.#tags.removeSlot(slot);
    }
  }

  checkInvariants(): void {
    this.#tags.checkInvariants();
  }
}
