import { InvariantViolation } from '../../scheduler/errors.js';

/**
 * Host memory is allocated in pieces of this size when first written, bytes. Large, so that a machine of thousands of
 * guests has few objects; the operating system backs only the pages of a piece that are used.
 */
export const PIECE_BYTES = 2 ** 20;
/** A power of two, so that the product is exact. */
export const PIECES_PER_BYTE = 1 / PIECE_BYTES;

/** Buffers start at multiples of this, as a rule: views of what lies there are kept. */
export const VIEW_BYTES = 2048;
const VIEWS_PER_PIECE = PIECE_BYTES / VIEW_BYTES;
/** Views that are kept, a power of two: as many as 32 guests have buffers with rings of 256 slots. */
const VIEWS = 8192;
/** How far apart the places of equal buffers of neighbouring regions are: more buffers than a guest has in flight. */
const REGION_STEP = 257;

/** A piece of backing, as bytes and as words. */
export class Piece {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
    this.words = new Uint32Array(this.bytes.buffer);
  }
}

/**
 * Views of buffers. The same buffers are used again and again, so the view that a transfer needs is mostly there
 * already. The number of views is bounded, and each place remembers the last one.
 */
export class BufferViews {
  readonly #views = new Array<Uint8Array | undefined>(VIEWS).fill(undefined);
  /** Which view, counted from address 0. */
  readonly #number = new Int32Array(VIEWS).fill(-1);
  readonly #length = new Int32Array(VIEWS);

  /** `length` bytes of a piece, the `pieceNumber`th of memory, from `within` on, which is a multiple of VIEW_BYTES. */
  of(piece: Piece, pieceNumber: number, within: number, length: number): Uint8Array {
    const number = pieceNumber * VIEWS_PER_PIECE + within / VIEW_BYTES;
    // Guests have their memory at like distances, and their buffers at like places in it.
    const place = (number + Math.floor(number / VIEWS) * REGION_STEP) & (VIEWS - 1);
    if (this.#number[place] === number && this.#length[place] === length) {
      const known = this.#views[place];
      if (known !== undefined) return known;
    }
    const fresh = piece.bytes.subarray(within, within + length);
    this.#views[place] = fresh;
    this.#number[place] = number;
    this.#length[place] = length;
    return fresh;
  }

  /** Pieces are gone that views may be of. */
  clear(): void {
    this.#views.fill(undefined);
    this.#number.fill(-1);
  }
}

if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
  throw new InvariantViolation(
    'this emulator needs a little-endian machine: its memory is read as bytes and as words',
  );
}
