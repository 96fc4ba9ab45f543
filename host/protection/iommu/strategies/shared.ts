import { FRAME_BYTES } from '../../../memory/physical-memory.js';
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
  readonly #uses = new Map<number, number>();
  #reused = 0;
  #asked = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.#forgotten = (_iova, pages, frame) => space.unpin(frame, pages);
    this.transmit = new IdentityGate(space, this);
    this.receive = new IdentityGate(space, this);
  }

  opened(): void {}

  isMapped(frame: number): boolean {
    return this.#uses.has(frame);
  }

  use(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) this.#space.map(frame * FRAME_BYTES, frame, READ_WRITE);
    else this.#reused += 1;
    this.#uses.set(frame, uses + 1);
  }

  unuse(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) throw new Error(`frame ${frame} is used by fewer buffers than finished`);
    if (uses > 1) {
      this.#uses.set(frame, uses - 1);
      return;
    }
    this.#uses.delete(frame);
    // One hypercall for all pages of a batch.
    if (!this.#asked) this.#space.enter();
    this.#asked = true;
    this.#space.clear(frame * FRAME_BYTES, 1);
    this.#space.invalidate(frame * FRAME_BYTES, 1, false, this.#forgotten, frame);
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
    for (const frame of this.#uses.keys()) {
      space.clear(frame * FRAME_BYTES, 1);
      space.whenGone(() => space.unpin(frame, 1));
    }
    this.#uses.clear();
  }

  relinquish(frame: number): boolean {
    return this.#space.parts.frames.count(frame) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return { reusedMappings: this.#reused, liveMappings: this.#uses.size };
  }
}
