import { type FrameIdentity, FramePattern } from './frame-pattern.js';
import type { FrameSizes } from './frame-sizes.js';

/** The frames of one generated source, one after the other: numbered from 0, sizes as `sizes` has them. */
export class FrameStream {
  readonly sizes: FrameSizes;
  readonly #pattern: FramePattern;
  #sequence = 0;

  /** @throws TrafficError */
  constructor(identity: FrameIdentity, sizes: FrameSizes) {
    this.sizes = sizes;
    this.#pattern = new FramePattern(identity, sizes.maxBytes);
  }

  /** Sequence number of the next frame: how many there have been. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The next frame; borrowed until the next call. */
  next(): Uint8Array {
    const frame = this.#pattern.fill(this.sizes.next(), this.#sequence);
    this.#sequence += 1;
    return frame;
  }
}
