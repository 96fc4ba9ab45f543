import { present } from '../../../scheduler/present.js';

/** Writes that are kept, at most; then all are carried out. */
const MOST_WRITES = 256;
/** A write longer than this is not kept. */
const MOST_BYTES = 2048;
/** Room in front of a kept write, for one that ends where it begins. */
const HEADROOM = 16;
const SLOT_BYTES = HEADROOM + MOST_BYTES + HEADROOM;

/**
 * Writes to a file that wait to be carried out, in order, as stores wait in a CPU's write buffer. A write that ends where one
 * begins, or begins where one ends, joins it: a frame's header and the frame behind it cost one system call.
 */
export class WriteBuffer {
  readonly #bytes = new Uint8Array(MOST_WRITES * SLOT_BYTES);
  readonly #carryOut: (bytes: Uint8Array, at: number, length: number, offset: number) => void;
  // Per write: where it goes in the file, and where its bytes lie in its slot.
  readonly #offsets = new Float64Array(MOST_WRITES);
  readonly #starts = new Int32Array(MOST_WRITES);
  readonly #lengths = new Int32Array(MOST_WRITES);
  #count = 0;
  // The kept writes lie between these offsets.
  #lowest = Number.POSITIVE_INFINITY;
  #highest = 0;

  constructor(carryOut: (bytes: Uint8Array, at: number, length: number, offset: number) => void) {
    this.#carryOut = carryOut;
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    if (this.#touches(offset, length)) this.flush();
    if (length > MOST_BYTES) {
      this.flush();
      this.#carryOut(source, sourceOffset, length, offset);
      return;
    }
    if (!this.#join(offset, length, source, sourceOffset)) {
      if (this.#count === MOST_WRITES) this.flush();
      const at = this.#count * SLOT_BYTES + HEADROOM;
      this.#copy(source, sourceOffset, length, at);
      this.#offsets[this.#count] = offset;
      this.#starts[this.#count] = at;
      this.#lengths[this.#count] = length;
      this.#count += 1;
    }
    this.#lowest = Math.min(this.#lowest, offset);
    this.#highest = Math.max(this.#highest, offset + length);
  }

  /** Carries out what a read of this range must see. */
  settle(offset: number, length: number): void {
    if (this.#touches(offset, length)) this.flush();
  }

  /** Carries everything out, in order. */
  flush(): void {
    const count = this.#count;
    this.#count = 0;
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#highest = 0;
    for (let index = 0; index < count; index += 1) {
      this.#carryOut(
        this.#bytes,
        present(this.#starts[index]),
        present(this.#lengths[index]),
        present(this.#offsets[index]),
      );
    }
  }

  #touches(offset: number, length: number): boolean {
    if (offset >= this.#highest || offset + length <= this.#lowest) return false;
    for (let index = 0; index < this.#count; index += 1) {
      const start = present(this.#offsets[index]);
      if (offset < start + present(this.#lengths[index]) && start < offset + length) return true;
    }
    return false;
  }

  /** Only short writes look for a neighbour: a header in front of a frame, or what follows it. */
  #join(offset: number, length: number, source: Uint8Array, sourceOffset: number): boolean {
    if (length > HEADROOM) return false;
    for (let index = 0; index < this.#count; index += 1) {
      const start = present(this.#offsets[index]);
      const kept = present(this.#lengths[index]);
      const at = present(this.#starts[index]);
      const slot = index * SLOT_BYTES;
      if (offset + length === start && at - length >= slot) {
        this.#copy(source, sourceOffset, length, at - length);
        this.#offsets[index] = offset;
        this.#starts[index] = at - length;
      } else if (start + kept === offset && at + kept + length <= slot + SLOT_BYTES) {
        this.#copy(source, sourceOffset, length, at + kept);
      } else continue;
      this.#lengths[index] = kept + length;
      return true;
    }
    return false;
  }

  #copy(source: Uint8Array, sourceOffset: number, length: number, at: number): void {
    this.#bytes.set(source.subarray(sourceOffset, sourceOffset + length), at);
  }
}
