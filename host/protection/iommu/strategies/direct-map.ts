import type { DomainId, FrameKind, OwnershipObserver } from '../../../memory/frame-table.js';
import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';

/** Frames that follow each other. */
interface Run {
  readonly first: number;
  readonly count: number;
}

/**
 * Direct map: all of the guest's memory is mapped at its own addresses when the guest starts, and stays so.
 * Nothing is done at run time, so it is as fast as no protection; but every page is pinned, so none can be
 * ballooned away, and the guest's own device reaches all of the guest.
 *
 * Where a guest's memory is aligned it is mapped in pages of 2 MB: a table page less to read in each walk, and an
 * entry for 512 frames. Taking one frame out would mean to break such a page up, so none is ever given back.
 */
export class DirectMap implements MappingStrategy, SetupGate, OwnershipObserver {
  readonly transmit: SetupGate = this;
  readonly receive: SetupGate = this;
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #runs: Run[] = [];
  #pages = 0;
  #closed = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.writer = space.domain.party;
    this.#map(space.domain.ownedFrames);
    space.parts.frames.observe(this);
  }

  opened(): void {}

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    for (let index = 0; index < count; index += 1) queue.busAddresses[index] = batch.addresses[index] ?? 0;
    return count;
  }

  finish(): void {}

  given(frames: readonly number[], domain: DomainId, kind: FrameKind): void {
    if (this.#closed || domain !== this.#space.domain.id || kind !== 'guest') return;
    this.#map(frames);
    this.#space.announce();
  }

  taken(): void {
    // Every page is pinned, so none is taken while the map stands.
  }

  closed(): void {
    this.#closed = true;
    const space = this.#space;
    for (const { first, count } of this.#runs) {
      space.clearRange(first * FRAME_BYTES, first, count);
      space.whenGone(() => space.unpin(first, count));
    }
    this.#runs.length = 0;
    this.#pages = 0;
  }

  relinquish(frame: number): boolean {
    return this.#space.address.tables.find(frame * FRAME_BYTES) === undefined;
  }

  counters(): Readonly<Record<string, number>> {
    return { directMappedPages: this.#pages };
  }

  #map(frames: Iterable<number>): void {
    let first = -1;
    let count = 0;
    for (const frame of frames) {
      if (frame === first + count && count > 0) {
        count += 1;
        continue;
      }
      this.#mapRun(first, count);
      first = frame;
      count = 1;
    }
    this.#mapRun(first, count);
  }

  #mapRun(first: number, count: number): void {
    if (count === 0) return;
    this.#space.mapRange(first * FRAME_BYTES, first, count, READ_WRITE);
    this.#runs.push({ first, count });
    this.#pages += count;
  }
}
