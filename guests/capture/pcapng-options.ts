import type { CaptureBytes } from './capture-bytes.js';

const OPTION_HEADER_BYTES = 4;
const END_OF_OPTIONS = 0;

/**
 * Walks the options between `offset` and `end` (draft-ietf-opsawg-pcapng, section 3.5): code, length, value
 * padded to 32 bits. Both ends are allowed: an end-of-options mark, or the end of the block.
 */
export function forEachOption(
  source: CaptureBytes,
  offset: number,
  end: number,
  visit: (code: number, valueOffset: number, length: number) => void,
): void {
  let at = offset;
  while (at < end) {
    if (end - at < OPTION_HEADER_BYTES) {
      source.fail(at, 'option', `cut off after ${end - at} bytes by the end of the block`, '4 bytes');
    }
    const code = source.u16(at, 'option code');
    const length = source.u16(at + 2, 'option length');
    if (code === END_OF_OPTIONS) return;
    const room = end - at - OPTION_HEADER_BYTES;
    if (length > room) {
      source.fail(at + 2, `length of option ${code}`, `${length}`, `at most ${room}, which is what is left`);
    }
    visit(code, at + OPTION_HEADER_BYTES, length);
    at += OPTION_HEADER_BYTES + padded(length);
  }
}

/** Bytes that `length` bytes take when padded to 32 bits. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
