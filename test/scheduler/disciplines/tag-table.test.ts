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

type Tagged = Discipline & Pick<QuickFairQueueing, 'tagsOf'>;

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

  it('keep it to a part of a unit, rounded up, on a clock with a fraction of its own', () => {
    const tags = new TagTable({ unitsPerByte: 1 });
    tags.setWeight(contextId(0), 3, 64);
    tags.begin(contextId(0), 16);
    tags.advanceClock(5, 2);
    // (16/3 - 5/2) * 3 is 8.5: 9 bytes, which are 4.5 units at weight 2, from the unit after V on.
    tags.setWeight(contextId(0), 2, 64);
    expect([tags.start(contextId(0)), tags.finish(contextId(0))]).toEqual([3 + 5, 3 + 5]);
  });

  it('keep it as it is where it is a whole number of units at the new weight', () => {
    const tags = new TagTable({ unitsPerByte: 1 });
    tags.setWeight(contextId(0), 1, 64);
    tags.begin(contextId(0), 8);
    tags.setWeight(contextId(0), 2, 64);
    expect([tags.start(contextId(0)), tags.finish(contextId(0))]).toEqual([1 + 4, 1 + 4]);
  });

  it('are told as numbers of units, 0 for a context without a weight', () => {
    const tags = new TagTable({ unitsPerByte: 1 });
    tags.setWeight(contextId(0), 3, 64);
    for (const bytes of [16, 4]) tags.follow(contextId(0), bytes);
    expect(tags.start(contextId(0))).toBeCloseTo(16 / 3, 12);
    expect(tags.finish(contextId(0))).toBeCloseTo(20 / 3, 12);
    expect(tags.finishFraction(contextId(0))).toBeCloseTo(2 / 3, 12);
    expect([tags.startWhole(contextId(0)), tags.startPart(contextId(0))]).toEqual([5, 1]);
    expect(tags.finishWhole(contextId(0))).toBe(6);
    for (const told of [
      tags.start(contextId(9)),
      tags.finish(contextId(9)),
      tags.finishFraction(contextId(9)),
    ])
      expect(told).toBe(0);
  });

  it.each([
    ['0', 0, 1, 32 / 3],
    ['10 1/2', 21, 2, 32 / 3],
    ['10 3/4', 43, 4, 43 / 4],
    ['12', 12, 1, 12],
  ])(
    'advance a clock at %s to the largest that was remembered, and never back',
    (_name, over, under, then) => {
      const tags = new TagTable({ unitsPerByte: 1 });
      // They finish at 10 1/2, 10 2/3, 10 3/5 and 9 1/2.
      const finishes: readonly (readonly [number, number])[] = [
        [2, 21],
        [3, 32],
        [5, 53],
        [2, 19],
      ];
      for (const [context, [own, bytes]] of finishes.entries()) {
        tags.setWeight(contextId(context), own, 64);
        tags.follow(contextId(context), bytes);
        tags.rememberFinish(contextId(context));
      }
      tags.advanceClock(over, under);
      tags.advanceClockToRemembered();
      expect(tags.clock).toBeCloseTo(then, 12);
    },
  );

  it.each([
    ['10 1/2', 21, 2, 3, 10 + 1 / 3],
    ['10 3/4', 43, 4, 3, 10 + 2 / 3],
    ['10 2/3', 32, 3, 7, 10 + 4 / 7],
    ['10 2/3, by the same', 32, 3, 3, 10 + 2 / 3],
  ])(
    'round a clock at %s down to a part of another sum of weights, and it goes on from there',
    (_name, over, under, sum, from) => {
      const tags = new TagTable({ unitsPerByte: 1 });
      tags.advanceClock(over, under);
      tags.advanceClock(0, sum);
      expect(tags.clock).toBeCloseTo(from, 12);
      tags.advanceClock(5, sum);
      expect(tags.clock).toBeCloseTo(from + 5 / sum, 12);
    },
  );

  it.each([
    // Of a context of weight 3 that has finished at 10 2/3; V was marked there, before or after.
    ['10 2/3', 32, 3, 10, 2],
    ['10 3/5', 53, 5, 10, 2],
    ['10 3/4', 43, 4, 10, 2],
    ['11', 11, 1, 11, 0],
    ['10 3/4 of another unit', 39, 4, 10, 2],
  ])(
    'begin at V as it was marked, at %s, or behind what was served before',
    (_name, over, under, whole, part) => {
      const tags = new TagTable({ unitsPerByte: 1 });
      tags.setWeight(contextId(0), 3, 64);
      tags.follow(contextId(0), 32);
      tags.advanceClock(over, under);
      tags.markClock();
      tags.advanceClock(1000, under);
      tags.beginAtMark(contextId(0), 3);
      expect([tags.startWhole(contextId(0)), tags.startPart(contextId(0))]).toEqual([whole, part]);
    },
  );

  it('keep their fractions when they are lowered, and lie at 0 where the clock has left them far behind', () => {
    const tags = new TagTable({ unitsPerByte: 1, rebaseAboveUnits: 2 ** 20 });
    for (const [context, own] of [7, 7, 3].entries()) tags.setWeight(contextId(context), own, 64);
    tags.follow(contextId(0), 10);
    tags.setClockToWhole(2 ** 20 - 3);
    tags.beginBelow(contextId(1), 10);
    tags.begin(contextId(2), 10);
    tags.advanceClock(4, 1);
    expect([tags.rebasedUnits, tags.clockWhole]).toEqual([2 ** 19, 2 ** 19 + 1]);
    const of = (context: number) => [
      tags.startWhole(contextId(context)),
      tags.startPart(contextId(context)),
      tags.finishWhole(contextId(context)),
      Math.round(tags.finishFraction(contextId(context)) * 21),
    ];
    expect([of(0), of(1), of(2)]).toEqual([
      [0, 0, 0, 0],
      [2 ** 19 - 3, 0, 2 ** 19 - 2, 9],
      [2 ** 19 - 3, 0, 2 ** 19, 7],
    ]);
    tags.follow(contextId(1), 1);
    expect(of(1)).toEqual([2 ** 19 - 2, 3, 2 ** 19 - 2, 12]);
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

describe('the tags of a head, in units, and the clock are told by', () => {
  const cases: [string, Tagged, number, number, number][] = [
    // V is the start tag of the frame in service, or its finish tag, or has advanced by its bytes over all weights.
    ['sfq', new StartTimeFairQueueing(), 256, 0, 0],
    ['scfq', new SelfClockedFairQueueing(), 256, 0, 12_800],
    ['wf2q+', new WorstCaseFairWeightedFairQueueing(), 256, 0, 6_400],
    ['qfq', new QuickFairQueueing(), 65_536, 0, 1_638_400],
  ];
  it.each(cases)('%s', (_name, discipline, unitsPerByte, before, after) => {
    for (const context of [0, 1]) discipline.join(contextId(context), { weight: 2 });
    discipline.activate(contextId(0), 100, 0);
    const finish = (100 * unitsPerByte) / 2;
    expect(discipline.tagsOf(contextId(0))).toEqual({ start: 0, finish, clock: before });
    discipline.select(0);
    discipline.served(contextId(0), 100, 60, 0);
    expect(discipline.tagsOf(contextId(0))).toEqual({
      start: finish,
      finish: (160 * unitsPerByte) / 2,
      clock: after,
    });
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
