import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { PAGE_BYTES, type PhysicalMemory } from '../../memory/physical-memory.js';

/** No page is mapped for this piece, or no page has taken its place. */
export const NO_FRAME = -1;

/** A frame as it lies in memory: pieces, none of them across a page. Reused from frame to frame. */
export class FrameParts {
  readonly addresses: Float64Array;
  readonly lengths: Uint32Array;
  /** A guest's frame that is mapped for the piece, or NO_FRAME. */
  readonly mapped: Int32Array;
  /** The frame that came in exchange when the piece's own was flipped away, or NO_FRAME. */
  readonly exchanged: Int32Array;
  count = 0;
  /** Received: index of its last descriptor in the card's ring. */
  lastIndex = 0;
  /** Bytes of all pieces. */
  total = 0;

  constructor(capacity: number) {
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.mapped = new Int32Array(capacity);
    this.exchanged = new Int32Array(capacity);
  }

  get full(): boolean {
    return this.count === this.addresses.length;
  }

  clear(): void {
    this.count = 0;
    this.total = 0;
  }

  add(address: number, length: number, mapped: number = NO_FRAME): void {
    if (this.full) throw new InvariantViolation('a frame in more pieces than are allowed');
    this.addresses[this.count] = address;
    this.lengths[this.count] = length;
    this.mapped[this.count] = mapped;
    this.exchanged[this.count] = NO_FRAME;
    this.count += 1;
    this.total += length;
  }

  /** Adds bytes that lie right behind the last ones; a new piece begins where a page does. */
  extend(address: number, length: number): void {
    let at = address;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, PAGE_BYTES - (at % PAGE_BYTES));
      if (this.count === 0 || at % PAGE_BYTES === 0) {
        this.add(at, piece);
      } else {
        this.lengths[this.count - 1] = present(this.lengths[this.count - 1]) + piece;
        this.total += piece;
      }
      at += piece;
      left -= piece;
    }
  }

  /** The first bytes of the frame, as many as `target` takes. */
  readHead(memory: PhysicalMemory, target: Uint8Array): void {
    let at = 0;
    for (let index = 0; index < this.count && at < target.length; index += 1) {
      const piece = Math.min(present(this.lengths[index]), target.length - at);
      memory.read(present(this.addresses[index]), piece, target, at);
      at += piece;
    }
  }
}
