import fc from 'fast-check';
import type { Share } from '../discipline.js';

/** Smallest and largest frame that the laws use, bytes: padded Ethernet, and a jumbo frame of 9,000 + 18. */
export const MIN_FRAME_BYTES = 60;
export const MAX_FRAME_BYTES = 9018;

/** Largest context number that the laws use: a device of the largest kind has 16,384 queues. */
export const MAX_CONTEXT_NUMBER = 16_383;

/** Largest weight that the laws use. */
export const MAX_WEIGHT = 65_535;

/** Length of a frame, bytes: the sizes most frequent on real links, and everything between. */
export function frameBytes(): fc.Arbitrary<number> {
  return fc.oneof(
    { arbitrary: fc.constantFrom(MIN_FRAME_BYTES, 64, 576, 1513, 1514, MAX_FRAME_BYTES), weight: 2 },
    { arbitrary: fc.integer({ min: MIN_FRAME_BYTES, max: MAX_FRAME_BYTES }), weight: 1 },
  );
}

/** Frames of one size that arrive together. */
export interface Burst {
  readonly bytes: number;
  readonly count: number;
}

/** Frames of one context that arrive together: sometimes one, sometimes enough to stay backlogged for a while. */
export function burst(): fc.Arbitrary<readonly Burst[]> {
  const single = frameBytes().map((bytes) => ({ bytes, count: 1 }));
  return fc.oneof(
    fc.array(single, { minLength: 1, maxLength: 4 }),
    fc.record({ bytes: frameBytes(), count: fc.integer({ min: 5, max: 60 }) }).map((frames) => [frames]),
    fc.array(single, { minLength: 10, maxLength: 40, size: 'max' }),
  );
}

/** Either side of what 8, 10, 12, 14, 15 and 16 bits hold. */
const EDGES_OF_WIDTHS = [1, 255, 256, 257, 1023, 1025, 4095, 4096, 4097, 16_385, 32_769, MAX_WEIGHT];

/**
 * Weights of one run, each kind one that exposes a rounding error: equal, small, coprime,
 * nearly equal, 1 against 1000, either side of what a number of bits holds, and anything up to 65,535.
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
    largeWeights(contexts),
  );
}

/** Weights at the edges of 8 to 16 bits, or anywhere up to 65,535. */
export function largeWeights(contexts: number): fc.Arbitrary<number[]> {
  const weight = fc.oneof(
    { arbitrary: fc.constantFrom(...EDGES_OF_WIDTHS), weight: 3 },
    { arbitrary: fc.integer({ min: 1, max: MAX_WEIGHT }), weight: 1 },
  );
  return fc.array(weight, { minLength: contexts, maxLength: contexts });
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

/** Sizes of maps, tables and numbers that implementations have. */
const EDGES_OF_MAPS = [8, 16, 32, 64, 128, 256, 1024, 4096, 8192, 16_384];

/**
 * Different context numbers: dense from 0, on both sides of the size of a map, equal modulo the size of a map, and
 * anywhere up to 16,383.
 */
export function contextNumbers(contexts: number): fc.Arbitrary<number[]> {
  const from = (first: number, step = 1) =>
    Array.from({ length: contexts }, (_, index) => first + index * step);
  const within = (first: number, step = 1) => first + (contexts - 1) * step <= MAX_CONTEXT_NUMBER;
  const edges = EDGES_OF_MAPS.map((edge) => edge - Math.ceil(contexts / 2)).filter((first) => first >= 0);
  const steps = EDGES_OF_MAPS.filter((step) => within(32, step));
  return fc.oneof(
    { arbitrary: fc.constant(from(0)), weight: 3 },
    {
      arbitrary: fc.constantFrom(...edges).map((first) => {
        return from(within(first) ? first : MAX_CONTEXT_NUMBER + 1 - contexts);
      }),
      weight: 2,
    },
    {
      arbitrary: fc.tuple(fc.nat({ max: 32 }), fc.constantFrom(...steps)).map((two) => from(...two)),
      weight: 2,
    },
    {
      arbitrary: fc.uniqueArray(
        fc.oneof(fc.nat({ max: 80 }), fc.nat({ max: 1_100 }), fc.nat({ max: MAX_CONTEXT_NUMBER })),
        { minLength: contexts, maxLength: contexts },
      ),
      weight: 2,
    },
  );
}

/** Instants just before a number of 31, 32 or 53 bits overflows, ns; 2^52 ns in picoseconds is a multiple of 2^53. */
const EDGES_OF_TIME_NS = [2 ** 31, 2 ** 32, 2 ** 52];

/** Instant at which a script begins, virtual ns: 0, or shortly before one at which a number of the usual widths overflows. */
export function startNs(): fc.Arbitrary<number> {
  const before = fc.oneof(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 1, max: 1_000_000 }));
  return fc.oneof(
    { arbitrary: fc.constant(0), weight: 1 },
    {
      arbitrary: fc.tuple(fc.constantFrom(...EDGES_OF_TIME_NS), before).map(([edge, ns]) => edge - ns),
      weight: 3,
    },
  );
}
