/**
 * A descriptor, 16 bytes, little-endian:
 *
 * | bytes | field    | meaning                                                        |
 * |-------|----------|----------------------------------------------------------------|
 * | 0-7   | address  | bus address of the buffer                                      |
 * | 8-9   | length   | bytes of the buffer; on receive the NIC writes back those used |
 * | 10-11 | flags    | see below                                                      |
 * | 12-15 | sequence | strictly increasing modulo N (CDNA, HPCA 2007)                 |
 */
export const DESCRIPTOR_BYTES = 16;

/** Last descriptor of a frame. On receive set by the NIC. */
export const FLAG_END_OF_PACKET = 1 << 0;
/** Ask for an interrupt at once when this one completes, whatever the coalescing says. */
export const FLAG_INTERRUPT = 1 << 1;
/** Set by the NIC on a receive descriptor that it has filled. */
export const FLAG_DONE = 1 << 2;

/**
 * Where a descriptor stands, in the order in which it gets there. Each one ends in exactly one of the last
 * three. `buffered` is for transmit only: the frame is in the FIFO and waits for the wire.
 */
export const DESCRIPTOR_STATES = [
  'posted',
  'fetched',
  'granted',
  'transferring',
  'buffered',
  'completed',
  'faulted',
  'discarded',
] as const;
export type DescriptorState = (typeof DESCRIPTOR_STATES)[number];

/** Longest buffer that a descriptor may name, bytes. */
export const MAX_BUFFER_BYTES = 16_384;
/** Smallest and largest frame that the MAC takes, bytes without FCS; shorter ones than 60 are padded. */
export const MIN_FRAME_BYTES = 14;
export const PADDED_FRAME_BYTES = 60;
export const MAX_FRAME_BYTES = 9018;
/** What a frame costs on the wire besides its bytes: preamble and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). */
export const WIRE_OVERHEAD_BYTES = 24;

/** Writes one descriptor; `address` below 2^53. */
export function encodeDescriptor(
  target: Uint8Array,
  offset: number,
  address: number,
  length: number,
  flags: number,
  sequence: number,
): void {
  writeU32(target, offset, address % 0x100000000);
  writeU32(target, offset + 4, Math.floor(address / 0x100000000));
  target[offset + 8] = length;
  target[offset + 9] = length >>> 8;
  target[offset + 10] = flags;
  target[offset + 11] = flags >>> 8;
  writeU32(target, offset + 12, sequence);
}

/** Reads a little-endian 32-bit word. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] ?? 0) |
      ((bytes[offset + 1] ?? 0) << 8) |
      ((bytes[offset + 2] ?? 0) << 16) |
      ((bytes[offset + 3] ?? 0) << 24)) >>>
    0
  );
}

/** Writes a little-endian 32-bit word. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

/** Reads a little-endian 16-bit word. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
}

/** Reads the address field. A value at or above 2^53 comes back inexact, and is beyond every bus we model. */
export function descriptorAddress(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 4) * 0x100000000 + readU32(bytes, offset);
}
