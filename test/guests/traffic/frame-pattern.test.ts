import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAME_KINDS, FramePattern, FrameVerifier, TrafficError } from '../../../guests/traffic/index.js';
import { LOCAL, REMOTE } from './recorder.js';

const size = fc.integer({ min: 14, max: 9018 });
const wholeSize = fc.integer({ min: 30, max: 9018 });
const sequence = fc.oneof(fc.nat(100), fc.maxSafeNat());
const sourceId = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const newPattern = (id: number, maxBytes = 9018) =>
  new FramePattern({ name: 'p', sourceId: id, source: LOCAL, destination: REMOTE }, maxBytes);

/** What the MAC does to short frames: zeros up to 60 bytes. */
function padded(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(60, frame.length));
  bytes.set(frame);
  return bytes;
}

describe('the layout', () => {
  test('is that of the table: addresses, ethertype, length, kind, source id, sequence, big-endian', () => {
    const frame = newPattern(0x01020304).fill(64, 0x1_0000_0203, FRAME_KINDS.response);
    expect(Array.from(frame.subarray(0, 30))).toEqual(
      [
        [2, 0, 0, 0, 0, 2],
        [2, 0, 0, 0, 0, 1],
        [0x88, 0xb5],
        [0, 64],
        [0, 2],
        [1, 2, 3, 4],
        [0, 0, 0, 1, 0, 0, 2, 3],
      ].flat(),
    );
  });

  test('the payload is a 32-bit hash of key and word number, as the format says', () => {
    // MurmurHash3's finaliser, restated.
    const mix = (value: number) => {
      let h = value >>> 0;
      h ^= h >>> 16;
      h = Math.imul(h, 0x85ebca6b) >>> 0;
      h ^= h >>> 13;
      h = Math.imul(h, 0xc2b2ae35) >>> 0;
      h ^= h >>> 16;
      return h >>> 0;
    };
    fc.assert(
      fc.property(sourceId, sequence, fc.integer({ min: 34, max: 400 }), (id, seq, bytes) => {
        const frame = newPattern(id).fill(bytes, seq);
        const key = mix(mix(id) + (seq % 17));
        const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
        for (let word = 0; 30 + word * 4 + 4 <= bytes; word += 1) {
          expect(view.getUint32(30 + word * 4, true)).toBe(mix(key + Math.imul(word, 0x9e3779b9)));
        }
      }),
      { numRuns: 50 },
    );
  });

  test('a frame is found and not made: same size and pattern, same view', () => {
    const pattern = newPattern(7);
    expect(pattern.fill(1514, 3)).toBe(pattern.fill(1514, 3 + 17));
    expect(pattern.fill(60, 3).buffer).toBe(pattern.fill(1514, 3).buffer);
  });
});

