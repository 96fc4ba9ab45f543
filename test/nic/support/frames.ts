import { createHash } from 'node:crypto';

export const BROADCAST = 0xffff_ffff_ffff;

/** The station address of context c in these tests: locally administered, so no group. */
export function macOf(context: number): number {
  return 0x0200_0000_0000 + context + 1;
}

/** An address outside of the card. */
export const ELSEWHERE = 0x0200_0000_ff01;

/** A frame of `length` bytes whose payload is recognisable by `mark`. */
export function frame(length: number, to = ELSEWHERE, from = ELSEWHERE, mark = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 14; at < length; at += 1) bytes[at] = (at * 31 + mark * 97 + 11) & 0xff;
  writeMac(bytes, 0, to);
  writeMac(bytes, 6, from);
  if (length >= 14) bytes[12] = 0x88;
  if (length >= 14) bytes[13] = 0xb5;
  return bytes;
}

/** The frame as it is on the wire: zeros up to 60 bytes. */
export function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= 60) return bytes;
  const whole = new Uint8Array(60);
  whole.set(bytes);
  return whole;
}

function writeMac(bytes: Uint8Array, offset: number, mac: number): void {
  for (let index = 0; index < 6; index += 1) {
    if (offset + index < bytes.length) bytes[offset + index] = Math.floor(mac / 256 ** (5 - index)) % 256;
  }
}

/** A frame in a few words: quick to compare, and short when it differs. */
export function gist(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return 'nothing';
  const hash = createHash('sha1').update(bytes).digest('hex').slice(0, 16);
  return `${bytes.length} bytes ${hash}`;
}
