import { InvariantViolation } from '../scheduler/errors.js';
/**
 * Bytes of a first-in first-out buffer in which each frame lies in one piece. A frame that does not fit
 * before the end starts again at the beginning, so the store is two frames larger than its capacity.
 */
export class FrameFifo {
  readonly bytes: Uint8Array;
  #head = 0;
  #tail = 0;
  #used = 0;

  /** @param capacityBytes bytes that it may hold at once; @param maxFrameBytes the largest piece. */
  constructor(capacityBytes: number, maxFrameBytes: number) {
    this.bytes = new Uint8Array(capacityBytes + 2 * maxFrameBytes);
  }

  /** Bytes taken, those skipped at the end included. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Takes space for a frame; returns its offset. The caller keeps to the capacity. */
  push(length: number): number {
    const size = this.bytes.length;
    if (this.#head + length > size) {
      this.#used += size - this.#head;
      this.#head = 0;
    }
    const offset = this.#head;
    this.#head += length;
    this.#used += length;
    if (this.#used > size) throw new InvariantViolation(`frame FIFO overrun: ${this.#used} of ${size} bytes`);
    return offset;
  }

  /** Gives back the oldest frame, which lies at `offset`. */
  shift(offset: number, length: number): void {
    if (offset < this.#tail) {
      this.#used -= this.bytes.length - this.#tail;
      this.#tail = 0;
    }
    if (offset !== this.#tail)
      throw new InvariantViolation('frames leave a FIFO in the order in which they came');
    this.#tail += length;
    this.#used -= length;
    if (this.#used === 0) {
      this.#head = 0;
      this.#tail = 0;
    }
  }

  checkInvariants(): void {
    const size = this.bytes.length;
    const between = this.#tail < this.#head ? this.#head - this.#tail : size - this.#tail + this.#head;
    if (this.#used !== 0 && this.#used !== between)
      throw new InvariantViolation(`a frame FIFO counts ${this.#used} bytes, ${between} lie in it`);
    if (this.#used < 0 || this.#used > size)
      throw new InvariantViolation(`a frame FIFO of ${size} bytes holds ${this.#used}`);
  }
}
