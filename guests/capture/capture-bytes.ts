import type { ByteStore } from './byte-store.js';
import { CaptureError } from './capture.js';

/** Bytes per read of a file: large compared with a packet, small compared with a capture. */
const WINDOW_BYTES = 1 << 22;

/**
 * The bytes of a capture file, read in either byte order through a window that moves along the file. Every read is
 * checked against what the file holds, so a wrong length field never leads outside; a failed check ends in a
 * `CaptureError`.
 */
export class CaptureBytes {
  readonly file: string;
  readonly length: number;
  /** Byte order of what is being read; pcapng may change it from section to section. */
  littleEndian = true;
  /** The packet that is being read, counted from 1; undefined in the file's header. */
  packetNumber: number | undefined = undefined;
  readonly #store: ByteStore;
  #window: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#window.buffer);
  #windowStart = 0;

  constructor(file: string, store: ByteStore) {
    this.file = file;
    this.length = store.length;
    this.#store = store;
  }

  u8(offset: number, field: string): number {
    return this.#view.getUint8(this.#place(offset, 1, field));
  }

  u16(offset: number, field: string): number {
    const place = this.#place(offset, 2, field);
    return this.#view.getUint16(place, this.littleEndian);
  }

  u32(offset: number, field: string): number {
    const place = this.#place(offset, 4, field);
    return this.#view.getUint32(place, this.littleEndian);
  }

  i64(offset: number, field: string): bigint {
    const place = this.#place(offset, 8, field);
    return this.#view.getBigInt64(place, this.littleEndian);
  }

  /** A view of `length` bytes. They stay as they are when the window moves on. */
  view(offset: number, length: number, field: string): Uint8Array {
    const place = this.#place(offset, length, field);
    return this.#window.subarray(place, place + length);
  }

  /** Text of a bounded field, with anything unprintable made visible, since it may be damage. */
  text(offset: number, length: number, field: string): string {
    const text = new TextDecoder().decode(this.view(offset, length, field));
    return JSON.stringify(text.replace(/\0+$/, ''));
  }

  /** @throws CaptureError unless the file holds `length` bytes from `offset` on. */
  need(offset: number, length: number, field: string): void {
    if (length <= this.length - offset) return;
    const left = Math.max(0, this.length - offset);
    this.fail(
      Math.min(offset, this.length),
      field,
      `cut off after ${left} bytes by the end of the file`,
      `${length} bytes`,
    );
  }

  fail(offset: number, field: string, found: string, expected: string): never {
    throw new CaptureError({
      file: this.file,
      offset,
      packetNumber: this.packetNumber,
      field,
      found,
      expected,
    });
  }

  /** Brings `length` bytes from `offset` into the window. @returns where in the window they start */
  #place(offset: number, length: number, field: string): number {
    this.need(offset, length, field);
    const start = this.#windowStart;
    if (offset < start || offset + length > start + this.#window.length) {
      this.#windowStart = offset;
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.length - offset);
      const window = this.#store.read(offset, wanted);
      if (window.length < length) {
        this.fail(
          offset,
          field,
          `no longer there: the file became shorter while it was read`,
          `${length} bytes`,
        );
      }
      this.#window = window;
      this.#view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    }
    return offset - this.#windowStart;
  }
}
