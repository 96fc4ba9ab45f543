import { absent } from '../scheduler/present.js';

/** Bit 40 of a station address as a number: the group bit of its first byte (IEEE 802.3). */
const GROUP_BIT = 0x010000000000;
/** Half of an address: 24 bits, the number of whom the IEEE gave it to and what that one gave it. */
const HALF = 2 ** 24;

/** Reads a station address as a 48-bit number, most significant byte first. */
export function readMac(bytes: Uint8Array, offset: number): number {
  return upperHalfAt(bytes, offset) * HALF + lowerHalfAt(bytes, offset);
}

/** Whether an address names a group (multicast or broadcast). */
export function isGroup(mac: number): boolean {
  return Math.floor(mac / GROUP_BIT) % 2 === 1;
}

/** Whether the address at an offset names a group. */
export function isGroupAt(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] ?? absent()) & 1) === 1;
}

/**
 * The halves of an address, and of one that lies in a frame. They are integers to the engine, where all 48 bits are a
 * number that it allocates for each call that takes or returns it.
 */
export function upperHalf(mac: number): number {
  return Math.floor(mac / HALF);
}

export function lowerHalf(mac: number): number {
  // Not the remainder, which is a fraction to the engine.
  return mac & (HALF - 1);
}

export function upperHalfAt(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] ?? absent()) << 16) |
    ((bytes[offset + 1] ?? absent()) << 8) |
    (bytes[offset + 2] ?? absent())
  );
}

export function lowerHalfAt(bytes: Uint8Array, offset: number): number {
  return upperHalfAt(bytes, offset + 3);
}

/** Whether the addresses at two offsets of a frame are the same. */
export function isSameStation(bytes: Uint8Array, one: number, other: number): boolean {
  return (
    upperHalfAt(bytes, one) === upperHalfAt(bytes, other) &&
    lowerHalfAt(bytes, one) === lowerHalfAt(bytes, other)
  );
}

/** An address of 48 bits out of its halves. */
export function ofHalves(upper: number, lower: number): number {
  return upper * HALF + lower;
}
