import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  QuickFairQueueing,
  SelfClockedFairQueueing,
  StartTimeFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { TagTable } from '../../../scheduler/disciplines/tag-table.js';
import { VirtualLink } from '../../../scheduler/laws/index.js';

/** A rational number: the exact value of a tag. */
interface Rational {
  readonly over: bigint;
  readonly under: bigint;
}

const compared = (left: Rational, right: Rational) => {
  const difference = left.over * right.under - right.over * left.under;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};
const plus = (left: Rational, over: number, under: number): Rational => ({
  over: left.over * BigInt(under) + BigInt(over) * left.under,
  under: left.under * BigInt(under),
});

const weight = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 999, max: 1002 }),
  fc.constant(2 ** 24 - 3),
);
const frames = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 60, max: 9018 })), { maxLength: 60 });

describe('tags', () => {
  it('compare as exact fractions, however many frames have been added', () => {
    fc.assert(
      fc.property(fc.tuple(weight, weight, weight), frames, (weights, list) => {
        const tags = new TagTable();
        for (const [context, own] of weights.entries()) tags.setWeight(contextId(context), own, 64);
        const exact: Rational[] = weights.map(() => ({ over: 0n, under: 1n }));
        for (const [context, bytes] of list) {
          tags.follow(contextId(context), bytes);
          exact[context] = plus(exact[context] ?? { over: 0n, under: 1n }, bytes, weights[context] ?? 1);
        }
        for (const [i, left] of exact.entries()) {
          for (const [j, right] of exact.entries())
            expect(Math.sign(tags.compareFinishes(contextId(i), contextId(j)))).toBe(compared(left, right));
        }
      }),
    );
  });

  it('start at the clock when it has passed them, late by less than 1/256 byte of their own service', () => {
    fc.assert(
      fc.property(weight, weight, frames, (own, other, list) => {
        const tags = new TagTable();
        tags.setWeight(contextId(0), own, 64);
        tags.setWeight(contextId(1), other, 64);
        for (const [, bytes] of list) tags.advanceClock(bytes, own + other);
        const clock = tags.clock;
        tags.begin(contextId(0), 60);
        expect(tags.start(contextId(0))).toBeGreaterThanOrEqual(clock * (1 - 1e-15));
        expect(tags.start(contextId(0)) - clock).toBeLessThan(1 / own + 1e-6);
        tags.beginBelow(contextId(1), 60);
        expect(tags.hasStarted(contextId(1))).toBe(true);
        expect(clock - tags.start(contextId(1))).toBeLessThan(1 / other + 1e-6);
      }),
    );
  });

  it('keep service received in advance, in bytes, over leaving and rejoining with another weight', () => {
    const tags = new TagTable();
    tags.setWeight(contextId(0), 1, 64);
    tags.begin(contextId(0), 1000);
    tags.setWeight(contextId(0), 4, 64);
    expect(tags.finish(contextId(0)) / tags.unitsPerByte).toBeGreaterThanOrEqual(250);
    expect(tags.finish(contextId(0)) / tags.unitsPerByte).toBeLessThan(250.01);
  });

  it('are lowered together when the clock has advanced far', () => {
    const tags = new TagTable({ rebaseAboveUnits: 2 ** 20 });
    tags.setWeight(contextId(0), 3, 64);
    tags.setWeight(contextId(1), 7, 64);
    tags.advanceClock(4000, 1);
    tags.begin(contextId(0), 9018);
    const ahead = tags.finish(contextId(0)) - tags.clock;
    tags.advanceClock(200, 1);
    expect(tags.rebasedUnits).toBe(2 ** 19);
    expect(tags.clock).toBeLessThan(2 ** 20);
    expect(tags.finish(contextId(0)) - tags.clock).toBeCloseTo(ahead - 200 * 256, 6);
    expect(tags.hasFinished(contextId(1))).toBe(true);
  });
});

describe('lowering the clock changes no decision of', () => {
  const limit = { rebaseAboveUnits: 2 ** 26 };
  // 31 groups of 32 slots reach 2^35 units, so a lower limit would cut through them.
  const qfqLimit = { rebaseAboveUnits: 2 ** 38 };
  const cases: [string, Discipline, Discipline][] = [
    ['sfq', new StartTimeFairQueueing(limit), new StartTimeFairQueueing()],
    ['scfq', new SelfClockedFairQueueing(limit), new SelfClockedFairQueueing()],
    ['wf2q+', new WorstCaseFairWeightedFairQueueing(limit), new WorstCaseFairWeightedFairQueueing()],
    ['qfq', new QuickFairQueueing(qfqLimit), new QuickFairQueueing()],
  ];
  it.each(cases)('%s', (_name, subject, twin) => {
    const link = new VirtualLink(subject, {
      companions: [{ discipline: twin, law: 'lowering changes nothing' }],
    });
    const sizes = [9018, 1514, 60, 9018];
    for (const context of sizes.keys()) link.join(contextId(context), { weight: 1 + context });
    // The last context becomes idle and returns, so that tags are taken from the clock in between.
    for (let round = 0; round < 6000; round += 1) {
      for (const [context, bytes] of sizes.entries()) {
        if (context < 3 ? !link.isBacklogged(contextId(context)) : round % 7 === 0)
          link.arrive(contextId(context), bytes);
      }
      link.serve();
    }
    expect(link.timeline.grants).toBe(6000);
  });
});
