import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ContextId, contextId, NO_CONTEXT } from '../../../scheduler/branded.js';
import type { BoundMember, Discipline } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin, FifoDrain } from '../../../scheduler/disciplines/index.js';
import { FairnessMeter, jainIndex, MEASURED_CONTEXTS } from '../../../src/machine/fairness-meter.js';
import { runs } from '../../support/whole.js';

/** Serves whomever the test says, and remembers what it was told. */
class Puppet implements Discipline {
  readonly name = 'puppet';
  readonly calls: string[] = [];
  next = NO_CONTEXT;
  bound = Number.POSITIVE_INFINITY;

  join(context: number): void {
    this.calls.push(`join ${context}`);
  }

  leave(context: number): void {
    this.calls.push(`leave ${context}`);
  }

  activate(context: number, headBytes: number, nowNs: number): void {
    this.calls.push(`activate ${context} ${headBytes} ${nowNs}`);
  }

  select(): ContextId {
    return this.next;
  }

  served(context: number, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.calls.push(`served ${context} ${bytes} ${nextHeadBytes} ${nowNs}`);
  }

  withdraw(context: number, nowNs: number): void {
    this.calls.push(`withdraw ${context} ${nowNs}`);
  }

  relativeFairnessBoundBytes(_i: BoundMember, _j: BoundMember): number {
    return this.bound;
  }

  checkInvariants(): void {
    this.calls.push('check');
  }
}

/** What happened to one context in one step of the run. */
type Step =
  | { readonly kind: 'activate' | 'withdraw'; readonly context: number }
  | { readonly kind: 'serve'; readonly context: number; readonly bytes: number; readonly last: boolean };

const steps = (contexts: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 3, arbitrary: stepOf('activate', contexts) },
      { weight: 1, arbitrary: stepOf('withdraw', contexts) },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('serve' as const),
          context: fc.nat({ max: contexts - 1 }),
          bytes: fc.constantFrom(60, 1514, 9018),
          last: fc.boolean(),
        }),
      },
    ),
    { maxLength: 60 },
  );

function stepOf(kind: 'activate' | 'withdraw', contexts: number): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), context: fc.nat({ max: contexts - 1 }) });
}

/** The definition, word for word: every interval of steps, and for each the service of both, if both were backlogged throughout. */
function bruteForceGap(log: readonly Step[], weights: readonly number[], i: number, j: number): number {
  const backlogged = (context: number) => {
    // Before each step, and after the last.
    const states = [false];
    let now = false;
    for (const step of log) {
      if (step.context === context) {
        if (step.kind === 'activate') now = true;
        else if (step.kind !== 'serve' || step.last) now = false;
      }
      states.push(now);
    }
    return states;
  };
  const [ofI, ofJ] = [backlogged(i), backlogged(j)];
  let largest = 0;
  for (let from = 0; from < log.length; from += 1) {
    let served = 0;
    for (let to = from; to < log.length; to += 1) {
      // A step counts while both are backlogged when it begins; the frame that empties a queue is service too.
      if (ofI[to] !== true || ofJ[to] !== true) break;
      const step = log[to];
      if (step?.kind === 'serve' && step.context === i) served += step.bytes / (weights[i] ?? 1);
      if (step?.kind === 'serve' && step.context === j) served -= step.bytes / (weights[j] ?? 1);
      largest = Math.max(largest, Math.abs(served));
    }
  }
  return largest;
}

/** Drops steps that no driver would take: service or withdrawal of an idle context, a second activation. */
function possible(all: readonly Step[], contexts: number): Step[] {
  const backlogged = new Array<boolean>(contexts).fill(false);
  return all.filter((step) => {
    const now = backlogged[step.context] === true;
    if (step.kind === 'activate') backlogged[step.context] = true;
    else if (!now) return false;
    else backlogged[step.context] = step.kind === 'serve' && !step.last;
    return true;
  });
}

