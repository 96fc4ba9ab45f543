import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureError, parseCapture } from '../../../guests/capture/index.js';
import { runs } from '../../support/whole.js';

// The head of each shipped capture is enough to hit every field, and keeps a run short.
const originals = ['web.pcapng', 'bulk.pcap', 'voice.pcap'].map((name) => ({
  name,
  bytes: new Uint8Array(readFileSync(`captures/${name}`).subarray(0, 6000)),
}));

type Damage =
  | { kind: 'flip'; at: number; mask: number }
  | { kind: 'word'; at: number; value: number }
  | { kind: 'truncate'; at: number }
  | { kind: 'splice'; at: number; from: number; length: number };

// Most of the fields that can lie are near the start and at 4-byte steps, so aim there as well as anywhere.
const place = fc.oneof(
  fc.nat(200),
  fc.nat(1500).map((word) => word * 4),
  fc.nat(6000),
);
const lyingWord = fc.constantFrom(
  0,
  1,
  4,
  12,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fff0,
  0xffff_fffc,
  0xffff_ffff,
);

const damageArbitrary: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('word' as const), at: place, value: lyingWord }),
  fc.record({ kind: fc.constant('truncate' as const), at: place }),
  fc.record({ kind: fc.constant('splice' as const), at: place, from: place, length: fc.nat(300) }),
);

function damage(bytes: Uint8Array, what: Damage): Uint8Array {
  const at = what.at % (bytes.length + 1);
  if (what.kind === 'truncate') return bytes.slice(0, at);
  if (what.kind === 'splice') {
    const piece = bytes.subarray(what.from, what.from + what.length);
    return new Uint8Array(Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]));
  }
  const copy = bytes.slice();
  if (what.kind === 'flip' && at < copy.length) copy[at] = (copy[at] ?? 0) ^ what.mask;
  if (what.kind === 'word' && at + 4 <= copy.length)
    new DataView(copy.buffer).setUint32(at, what.value, true);
  return copy;
}

/** Damaged files of each original. */
const DAMAGED = runs(700);

describe.for(originals)('$name, damaged', ({ name, bytes }) => {
  test('is read or refused with a CaptureError that points into the file, whatever the damage', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.array(damageArbitrary, { minLength: 1, maxLength: 4 }), (damages) => {
        const file = damages.reduce(damage, bytes);
        try {
          const { frames, reading } = parseCapture(name, file);
          // A damaged link type may be that of another link: then headers are made up, and bytes are copies.
          if (reading.synthesised > 0) return;
          // Nothing is made up: each frame is a stretch of the file, and no two of them share a byte.
          let end = 0;
          for (const frame of frames) {
            expect(frame.bytes.buffer).toBe(file.buffer);
            expect(frame.bytes.byteOffset).toBeGreaterThanOrEqual(end);
            expect(frame.originalLength).toBeGreaterThanOrEqual(frame.bytes.length);
            end = frame.bytes.byteOffset + frame.bytes.length;
          }
          expect(end).toBeLessThanOrEqual(file.length);
        } catch (error) {
          if (!(error instanceof CaptureError)) throw error;
          refused += 1;
          expect(error.fault.file).toBe(name);
          expect(error.fault.offset).toBeLessThanOrEqual(file.length);
          expect(error.message).toContain(`byte ${error.fault.offset}`);
        }
      }),
      { numRuns: DAMAGED },
    );
    // The property would hold for a reader that never refuses; this one does, often.
    expect(refused).toBeGreaterThan(DAMAGED / 7);
  });

  test('memory does not follow a length that the file cannot back', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let at = 0; at + 4 <= 400; at += 1) {
      for (const value of [0x7fff_fffc, 0xffff_fffc, 0xffff_ffff]) {
        try {
          parseCapture(name, damage(bytes, { kind: 'word', at, value }));
        } catch (error) {
          if (!(error instanceof CaptureError)) throw error;
        }
      }
    }
    // 1,200 files of 6 kB each went by; a single passedThrough length would show as gigabytes.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
  });
});
