import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { runs } from '../../support/whole.js';

/** Frames that add up to `bytes`, none larger than `largest`, the largest first. */
function fill(bytes: number, largest: number): number[] {
  const frames: number[] = [];
  for (let left = bytes; left > 0; left -= Math.min(left, largest)) frames.push(Math.min(left, largest));
  return frames;
}

interface WorstCase {
  /** Bytes of the tagged context and of each other one, from the doorbell of the tagged one to its last visit. */
  readonly taggedBytes: number;
  readonly othersBytes: number[];
}

const TAGGED = 0;

/**
 * The schedule in which deficit round robin is as late, and as uneven, as it can be. Every other context starts
 * its visit with the largest deficit that it can have saved, L_j - 1, and ends its last one with nothing; the
 * tagged context rings just after its turn, and its visits leave it with L_i - 1 unspent.
 *
 * @param visits visits of every other context before the tagged context's last one, at least 2.
 */
function playWorstCase(
  quantum: number,
  weights: readonly number[],
  largest: readonly number[],
  visits: number,
): WorstCase {
  const drr = new DeficitRoundRobin({ quantumBytes: quantum });
  const queues = weights.map((weight, context) => {
    const [own, frame] = [weight * quantum, largest[context] ?? 0];
    // A visit that saves as much as possible: the next frame is a largest one, and the savings are one byte short of it.
    const saving = fill(own - (frame - 1), frame);
    if (context === TAGGED) {
      const steady = Array.from({ length: visits - 2 }, () => fill(own, frame)).flat();
      return [...saving, ...steady, frame];
    }
    const spending = fill(own + frame - 1, frame);
    const rest = Array.from({ length: visits - 1 }, () => fill(own, frame)).flat();
    return [...saving, ...spending, ...rest, frame];
  });
  for (const [context, weight] of weights.entries()) drr.join(contextId(context), { weight });
  const headOf = (context: number) => queues[context]?.[0] ?? 0;
  const serve = (context: number) => {
    const bytes = queues[context]?.shift() ?? 0;
    drr.served(contextId(context), bytes, headOf(context));
    return bytes;
  };

  const others = weights.map((_, context) => context).filter((context) => context !== TAGGED);
  // Each other context saves alone, before the next one joins, so that all precede the open visit of the first.
  for (const context of others) drr.activate(contextId(context), headOf(context));
  const savings = weights.map((weight, context) => weight * quantum - ((largest[context] ?? 0) - 1));
  for (const context of others) {
    let sent = 0;
    while (sent < (savings[context] ?? 0)) {
      expect(drr.select()).toBe(context);
      sent += serve(context);
    }
  }

  // The round has moved on and the frame that opens the next visit is selected: now the tagged context rings.
  drr.select();
  drr.activate(contextId(TAGGED), headOf(TAGGED));
  const bytes = weights.map(() => 0);
  let opened = 0;
  let previous = -1;
  for (;;) {
    const context = drr.select();
    if (context === TAGGED && previous !== TAGGED) opened += 1;
    if (opened === visits) break;
    bytes[context] = (bytes[context] ?? 0) + serve(context);
    previous = context;
  }
  return { taggedBytes: bytes[TAGGED] ?? 0, othersBytes: others.map((context) => bytes[context] ?? 0) };
}

const setting = fc
  .record({
    quantum: fc.integer({ min: 200, max: 9018 }),
    weights: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 6 }),
    visits: fc.integer({ min: 2, max: 5 }),
  })
  .chain((base) =>
    fc.record({
      ...Object.fromEntries(Object.entries(base).map(([key, value]) => [key, fc.constant(value)])),
      // A frame of one byte cannot leave a deficit, and one beyond the quantum is not served every visit.
      largest: fc.array(fc.integer({ min: Math.max(60, base.quantum >> 3), max: base.quantum }), {
        minLength: base.weights.length,
        maxLength: base.weights.length,
      }),
    } as {
      quantum: fc.Arbitrary<number>;
      weights: fc.Arbitrary<number[]>;
      visits: fc.Arbitrary<number>;
      largest: fc.Arbitrary<number[]>;
    }),
  );

describe('deficit round robin at its worst', () => {
  it('reaches the fairness bound exactly', () => {
    fc.assert(
      fc.property(setting, ({ quantum, weights, largest, visits }) => {
        const { taggedBytes, othersBytes } = playWorstCase(quantum, weights, largest, visits);
        const drr = new DeficitRoundRobin({ quantumBytes: quantum });
        const [taggedWeight = 1, ...otherWeights] = weights;
        const [taggedLargest = 0, ...otherLargest] = largest;
        for (const [index, bytes] of othersBytes.entries()) {
          const weight = otherWeights[index] ?? 1;
          const bound = drr.relativeFairnessBoundBytes(
            { weight: taggedWeight, maxFrameBytes: taggedLargest },
            { weight, maxFrameBytes: otherLargest[index] ?? 0 },
          );
          expect(bytes / weight - taggedBytes / taggedWeight).toBeCloseTo(bound, 6);
        }
      }),
      { numRuns: runs(100) },
    );
  });

  it('reaches the latency to the first bit exactly', () => {
    fc.assert(
      fc.property(setting, ({ quantum, weights, largest, visits }) => {
        const { taggedBytes, othersBytes } = playWorstCase(quantum, weights, largest, visits);
        const quanta = weights.map((weight) => weight * quantum);
        const frame = quanta.reduce((sum, own) => sum + own, 0);
        const [own = 1] = quanta;
        const [taggedLargest = 0, ...otherLargest] = largest;
        const latency =
          (frame - own) * (1 + (taggedLargest - 1) / own) +
          otherLargest.reduce((sum, bytes) => sum + bytes - 1, 0);
        const elapsed = taggedBytes + othersBytes.reduce((sum, bytes) => sum + bytes, 0);
        // Bytes on the link stand for time: the promise at this instant is exactly what it has received.
        expect((own / frame) * (elapsed - latency)).toBeCloseTo(taggedBytes, 4);
      }),
      { numRuns: runs(100) },
    );
  });

  it('reaches the latency to the last bit, L_i / r later', () => {
    // Two contexts of weight 1, quantum 1514 = largest frame: 3F - 2Q = 4 quanta, less what "L - 1" takes off.
    const { taggedBytes, othersBytes } = playWorstCase(1514, [1, 1], [1514, 1514], 2);
    expect(taggedBytes).toBe(1);
    expect(othersBytes).toEqual([1514 + 1514 + 1513]);
  });
});
