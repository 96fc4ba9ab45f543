import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { DISCIPLINES, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { runs } from '../../support/whole.js';

/** Every discipline alone, and compositions in which each kind of node holds contexts back. */
const NAMES = [
  ...DISCIPLINES.map(({ name }) => name),
  'drr/sfq',
  'priority/drr',
  'edf/wf2q+',
  'wf2q+/qfq/drr',
  'limited:drr',
  'minimum:sfq',
  'limited:minimum:drr/prr',
  'drr/(limited:sfq)',
  '(limited:wfq)/(minimum:scfq)',
];

const RUNS = runs(60);
const CONTEXTS = 5;
const SHARES = Array.from({ length: CONTEXTS }, (_, context) => ({
  weight: [1, 3, 7, 2, 50][context] ?? 1,
  priority: context % 3,
  ...(context === 4 ? {} : { deadlineNs: 1_000 * (context + 1) }),
  tenant: 2 + (context % 2),
  ...(context === 1 ? { limitBps: 10_000_000, burstBytes: 3_000 } : {}),
  ...(context === 2 ? { minimumBps: 50_000_000 } : {}),
}));
const TENANTS = {
  0: { share: { weight: 2 } },
  1: { share: { weight: 1 } },
  2: { share: { weight: 5, priority: 1, deadlineNs: 500, limitBps: 400_000_000 }, parent: 0 },
  3: { share: { weight: 3, priority: 0, deadlineNs: 90_000 }, parent: 1 },
};

type Step =
  | { readonly kind: 'arrive'; readonly context: number; readonly bytes: number }
  | { readonly kind: 'serve' }
  | { readonly kind: 'leave'; readonly context: number }
  | { readonly kind: 'join'; readonly context: number }
  | { readonly kind: 'wait'; readonly ns: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      context: fc.nat(CONTEXTS - 1),
      bytes: fc.integer({ min: 60, max: 9_018 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), context: fc.nat(CONTEXTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const), context: fc.nat(CONTEXTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ns: fc.nat(100_000) }) },
);

/** One side of a comparison: a discipline on a link of 1 Gb/s, its queues, and how a context leaves it. */
class Side {
  readonly discipline: Discipline;
  readonly queues = new Map<number, number[]>();
  nowNs = 0;
  readonly #withdrawsFirst: boolean;

  constructor(name: string, withdrawsFirst: boolean) {
    this.discipline = makeDiscipline(name, { linkBps: 1e9, tenants: TENANTS });
    this.#withdrawsFirst = withdrawsFirst;
    for (let context = 0; context < CONTEXTS; context += 1) this.join(context);
  }

  /** Takes one step of a script; returns the context that was served, or NONE. */
  take(step: Step): number {
    if (step.kind === 'serve') return this.serve();
    if (step.kind === 'arrive') this.arrive(step.context, step.bytes);
    else if (step.kind === 'leave') this.leave(step.context);
    else if (step.kind === 'join') this.join(step.context);
    else this.nowNs += step.ns;
    return NONE;
  }

  join(context: number): void {
    if (this.queues.has(context)) return;
    this.queues.set(context, []);
    this.discipline.join(contextId(context), SHARES[context] ?? { weight: 1 });
  }

  arrive(context: number, bytes: number): void {
    const queue = this.queues.get(context);
    if (queue === undefined) return;
    queue.push(bytes);
    this.discipline.arrived?.(contextId(context), bytes, this.nowNs);
    if (queue.length === 1) this.discipline.activate(contextId(context), bytes, this.nowNs);
  }

  leave(context: number): void {
    const queue = this.queues.get(context);
    if (queue === undefined) return;
    if (this.#withdrawsFirst && queue.length > 0) this.discipline.withdraw(contextId(context), this.nowNs);
    this.discipline.leave(contextId(context), this.nowNs);
    this.queues.delete(context);
  }

  /** Sends a frame; returns its context, or NONE. */
  serve(): number {
    const context = this.discipline.select(this.nowNs);
    if (context === NONE) {
      const eligibleNs = this.discipline.nextEligibleNs?.(this.nowNs) ?? this.nowNs;
      if (Number.isFinite(eligibleNs)) this.nowNs = Math.max(this.nowNs, Math.ceil(eligibleNs));
      return NONE;
    }
    const queue = this.queues.get(context);
    const bytes = queue?.shift();
    if (queue === undefined || bytes === undefined) throw new Error(`context ${context} has no frame`);
    this.discipline.served(context, bytes, queue[0] ?? 0, this.nowNs);
    this.nowNs += bytes * 8;
    return context;
  }
}

describe('a context that leaves while it is backlogged', () => {
  it.each(NAMES)('under %s leaves as if it had been withdrawn first', (name) => {
    let leftBacklogged = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const [plain, careful] = [new Side(name, false), new Side(name, true)];
        for (const taken of steps) {
          if (taken.kind === 'leave' && (plain.queues.get(taken.context)?.length ?? 0) > 0)
            leftBacklogged += 1;
          const outcomes = [plain, careful].map((side) => side.take(taken));
          expect(outcomes[0]).toBe(outcomes[1]);
          expect(plain.nowNs).toBe(careful.nowNs);
          plain.discipline.checkInvariants();
        }
        // What is left is served to the end: the context that left took no other frame with it.
        for (let idle = 0; idle < 3 && [...plain.queues.values()].some((queue) => queue.length > 0); ) {
          const context = plain.serve();
          expect(careful.serve()).toBe(context);
          idle = context === NONE ? idle + 1 : 0;
        }
        for (const queue of plain.queues.values()) expect(queue).toStrictEqual([]);
      }),
      { numRuns: RUNS },
    );
    expect(leftBacklogged).toBeGreaterThan(RUNS / 3);
  });

  it.each(['limited:drr', '(limited:drr)/prr'])('under %s takes no new burst by joining again', (name) => {
    const share = { weight: 1, tenant: 2, limitBps: 8_000_000, burstBytes: 3_000 };
    const discipline = makeDiscipline(name, { tenants: { 2: { share } } });
    let sent = 0;
    for (let life = 0; life < 10; life += 1) {
      discipline.join(contextId(0), share);
      discipline.activate(contextId(0), 1_000, 0);
      while (discipline.select(0) === 0) {
        discipline.served(contextId(0), 1_000, 1_000, 0);
        sent += 1_000;
      }
      discipline.leave(contextId(0), 0);
    }
    expect(sent).toBe(3_000);
  });

  it('under limited:drr with another limit still owes the bytes, not the time', () => {
    const discipline = makeDiscipline('limited:drr');
    discipline.join(contextId(0), { weight: 1, limitBps: 1_000_000, burstBytes: 1_000 });
    discipline.activate(contextId(0), 1_000, 0);
    expect(discipline.select(0)).toBe(0);
    discipline.served(contextId(0), 1_000, 1_000, 0);
    expect(discipline.nextEligibleNs?.(0)).toBe(8_000_000);
    discipline.leave(contextId(0), 0);
    discipline.join(contextId(0), { weight: 1, limitBps: 1_000_000_000, burstBytes: 1_000 });
    discipline.activate(contextId(0), 1_000, 0);
    expect(discipline.select(0)).toBe(NONE);
    expect(discipline.nextEligibleNs?.(0)).toBe(8_000);
  });
});
