import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { fluidDue } from '../../../src/fairness/fluid-due.js';
import type { Workload, WorkloadEvent } from '../../../src/fairness/workload.js';
import { maxMinFair } from '../../../src/machine/max-min-fair.js';

/** 8 b/ns: a byte a nanosecond. */
const LINK_BPS = 8e9;

function workload(
  weights: readonly number[],
  events: readonly WorkloadEvent[],
  durationNs: number,
): Workload {
  return {
    name: 'by hand',
    meaning: '',
    contenders: weights.map((weight) => ({ share: { weight }, frameBytes: [60] })),
    events,
    linkBps: LINK_BPS,
    durationNs,
  };
}

describe('what a fluid link gives', () => {
  test('by hand: two of weights 1 and 3, one runs dry, a third comes, one leaves', () => {
    const events: WorkloadEvent[] = [
      { atNs: 0, kind: 'begin', context: contextId(0), bytes: 0 },
      { atNs: 0, kind: 'arrive', context: contextId(1), bytes: 300 },
      // Context 1 has been served at 3/4 of the link until 400 ns; from then on context 0 is alone.
      { atNs: 500, kind: 'begin', context: contextId(2), bytes: 0 },
      { atNs: 700, kind: 'end', context: contextId(0), bytes: 0 },
    ];
    const [first, second, third, fourth] = fluidDue(workload([1, 3, 1], events, 1000), 4);
    expect([...(first ?? [])]).toEqual([62.5, 187.5, 0]);
    expect([...(second ?? [])].map(Math.round)).toEqual([138, 113, 0]);
    expect([...(third ?? [])].map(Math.round)).toEqual([100, 0, 150]);
    expect([...(fourth ?? [])].map(Math.round)).toEqual([0, 0, 250]);
  });

  test('all at once: the same as the water filling', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ weight: fc.integer({ min: 1, max: 50 }), bytes: fc.integer({ min: 0, max: 20_000 }) }),
          { minLength: 1, maxLength: 12 },
        ),
        fc.integer({ min: 1, max: 60_000 }),
        (accounts, durationNs) => {
          const events = accounts.map(({ bytes }, context) => ({
            atNs: 0,
            kind: 'arrive' as const,
            context: contextId(context),
            bytes,
          }));
          const weights = accounts.map(({ weight }) => weight);
          const [got] = fluidDue(workload(weights, events, durationNs), 1);
          const expected = maxMinFair(
            accounts.map(({ bytes }) => bytes),
            weights,
            durationNs,
          );
          for (const [context, bytes] of expected.entries()) expect(got?.[context]).toBeCloseTo(bytes, 3);
        },
      ),
      { numRuns: 300 },
    );
  });
});
