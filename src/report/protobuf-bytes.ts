import { putUtf8 } from './utf8.js';

/**
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding): each function puts something into an array at an offset
 * and returns the offset behind it. The array has room for it. Nothing is allocated, so that a timeline costs what its bytes do.
 */

/** How a value is written: the lower three bits of a field's key. */
const WIRE = { varint: 0, fixed64: 1, lengthDelimited: 2 } as const;

/** Bytes that these take at most: a field's key, a number, the length of a message. */
export const MOST_KEY_BYTES = 5;
export const MOST_VARINT_BYTES = 10;
export const MOST_LENGTH_BYTES = 5;

/** Keys of fields: a message or a text is delimited by its length. */
export function varintKey(field: number): number {
  return (field << 3) | WIRE.varint;
}

export function fixed64Key(field: number): number {
  return (field << 3) | WIRE.fixed64;
}

export function lengthDelimitedKey(field: number): number {
  return (field << 3) | WIRE.lengthDelimited;
}

/** A whole number, of 64 bits in two's complement where it is negative. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 2 ** 31 || value < 0) return putLongVarint(bytes, at, value);
  let rest = value;
  let end = at;
  while (rest > 0x7f) {
    bytes[end] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    end += 1;
  }
  bytes[end] = rest;
  return end + 1;
}

function putLongVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0) return putNegativeVarint(bytes, at, value);
  // Four groups of seven bits; what is above them has less than 31.
  const high = Math.floor(value / 2 ** 28);
  const low = value - high * 2 ** 28;
  for (let group = 0; group < 4; group += 1) bytes[at + group] = (low >>> (7 * group)) | 0x80;
  return putVarint(bytes, at + 4, high);
}

function putNegativeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = BigInt.asUintN(64, BigInt(value));
  let end = at;
  for (; rest > 0x7fn; rest >>= 7n) {
    bytes[end] = Number(rest & 0x7fn) | 0x80;
    end += 1;
  }
  bytes[end] = Number(rest);
  return end + 1;
}

/** A number of eight bytes, in two words of 32 bits: in one piece it would be an argument that is allocated. */
export function putFixed64(bytes: Uint8Array, at: number, low: number, high: number): number {
  return putWord(bytes, putWord(bytes, at, low), high);
}

function putWord(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

const DOUBLE = new DataView(new ArrayBuffer(8));

export function putDouble(bytes: Uint8Array, at: number, value: number): number {
  DOUBLE.setFloat64(0, value, true);
  for (let index = 0; index < 8; index += 1) bytes[at + index] = DOUBLE.getUint8(index);
  return at + 8;
}

/** A field that is a number: its key, and the number. */
export function putVarintField(bytes: Uint8Array, at: number, key: number, value: number): number {
  return putVarint(bytes, putVarint(bytes, at, key), value);
}

/** A field that is a text: its key, its length, and the text. */
export function putTextField(bytes: Uint8Array, at: number, key: number, text: string): number {
  const lengthAt = putVarint(bytes, at, key);
  return endMessage(bytes, lengthAt, putUtf8(bytes, lengthAt + 1, text));
}

/**
 * A message was written from the byte behind `lengthAt` to `end`: its length is put there, and where that is longer than
 * one byte the message moves.
 */
export function endMessage(bytes: Uint8Array, lengthAt: number, end: number): number {
  const length = end - lengthAt - 1;
  if (length > 0x7f) return endLongMessage(bytes, lengthAt, length);
  bytes[lengthAt] = length;
  return end;
}

function endLongMessage(bytes: Uint8Array, lengthAt: number, length: number): number {
  const lengthBytes = Math.ceil((32 - Math.clz32(length)) / 7);
  bytes.copyWithin(lengthAt + lengthBytes, lengthAt + 1, lengthAt + 1 + length);
  return putVarint(bytes, lengthAt, length) + length;
}
