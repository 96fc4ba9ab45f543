import { mix32 } from './mix32.js';

/**
 * The frames that generated traffic is made of. Multi-byte fields are big-endian, as on any wire.
 *
 * | bytes | field       | meaning                                                                       |
 * |-------|-------------|-------------------------------------------------------------------------------|
 * | 0-5   | destination | MAC address                                                                   |
 * | 6-11  | source      | MAC address                                                                   |
 * | 12-13 | ethertype   | 0x88B5, IEEE Std 802 local experimental 1                                     |
 * | 14-15 | length      | bytes of the frame before the NIC padded it                                   |
 * | 16-17 | kind        | 0 stream, 1 request, 2 response                                               |
 * | 18-21 | source id   | which source made it                                                          |
 * | 22-29 | sequence    | counts the frames of the source; a response repeats that of its request       |
 * | 30-   | payload     | a pattern that follows from source id and sequence, so that a sink knows each byte |
 *
 * A frame shorter than 30 bytes has the first of these fields, as far as they go.
 *
 * The payload is the pattern of (source id, sequence mod 17). The number of patterns is prime, so that a stale
 * frame left in a ring, whose size is a power of two, has another pattern than the one that belongs there.
 */
export const ETHERTYPE_EXPERIMENTAL = 0x88b5;
export const ETHERTYPE_OFFSET = 12;
export const LENGTH_OFFSET = 14;
export const KIND_OFFSET = 16;
export const SOURCE_ID_OFFSET = 18;
export const SEQUENCE_OFFSET = 22;
export const PAYLOAD_OFFSET = 30;

/** The kind of a frame. */
export const FRAME_KINDS = { stream: 0, request: 1, response: 2 } as const;
export type FrameKind = (typeof FRAME_KINDS)[keyof typeof FRAME_KINDS];

export const PATTERNS = 17;
export const MAX_SOURCE_ID = 2 ** 32 - 1;

/** Which pattern a sequence number has. */
export function patternOf(sequence: number): number {
  return sequence % PATTERNS;
}

/** Writes `length` bytes of payload of one pattern from `offset` on; 32-bit words, lowest byte first. */
export function writePayload(
  target: Uint8Array,
  offset: number,
  length: number,
  sourceId: number,
  pattern: number,
): void {
  const key = patternKey(sourceId, pattern);
  for (let index = 0; index < length; index += 4) {
    const word = payloadWord(key, index >>> 2);
    for (let byte = 0; byte < 4 && index + byte < length; byte += 1) {
      target[offset + index + byte] = word >>> (8 * byte);
    }
  }
}

/** First byte of the payload at `offset` that is not as the pattern has it, or -1. */
export function firstPayloadDifference(
  bytes: Uint8Array,
  offset: number,
  length: number,
  sourceId: number,
  pattern: number,
): number {
  const key = patternKey(sourceId, pattern);
  for (let index = 0; index < length; index += 1) {
    const expected = (payloadWord(key, index >>> 2) >>> (8 * (index & 3))) & 0xff;
    if (bytes[offset + index] !== expected) return index;
  }
  return -1;
}

/** A byte of a frame. What a capture has cut off reads as 0, which is no protocol's number. */
export function byteAt(bytes: Uint8Array, offset: number): number {
  // 0: a captured frame may end before its headers do.
  return bytes[offset] ?? 0;
}

/** Two bytes in network order. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (byteAt(bytes, offset) << 8) | byteAt(bytes, offset + 1);
}

export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) * 0x10000 + readU16(bytes, offset + 2);
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset, value >>> 16);
  writeU16(bytes, offset + 2, value);
}

/** The sequence number in a frame's header. Beyond 2^53 it loses its low bits; no source of ours gets there. */
export function readSequence(bytes: Uint8Array, frameOffset: number): number {
  const at = frameOffset + SEQUENCE_OFFSET;
  return readU32(bytes, at) * 2 ** 32 + readU32(bytes, at + 4);
}

function patternKey(sourceId: number, pattern: number): number {
  return mix32(mix32(sourceId) + pattern);
}

function payloadWord(key: number, index: number): number {
  return mix32(key + Math.imul(index, 0x9e3779b9));
}
