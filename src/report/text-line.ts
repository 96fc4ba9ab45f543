import { MOST_BYTES_PER_UNIT, putUtf8 } from './utf8.js';

/** Digits of a whole number that is exact, at most. */
const MOST_DIGITS = 16;
const ZERO = 0x30;
/** Nine digits are an integer to the engine. */
const NINE_DIGITS = 1e9;

/** A line that is put together piece by piece, as bytes of UTF-8: for lines of each frame, of which none becomes a string. */
export class TextLine {
  #bytes = new Uint8Array(128);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** The line, from the beginning of the array on. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The same bytes. */
  get view(): DataView {
    return this.#view;
  }

  get length(): number {
    return this.#length;
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  text(text: string): this {
    this.#reserve(text.length * MOST_BYTES_PER_UNIT);
    this.#length = putUtf8(this.#bytes, this.#length, text);
    return this;
  }

  /** A whole number from 0 to 2^53, in decimal digits. */
  whole(value: number): this {
    this.#reserve(MOST_DIGITS);
    if (value < NINE_DIGITS) return this.#digits(value, digitsOf(value));
    const high = Math.floor(value / NINE_DIGITS);
    return this.#digits(high, digitsOf(high)).#digits(value - high * NINE_DIGITS, 9);
  }

  #digits(value: number, count: number): this {
    let rest = value | 0;
    for (let at = this.#length + count - 1; at >= this.#length; at -= 1) {
      const tens = (rest / 10) | 0;
      this.#bytes[at] = ZERO + rest - tens * 10;
      rest = tens;
    }
    this.#length += count;
    return this;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const wider = new Uint8Array(2 * (this.#length + bytes));
    wider.set(this.#bytes);
    this.#bytes = wider;
    this.#view = new DataView(wider.buffer);
  }
}

function digitsOf(value: number): number {
  let count = 1;
  for (let least = 10; value >= least; least *= 10) count += 1;
  return count;
}
