import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { IdentityGate, type PageKeeper } from './identity-gate.js';

export interface PersistentOptions {
  /** Pages that one guest may keep mapped. @defaultValue 8,192 (32 MB) */
  readonly quotaPages: number;
}

/**
 * Persistent (Willmann et al., ATC 2008; quota after Yassour et al., SYSTOR 2010): a page is mapped when it is
 * first used for I/O and stays so. Only a page that is wanted back, or that must make room within the quota, is
 * unmapped: the least recently used one that no transfer needs. In steady state nothing is left to do, and the device
 * reaches every page that was ever used for I/O.
 */
export class Persistent implements MappingStrategy, PageKeeper {
  readonly transmit: IdentityGate;
  readonly receive: IdentityGate;
  readonly #space: GuestSpace;
  readonly #quota: number;
  // Mapped pages, least recently used first, with the buffers that use them now.
  readonly #mapped = new Map<number, number>();
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

  isMapped(frame: number): boolean {
    return this.#mapped.has(frame);
  }

  use(frame: number): void {
    const uses = this.#mapped.get(frame);
    if (uses === undefined) {
      if (this.#mapped.size >= this.#quota) this.#evictOne();
      this.#space.map(frame * FRAME_BYTES, frame, READ_WRITE);
    } else {
      this.#reused += 1;
      if (this.#mapped.size * 2 > this.#quota) this.#mapped.delete(frame);
    }
    this.#mapped.set(frame, (uses ?? 0) + 1);
  }

  unuse(frame: number): void {
    const uses = this.#mapped.get(frame);
    if (uses !== undefined && uses > 0) this.#mapped.set(frame, uses - 1);
  }

  settle(): void {}

  closed(): void {
    for (const frame of [...this.#mapped.keys()]) this.#unmap(frame);
  }

  relinquish(frame: number): boolean {
    const uses = this.#mapped.get(frame);
    if (uses === undefined) return true;
    if (uses > 0) return false;
    this.#unmap(frame);
    this.#evicted += 1;
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

  #evictOne(): void {
    for (const [frame, uses] of this.#mapped) {
      if (uses > 0) continue;
      this.#unmap(frame);
      this.#evicted += 1;
      return;
    }
    // Everything is in use: the transfer goes first, the quota is made good when something is free.
    this.#overQuota += 1;
  }

  #unmap(frame: number): void {
    this.#mapped.delete(frame);
    this.#space.clear(frame * FRAME_BYTES, 1);
    this.#space.invalidate(frame * FRAME_BYTES, 1, false, () => this.#space.unpin(frame, 1));
    this.#space.driver.waitCharged();
  }
}
