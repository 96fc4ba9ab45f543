import { FRAME_BYTES } from '../../memory/physical-memory.js';
import type { PageReferences } from '../cdna/page-references.js';
import { type GuestSpace, READ_WRITE } from '../iommu/guest-space.js';

/**
 * References that are mappings: a page is in the guest's translation tables while a validated descriptor uses it.
 * Taking it out is as lazy as CDNA's own release, so one invalidation covers all pages of a release; their frames
 * stay pinned until the unit has reported it.
 */
export class MappedReferences implements PageReferences {
  readonly #space: GuestSpace;
  readonly #uses = new Map<number, number>();
  #leaving: number[] = [];

  constructor(space: GuestSpace) {
    this.#space = space;
  }

  /** Pages that are mapped. */
  get mapped(): number {
    return this.#uses.size;
  }

  take(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) this.#space.map(frame * FRAME_BYTES, frame, READ_WRITE);
    this.#uses.set(frame, uses + 1);
  }

  drop(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) throw new Error(`frame ${frame} is dropped more often than taken`);
    if (uses > 1) {
      this.#uses.set(frame, uses - 1);
      return;
    }
    this.#uses.delete(frame);
    this.#space.clear(frame * FRAME_BYTES, 1);
    this.#leaving.push(frame);
  }

  settle(): void {
    if (this.#leaving.length === 0) return;
    const frames = this.#leaving;
    this.#leaving = [];
    this.#space.invalidateAll(() => {
      for (const frame of frames) this.#space.unpin(frame, 1);
    });
  }
}
