import { InvariantViolation } from '../../scheduler/errors.js';
import type { OutputFile } from './output-file.js';
import type { TextLine } from './text-line.js';
import { putAscii } from './utf8.js';

/** Bytes of a block around its body: type and length before it, length again behind it. */
export const BLOCK_OVERHEAD_BYTES = 12;
const END_OF_OPTIONS = 0;
const UTF8 = new TextEncoder();
/** Up to here a loop over words beats a view that has to be made. */
const WORD_LOOP_BYTES = 256;

/**
 * Assembles one block of pcapng, little-endian, right in the buffer of the file; its length is filled in at
 * the end, before and behind it. Nothing is allocated.
 */
export class PcapngBlock {
  readonly #file: OutputFile;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #start = 0;
  #limit = 0;
  #at = 0;
  /** The array that bytes came from last, and its words. */
  #source: Uint8Array = new Uint8Array();
  #sourceView: DataView = new DataView(this.#source.buffer);

  constructor(file: OutputFile) {
    this.#file = file;
    this.#buffer = file.buffer;
    this.#view = file.view;
  }

  /** Starts a block that will have at most `mostBytes` bytes. */
  begin(type: number, mostBytes: number): this {
    this.#start = this.#file.reserve(mostBytes);
    this.#limit = this.#start + mostBytes;
    this.#at = this.#start;
    return this.u32(type).u32(0);
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  /** A 64-bit time of 10^-9 s: the high word comes first, whatever the byte order. */
  time(ns: number): this {
    return this.u32(Math.floor(ns / 2 ** 32)).u32(ns % 2 ** 32);
  }

  /** Bytes, padded to 32 bits. */
  bytes(bytes: Uint8Array, offset: number, length: number): this {
    if (length > WORD_LOOP_BYTES) {
      this.#buffer.set(bytes.subarray(offset, offset + length), this.#at);
      this.#at += length;
      return this.#pad();
    }
    if (bytes !== this.#source) {
      this.#source = bytes;
      this.#sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#words(this.#sourceView, offset, length);
  }

  /**
   * Options stand at the end of a block: code, length, value padded to 32 bits. This one is text, cut at a whole character when
   * its UTF-8 is longer than `mostBytes`.
   */
  textOption(code: number, text: string, mostBytes: number): this {
    const header = this.#at;
    this.#at += 4;
    let length = text.length > mostBytes ? -1 : putAscii(this.#buffer, this.#at, text) - this.#at;
    if (length < 0) {
      // Whole characters alone: one that does not fit is left out with all behind it.
      length = UTF8.encodeInto(text, this.#buffer.subarray(this.#at, this.#at + mostBytes)).written;
    }
    this.#view.setUint16(header, code, true);
    this.#view.setUint16(header + 2, length, true);
    this.#at += length;
    return this.#pad();
  }

  /** The same of a line, which is not longer than that. */
  lineOption(code: number, line: TextLine): this {
    return this.u16(code).u16(line.length).#words(line.view, 0, line.length);
  }

  byteOption(code: number, value: number): this {
    this.u16(code).u16(1);
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this.#pad();
  }

  u32Option(code: number, value: number): this {
    return this.u16(code).u16(4).u32(value);
  }

  u64Option(code: number, value: number): this {
    return this.u16(code)
      .u16(8)
      .u32(value % 2 ** 32)
      .u32(Math.floor(value / 2 ** 32));
  }

  timeOption(code: number, ns: number): this {
    return this.u16(code).u16(8).time(ns);
  }

  endOptions(): this {
    return this.u16(END_OF_OPTIONS).u16(0);
  }

  /** Ends the block and hands it to the file. */
  end(): void {
    const length = this.#at + 4 - this.#start;
    this.u32(length);
    if (this.#at > this.#limit)
      throw new InvariantViolation(`block of ${length} bytes, space was reserved for fewer`);
    this.#view.setUint32(this.#start + 4, length, true);
    this.#file.advance(length);
  }

  /** Bytes of a view, word by word, padded to 32 bits. */
  #words(from: DataView, offset: number, length: number): this {
    const to = this.#view;
    const at = this.#at;
    const whole = length & ~3;
    for (let done = 0; done < whole; done += 4)
      to.setUint32(at + done, from.getUint32(offset + done, true), true);
    for (let done = whole; done < length; done += 1) to.setUint8(at + done, from.getUint8(offset + done));
    this.#at = at + length;
    return this.#pad();
  }

  #pad(): this {
    while ((this.#at - this.#start) % 4 !== 0) {
      this.#view.setUint8(this.#at, 0);
      this.#at += 1;
    }
    return this;
  }
}
