import { floorLog2 } from '../scheduler/whole-logarithm.js';

/** A power of two. */
const PLACES = 1024;
const PLACE_SHIFT = 32 - floorLog2(PLACES);

/**
 * Views of parts of byte arrays, of each place the last one: a copy of a part needs a view of it, and frames lie in the same
 * places again and again. A view is 100 bytes of garbage; frames of many sizes in a buffer without slots miss it.
 */
export class ViewCache {
  readonly #views = new Array<Uint8Array | undefined>(PLACES).fill(undefined);
  /** The array that each view is of. */
  readonly #arrays = new Array<Uint8Array | undefined>(PLACES).fill(undefined);
  readonly #offsets = new Int32Array(PLACES);
  readonly #lengths = new Int32Array(PLACES);

  /** `length` bytes of an array from `offset` on. */
  of(bytes: Uint8Array, offset: number, length: number): Uint8Array {
    const place = Math.imul(bytes.byteOffset + offset, 0x9e3779b1) >>> PLACE_SHIFT;
    const known = this.#views[place];
    if (
      known !== undefined &&
      this.#arrays[place] === bytes &&
      this.#offsets[place] === offset &&
      this.#lengths[place] === length
    )
      return known;
    const fresh = bytes.subarray(offset, offset + length);
    this.#views[place] = fresh;
    this.#arrays[place] = bytes;
    this.#offsets[place] = offset;
    this.#lengths[place] = length;
    return fresh;
  }
}
