import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EARLIEST, NO_SLOT, TAKEN, TimingWheel } from '../../scheduler/timing-wheel.js';
import { runs } from '../support/whole.js';

const CAPACITY = 24;

function earliestOf(wheel: TimingWheel): number | undefined {
  wheel.noteEarliest();
  return wheel.notedNs[EARLIEST];
}

type Call =
  | { readonly call: 'insert'; readonly slot: number; readonly aheadNs: number }
  | { readonly call: 'remove'; readonly slot: number }
  | { readonly call: 'take'; readonly withinNs: number };

const aheadNs = fc.oneof(
  fc.constantFrom(0, 1, 254, 255, 256, 257),
  fc.nat(1_000),
  fc
    .constantFrom(16, 24, 31, 32, 33, 40, 48)
    .chain((bits) => fc.integer({ min: 2 ** bits - 2, max: 2 ** bits + 300 })),
  fc.maxSafeNat().map((ns) => Math.floor(ns / 4)),
);
const slot = fc.nat(CAPACITY - 1);
const calls: fc.Arbitrary<Call[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ call: fc.constant('insert' as const), slot, aheadNs }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('remove' as const), slot }) },
    { weight: 4, arbitrary: fc.record({ call: fc.constant('take' as const), withinNs: aheadNs }) },
  ),
  { maxLength: 120, size: 'max' },
);

/** The wheel is handed a time in two halves. */
function insertAt(wheel: TimingWheel, slot: number, timeNs: number): void {
  wheel.insert(slot, timeNs | 0, Math.floor(timeNs / 2 ** 32));
}

function takeUntil(wheel: TimingWheel, untilNs: number): number {
  return wheel.take(untilNs | 0, Math.floor(untilNs / 2 ** 32));
}

interface Waiting {
  readonly slot: number;
  readonly timeNs: number;
}

/** The earliest of those that wait; of equal times the first that was inserted. */
function earliest(waiting: readonly Waiting[]): Waiting | undefined {
  return waiting.reduce<Waiting | undefined>(
    (first, other) => (first === undefined || other.timeNs < first.timeNs ? other : first),
    undefined,
  );
}

/** Varghese and Lauck, scheme 7: the wheel is that of the highest digit, of 8 bits, in which a time differs from the cursor. */
function wheelOf(timeNs: number, cursorNs: number): number {
  let wheel = 0;
  for (let digit = 0; digit < 7; digit += 1) {
    const span = 256 ** digit;
    if (Math.floor(timeNs / span) % 256 !== Math.floor(cursorNs / span) % 256) wheel = digit;
  }
  return wheel;
}

describe('a timing wheel', () => {
  it('gives what a list that is searched gives, and says no time later than the earliest', () => {
    fc.assert(
      fc.property(calls, (made) => {
        const wheel = new TimingWheel(CAPACITY);
        let waiting: Waiting[] = [];
        let cursorNs = 0;
        for (const call of made) {
          if (call.call === 'insert') {
            const timeNs = cursorNs + call.aheadNs;
            if (timeNs > Number.MAX_SAFE_INTEGER || waiting.some((other) => other.slot === call.slot))
              continue;
            insertAt(wheel, call.slot, timeNs);
            expect(wheel.timeOf(call.slot)).toBe(timeNs);
            waiting.push({ slot: call.slot, timeNs });
          } else if (call.call === 'remove') {
            if (!waiting.some((other) => other.slot === call.slot)) continue;
            wheel.remove(call.slot);
            waiting = waiting.filter((other) => other.slot !== call.slot);
          } else {
            const untilNs = cursorNs + call.withinNs;
            const first = earliest(waiting);
            const due = first !== undefined && first.timeNs <= untilNs ? first : undefined;
            expect(takeUntil(wheel, untilNs)).toBe(due?.slot ?? NO_SLOT);
            // Time has come to the instant that was asked for, where nothing was due before.
            cursorNs = Math.min(due?.timeNs ?? untilNs, Number.MAX_SAFE_INTEGER);
            if (due === undefined) continue;
            waiting = waiting.filter((other) => other !== due);
            expect(wheel.timeOf(due.slot)).toBe(due.timeNs);
            expect(wheel.notedNs[TAKEN]).toBe(due.timeNs);
          }
          expect(wheel.checkInvariants()).toBe(waiting.length);
          const nextNs = earliest(waiting)?.timeNs;
          expect(wheel.nextTimeNs()).toBe(nextNs);
          expect(earliestOf(wheel)).toBeLessThanOrEqual(nextNs ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('says the start of the first bucket that is in use, or the time itself of one that is alone', () => {
    const time = fc.oneof(
      fc.integer({ min: 256, max: 70_000 }),
      fc.integer({ min: 2 ** 31, max: 2 ** 34 }),
      fc.integer({ min: 2 ** 48, max: 2 ** 50 }),
    );
    fc.assert(
      fc.property(fc.array(time, { minLength: 1, maxLength: 8 }), (times) => {
        const wheel = new TimingWheel(8);
        for (const [at, timeNs] of times.entries()) insertAt(wheel, at, timeNs);
        const first = Math.min(...times);
        const span = 256 ** wheelOf(first, 0);
        const isAlone =
          times.filter((timeNs) => Math.floor(timeNs / span) === Math.floor(first / span)).length === 1;
        expect(earliestOf(wheel)).toBe(isAlone ? first : Math.floor(first / span) * span);
      }),
      { numRuns: runs(300) },
    );
    const empty = new TimingWheel(8);
    expect([earliestOf(empty), empty.nextTimeNs(), takeUntil(empty, 2 ** 53 - 1)]).toEqual([
      Number.POSITIVE_INFINITY,
      undefined,
      NO_SLOT,
    ]);
    // A bucket of the lowest wheel is one instant, however many wait for it.
    for (const at of [0, 1]) insertAt(empty, at, 7);
    expect(earliestOf(empty)).toBe(7);
  });

  it('keeps what waits when it grows, and its order', () => {
    const wheel = new TimingWheel(2);
    insertAt(wheel, 0, 2 ** 40);
    insertAt(wheel, 1, 2 ** 40);
    wheel.grow(4);
    insertAt(wheel, 2, 5);
    insertAt(wheel, 3, 2 ** 40);
    wheel.remove(1);
    insertAt(wheel, 1, 2 ** 40);
    expect([1, 2, 3, 4, 5].map(() => takeUntil(wheel, 2 ** 41))).toEqual([2, 0, 3, 1, NO_SLOT]);
    wheel.checkInvariants();
  });
});
