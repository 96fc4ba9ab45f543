import type { DomainId, FrameKind, OwnershipObserver } from '../../../memory/frame-table.js';
import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';

/**
 * Direct map: all of the guest's memory is mapped at its own addresses when the guest starts, and stays so.
 * Nothing is done at run time, so it is as fast as no protection; but every page is pinned, so none can be
 * ballooned away, and the guest's own device reaches all of the guest.
 */
export class DirectMap implements MappingStrategy, SetupGate, OwnershipObserver {
  readonly transmit: SetupGate = this;
  readonly receive: SetupGate = this;
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #mapped = new Set<number>();
  #closed = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.writer = space.domain.party;
    this.given([...space.domain.ownedFrames], space.domain.id, 'guest');
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
    for (const frame of frames) {
      if (this.#mapped.has(frame)) continue;
      this.#space.map(frame * FRAME_BYTES, frame, READ_WRITE);
      this.#mapped.add(frame);
    }
  }

  taken(): void {
    // Every page is pinned, so none is taken while the map stands.
  }

  closed(): void {
    this.#closed = true;
    for (const frame of this.#mapped) {
      this.#space.clear(frame * FRAME_BYTES, 1);
      this.#space.unpin(frame, 1);
    }
    this.#mapped.clear();
  }

  relinquish(frame: number): boolean {
    return !this.#mapped.has(frame);
  }

  counters(): Readonly<Record<string, number>> {
    return { directMappedPages: this.#mapped.size };
  }
}
