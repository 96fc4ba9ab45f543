import { present } from '../scheduler/present.js';

/** A descriptor: 16 bytes, little-endian. */
export const DESCRIPTOR_BYTES = 16;

/** Its layout. */
export const DESCRIPTOR_FIELDS = [
  { name: 'address', offset: 0, bytes: 8, meaning: 'Bus address of the buffer' },
  {
    name: 'length',
    offset: 8,
    bytes: 2,
    meaning: 'Bytes of the buffer, 1 to 16,384; on receive the NIC writes back how many it used',
  },
  { name: 'flags', offset: 10, bytes: 2, meaning: 'See below' },
  {
    name: 'sequence',
    offset: 12,
    bytes: 4,
    meaning: 'One more than that of the descriptor before, modulo N',
  },
] as const;

/** Last descriptor of a frame. */
export const FLAG_END_OF_PACKET = 1 << 0;
/** Ask for an interrupt at once when this one completes, whatever the coalescing says. */
export const FLAG_INTERRUPT = 1 << 1;
/** Set by the NIC on a receive descriptor that it has filled. */
export const FLAG_DONE = 1 << 2;

/** The flags as the datasheet lists them. */
export const DESCRIPTOR_FLAGS = [
  {
    name: 'END_OF_PACKET',
    mask: FLAG_END_OF_PACKET,
    meaning: 'Last descriptor of a frame; on receive set by the NIC',
  },
  {
    name: 'INTERRUPT',
    mask: FLAG_INTERRUPT,
    meaning: 'Interrupt at once when this one completes, whatever the coalescing says',
  },
  { name: 'DONE', mask: FLAG_DONE, meaning: 'Set by the NIC on a receive descriptor that it has filled' },
] as const;

/** The state of a descriptor, in the order in which it passes through them. Each one ends in exactly one of the last three. */
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
/** Overhead of a frame on the wire, bytes: preamble and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). */
export const WIRE_OVERHEAD_BYTES = 24;

/** Writes one descriptor. The address comes in its words: the whole of it would be allocated as an argument. */
export function encodeDescriptor(
  target: Uint8Array,
  offset: number,
  addressLow: number,
  addressHigh: number,
  length: number,
  flags: number,
  sequence: number,
): void {
  writeU32(target, offset, addressLow);
  writeU32(target, offset + 4, addressHigh);
  target[offset + 8] = length;
  target[offset + 9] = length >>> 8;
  target[offset + 10] = flags;
  target[offset + 11] = flags >>> 8;
  writeU32(target, offset + 12, sequence);
}

/** Memory as a driver's CPU writes it, a word at a time. */
export interface WordMemory {
  writeU32(address: number, value: number): void;
}

/** As `encodeDescriptor`, into memory that has words: four stores. */
export function storeDescriptor(
  memory: WordMemory,
  at: number,
  addressLow: number,
  addressHigh: number,
  length: number,
  flags: number,
  sequence: number,
): void {
  memory.writeU32(at, addressLow);
  memory.writeU32(at + 4, addressHigh);
  memory.writeU32(at + LENGTH_AND_FLAGS_OFFSET, ((length & 0xffff) | (flags << 16)) >>> 0);
  memory.writeU32(at + 12, sequence);
}

/** Where the word with length and flags lies, and what is in it. */
export const LENGTH_AND_FLAGS_OFFSET = 8;

export function lengthOf(lengthAndFlags: number): number {
  return lengthAndFlags & 0xffff;
}

export function flagsOf(lengthAndFlags: number): number {
  return lengthAndFlags >>> 16;
}

/** Reads a little-endian 32-bit word. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (present(bytes[offset]) |
      (present(bytes[offset + 1]) << 8) |
      (present(bytes[offset + 2]) << 16) |
      (present(bytes[offset + 3]) << 24)) >>>
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
  return present(bytes[offset]) | (present(bytes[offset + 1]) << 8);
}