describe('a fairness meter', () => {
  test('finds the largest gap of all intervals, as brute force over all of them does', () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 5 })
          .chain((weights) => fc.tuple(fc.constant(weights), steps(weights.length))),
        ([weights, all]) => {
          const log = possible(all, weights.length);
          const meter = new FairnessMeter(new Puppet());
          for (const [context, weight] of weights.entries()) meter.join(contextId(context), { weight });
          for (const step of log) {
            if (step.kind === 'serve')
              meter.served(contextId(step.context), step.bytes, step.last ? 0 : 60, 0);
            else if (step.kind === 'activate') meter.activate(contextId(step.context), 60, 0);
            else meter.withdraw(contextId(step.context), 0);
          }
          let largest = 0;
          for (let i = 0; i < weights.length; i += 1) {
            for (let j = i + 1; j < weights.length; j += 1) {
              largest = Math.max(largest, bruteForceGap(log, weights, i, j));
            }
          }
          const report = meter.report();
          expect(report.largestGapBytes).toBeCloseTo(largest, 6);
          expect(report.pair === undefined).toBe(largest === 0);
          if (report.pair !== undefined) {
            expect(bruteForceGap(log, weights, ...report.pair)).toBeCloseTo(largest, 6);
          }
          expect(report).toMatchObject({ contexts: weights.length, measuredContexts: weights.length });
        },
      ),
      { numRuns: runs(500) },
    );
  });

  test('passes every call on, once, unchanged', () => {
    const inner = new Puppet();
    const meter = new FairnessMeter(inner);
    meter.join(contextId(3), { weight: 2 });
    meter.activate(contextId(3), 100, 7);
    inner.next = contextId(3);
    expect(meter.select(7)).toBe(3);
    meter.served(contextId(3), 100, 60, 8);
    meter.withdraw(contextId(3), 9);
    meter.leave(contextId(3), 0);
    meter.checkInvariants();
    expect(meter.name).toBe('puppet');
    expect(inner.calls).toEqual([
      'join 3',
      'activate 3 100 7',
      'served 3 100 60 8',
      'withdraw 3 9',
      'leave 3',
      'check',
    ]);
    expect(meter.nextEligibleNs).toBeUndefined();
    expect(meter.arrived).toBeUndefined();
  });

  test('has the optional calls exactly when the discipline has them', () => {
    const told: number[] = [];
    const inner = Object.assign(new Puppet(), {
      nextEligibleNs: (nowNs: number) => nowNs + 5,
      arrived: (context: number) => void told.push(context),
    });
    const meter = new FairnessMeter(inner);
    expect(meter.nextEligibleNs?.(10)).toBe(15);
    meter.arrived?.(contextId(4), 60, 0);
    expect(told).toEqual([4]);
  });

  test('says which bound was broken, and that none was by a discipline that keeps it', () => {
    const starving = new FairnessMeter(new FifoDrain());
    const fair = new FairnessMeter(new DeficitRoundRobin());
    for (const meter of [starving, fair]) {
      for (const context of [0, 1]) {
        meter.join(contextId(context), { weight: 1 });
        meter.activate(contextId(context), 1514, 0);
      }
      for (let frame = 0; frame < 100; frame += 1) meter.served(meter.select(0), 1514, 1514, 0);
    }
    expect(starving.report()).toMatchObject({
      largestGapBytes: 151_400,
      boundBytes: undefined,
      broken: 0,
      pair: [0, 1],
    });
    expect(fair.report()).toMatchObject({ largestGapBytes: 1514, boundBytes: 1514 + 2 * 1513, broken: 0 });

    const lying = new Puppet();
    lying.bound = 100;
    const caught = new FairnessMeter(lying);
    for (const context of [0, 1]) {
      caught.join(contextId(context), { weight: 1 });
      caught.activate(contextId(context), 101, 0);
    }
    caught.served(contextId(0), 101, 101, 0);
    expect(caught.report()).toMatchObject({ broken: 1, boundBytes: 100, largestGapBytes: 101 });
  });

  test('counts contexts beyond those that it measures, and does not trip over them', () => {
    const meter = new FairnessMeter(new Puppet());
    for (let context = 0; context < MEASURED_CONTEXTS + 3; context += 1) {
      meter.join(contextId(context), { weight: 1 });
      meter.activate(contextId(context), 60, 0);
      meter.served(contextId(context), 60, 0, 0);
    }
    meter.withdraw(contextId(MEASURED_CONTEXTS + 1), 0);
    meter.leave(contextId(MEASURED_CONTEXTS + 1), 0);
    expect(meter.report()).toMatchObject({
      contexts: MEASURED_CONTEXTS + 3,
      measuredContexts: MEASURED_CONTEXTS,
    });
  });
});

describe("Jain's index", () => {
  test('is 1 for equal shares, 1/n when one has everything, and does not depend on unit or order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.double({ min: 0.001, max: 1e3, noNaN: true }),
        (shares, unit) => {
          fc.pre(shares.some((share) => share > 1e-6));
          const index = jainIndex(shares);
          expect(index).toBeGreaterThanOrEqual(1 / shares.length - 1e-9);
          expect(index).toBeLessThanOrEqual(1 + 1e-9);
          expect(jainIndex(shares.map((share) => share * unit))).toBeCloseTo(index, 9);
          expect(jainIndex([...shares].reverse())).toBeCloseTo(index, 9);
          expect(jainIndex(shares.map(() => unit))).toBeCloseTo(1, 12);
        },
      ),
    );
    expect(jainIndex([5, 0, 0, 0])).toBe(0.25);
    expect(jainIndex([1, 1, 0, 0])).toBe(0.5);
    expect(jainIndex([])).toBe(1);
    expect(jainIndex([0, 0])).toBe(1);
  });
});
