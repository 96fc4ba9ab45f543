import fc from 'fast-check';
import type { Share } from '../discipline.js';

/** Smallest and largest frame that the laws use, bytes: padded Ethernet, and a jumbo frame of 9,000 + 18. */
export const MIN_FRAME_BYTES = 60;
export const MAX_FRAME_BYTES = 9018;

/** Length of a frame, bytes: the sizes most frequent on real links, and everything between. */
export function frameBytes(): fc.Arbitrary<number> {
  return fc.oneof(
    { arbitrary: fc.constantFrom(MIN_FRAME_BYTES, 64, 576, 1513, 1514, MAX_FRAME_BYTES), weight: 2 },
    { arbitrary: fc.integer({ min: MIN_FRAME_BYTES, max: MAX_FRAME_BYTES }), weight: 1 },
  );
}

/** A sequence of frames of one context: sometimes one, sometimes enough to stay backlogged for a while. */
export function burst(): fc.Arbitrary<number[]> {
  return fc.oneof(
    fc.array(frameBytes(), { minLength: 1, maxLength: 4 }),
    fc
      .tuple(frameBytes(), fc.integer({ min: 5, max: 60 }))
      .map(([bytes, count]) => Array<number>(count).fill(bytes)),
    fc.array(frameBytes(), { minLength: 10, maxLength: 40, size: 'max' }),
  );
}

/**
 * Weights of one run, each kind one that exposes a rounding error: equal, small, coprime,
 * nearly equal, 1 against 1000, and either side of what eight bits hold.
 */
export function weights(contexts: number): fc.Arbitrary<number[]> {
  const each = (weight: fc.Arbitrary<number>) =>
    fc.array(weight, { minLength: contexts, maxLength: contexts });
  return fc.oneof(
    each(fc.constant(1)),
    each(fc.integer({ min: 1, max: 5 })),
    each(fc.constantFrom(2, 3, 5, 7, 11, 13, 17, 19)),
    each(fc.integer({ min: 1000, max: 1003 })),
    each(fc.constantFrom(1, 1000)),
    each(fc.constantFrom(1, 3, 255, 256, 257, 300)),
  );
}

/** Shares with nothing but a weight, which every weighted discipline understands. */
export function weightedShares(contexts: number): fc.Arbitrary<Share[]> {
  return weights(contexts).map((list) => list.map((weight) => ({ weight })));
}

/**
 * Shares with everything that a discipline may read: priorities, deadlines, tenants, limits with small and
 * large buckets, and minimums that together take less than half of a link of `linkBps`.
 */
export function fullShares(contexts: number, linkBps = 1e9): fc.Arbitrary<Share[]> {
  const half = Math.floor(linkBps / 2 / contexts);
  const extras = fc.record(
    {
      priority: fc.nat({ max: 3 }),
      deadlineNs: fc.integer({ min: 1_000, max: 2_000_000 }),
      tenant: fc.nat({ max: 2 }),
      limitBps: fc.integer({ min: Math.ceil(linkBps / 100), max: linkBps }),
      burstBytes: fc.constantFrom(0, 1514, 9018, 20_000),
      minimumBps: fc.integer({ min: 1_000, max: half }),
    },
    { requiredKeys: [] },
  );
  return fc
    .tuple(weights(contexts), fc.array(extras, { minLength: contexts, maxLength: contexts }))
    .map(([list, more]) => list.map((weight, context) => ({ weight, ...more[context] })));
}
