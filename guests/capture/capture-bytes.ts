import { CaptureError } from './capture.js';

/**
 * The bytes of a capture file, read in either byte order. Every read is checked against what the file holds,
 * so a length field can be wrong but never lead outside; what fails ends in a `CaptureError`.
 */
export class CaptureBytes {
  readonly file: string;
  readonly length: number;
  /** Byte order of what is being read; pcapng may change it from section to section. */
  littleEndian = true;
  /** The packet that is being read, counted from 1; undefined in the file's header. */
  packetNumber: number | undefined = undefined;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(file: string, bytes: Uint8Array) {
    this.file = file;
    this.length = bytes.byteLength;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(offset: number, field: string): number {
    this.need(offset, 1, field);
    return this.#view.getUint8(offset);
  }

  u16(offset: number, field: string): number {
    this.need(offset, 2, field);
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number, field: string): number {
    this.need(offset, 4, field);
    return this.#view.getUint32(offset, this.littleEndian);
  }

  i64(offset: number, field: string): bigint {
    this.need(offset, 8, field);
    return this.#view.getBigInt64(offset, this.littleEndian);
  }

  /** A view of `length` bytes; nothing is copied. */
  view(offset: number, length: number, field: string): Uint8Array {
    this.need(offset, length, field);
    return this.#bytes.subarray(offset, offset + length);
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
}