describe('verifying', () => {
  test('every frame of every source is good, padded by the MAC or not, wherever it lies in memory', () => {
    const verifier = new FrameVerifier();
    fc.assert(
      fc.property(sourceId, sequence, size, fc.boolean(), fc.nat(9), (id, seq, bytes, isPadded, shift) => {
        const frame = newPattern(id).fill(bytes, seq);
        const received = isPadded ? padded(frame) : frame;
        const memory = new Uint8Array(received.length + 20).fill(0xee);
        memory.set(received, shift);
        expect(verifier.verify(memory, shift, received.length)).toBe('good');
        const isWhole = bytes >= 30;
        expect(verifier.sourceId).toBe(isWhole ? id : -1);
        expect(verifier.sequence).toBe(isWhole ? seq : -1);
        expect(verifier.damagedAt).toBe(-1);
        if (bytes >= 16) expect(verifier.frameBytes).toBe(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test('one wrong byte behind the ethertype is found, at its place', () => {
    const verifier = new FrameVerifier();
    const mask = fc.integer({ min: 1, max: 255 });
    fc.assert(
      fc.property(sourceId, sequence, wholeSize, fc.nat(), mask, (id, seq, bytes, where, flip) => {
        const received = padded(newPattern(id).fill(bytes, seq));
        const at = 30 + (where % (received.length - 30));
        received[at] = (received[at] ?? 0) ^ flip;
        expect(verifier.verify(received, 0, received.length)).toBe('damaged');
        expect(verifier.damagedAt).toBe(at);
      }),
      { numRuns: 500 },
    );
  });

  test('a wrong source id or sequence number shows, since the payload follows from both', () => {
    const verifier = new FrameVerifier();
    fc.assert(
      fc.property(
        sourceId,
        sequence,
        fc.integer({ min: 46, max: 2000 }),
        fc.nat(11),
        (id, seq, bytes, at) => {
          const received = padded(newPattern(id).fill(bytes, seq));
          received[18 + at] = (received[18 + at] ?? 0) ^ 1;
          // A change of the sequence by a multiple of 17 would go unseen; a single bit never is one.
          expect(verifier.verify(received, 0, received.length)).toBe('damaged');
        },
      ),
    );
  });

  test('a frame with the payload of its neighbour, or of the slot one ring ago, is damaged', () => {
    const verifier = new FrameVerifier();
    const pattern = newPattern(3);
    for (const ring of [1, 2, 64, 256, 4096]) {
      const stale = pattern.fill(1514, 5).slice();
      const frame = pattern.fill(1514, 5 + ring).slice();
      frame.set(stale.subarray(30), 30);
      expect(verifier.verify(frame, 0, frame.length)).toBe('damaged');
      expect(verifier.damagedAt).toBe(30);
    }
  });

  test('a frame that lost or gained bytes is damaged', () => {
    const verifier = new FrameVerifier();
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 9018 }),
        fc.integer({ min: 16, max: 9018 }),
        (bytes, received) => {
          const expected = received === bytes || (received === 60 && bytes < 60) ? 'good' : 'damaged';
          const memory = new Uint8Array(9018);
          memory.set(newPattern(1).fill(bytes, 9));
          expect(verifier.verify(memory, 0, received)).toBe(expected);
        },
      ),
    );
  });

  test('what no source of ours made is foreign', () => {
    const verifier = new FrameVerifier();
    const frame = newPattern(1).fill(100, 1);
    frame[12] = 0x08;
    expect(verifier.verify(frame, 0, 100)).toBe('foreign');
    expect(verifier.verify(frame, 0, 13)).toBe('foreign');
  });

  test('frames of more sources than it keeps patterns for are still checked', () => {
    const verifier = new FrameVerifier();
    for (let id = 0; id < 5000; id += 1) {
      const frame = newPattern(id, 64).fill(64, id);
      expect(verifier.verify(frame, 0, 64)).toBe('good');
    }
    const last = newPattern(5000, 64).fill(64, 1);
    last[63] = (last[63] ?? 0) ^ 1;
    expect(verifier.verify(last, 0, 64)).toBe('damaged');
  });
});

test.for([
  [{ sourceId: -1 }, /^p: sourceId is -1, expected a whole number from 0 to 4294967295$/],
  [{ source: 0x0100_0000_0000 }, /^p: source is 0x10000000000, expected the 48-bit address of one station/],
  [{ destination: 2 ** 48 }, /^p: destination is 281474976710656, expected a 48-bit number$/],
] as const)('an impossible identity is refused: %o', ([wrong, message]) => {
  const identity = { name: 'p', sourceId: 1, source: LOCAL, destination: REMOTE, ...wrong };
  expect(() => new FramePattern(identity, 64)).toThrow(TrafficError);
  expect(() => new FramePattern(identity, 64)).toThrow(message);
});

test('sizes that are not those of an Ethernet frame are refused', () => {
  for (const bytes of [13, 9019, 60.5, Number.NaN]) {
    expect(() => newPattern(1, bytes)).toThrow(/maxBytes is .*, expected a whole number from 14 to 9018/);
  }
  expect(() => newPattern(1, 64).fill(65, 0)).toThrow(/frame of 65 bytes, expected at most 64/);
  // Also as the first one, before there is a length to compare with.
  for (const bytes of [-1, 0, 13, Number.NaN]) {
    expect(() => newPattern(1, 64).fill(bytes, 0)).toThrow(/expected/);
    const pattern = newPattern(1, 64);
    pattern.fill(60, 0);
    expect(() => pattern.fill(bytes, 1)).toThrow(/expected/);
  }
});
