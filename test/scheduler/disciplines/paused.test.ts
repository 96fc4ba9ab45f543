import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import {
  DISCIPLINES,
  makeDiscipline,
  PacketRoundRobin,
  TwoLevel,
} from '../../../scheduler/disciplines/index.js';
import { MinimumGuarantee } from '../../../scheduler/disciplines/minimum-guarantee.js';
import { SurplusRoundRobin } from '../../../scheduler/disciplines/surplus-round-robin.js';
import { TokenBucketLimit } from '../../../scheduler/disciplines/token-bucket-limit.js';
import { runs } from '../../support/whole.js';

const RUNS = runs(60);
const CONTEXTS = 4;
const WEIGHTS = [1, 3, 2, 1];
/** A tenant for each context, with its weight. */
const TENANTS = Object.fromEntries(WEIGHTS.map((weight, tenant) => [tenant, { share: { weight } }]));

type Step =
  | { readonly kind: 'arrive'; readonly context: number; readonly bytes: number }
  | { readonly kind: 'pause' | 'resume' | 'withdraw' | 'rejoin'; readonly context: number }
  | { readonly kind: 'serve' };

const context = fc.nat(CONTEXTS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      context,
      bytes: fc.integer({ min: 60, max: 9_018 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), context }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resume' as const), context }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('withdraw' as const, 'rejoin' as const), context }),
  },
);
const script = fc.array(step, { minLength: 20, maxLength: 150 });

/** A discipline on a link of 1 Gb/s, with contexts that are paused and go on. */
class PausedLink {
  readonly discipline: Discipline;
  readonly queues: number[][] = WEIGHTS.map(() => []);
  readonly #tenantOf: (context: number) => number;
  readonly #rates: object;
  readonly #paused = new Set<number>();
  nowNs = 0;

  constructor(discipline: Discipline, tenantOf = (context: number) => context, rates: object = {}) {
    this.discipline = discipline;
    this.#tenantOf = tenantOf;
    this.#rates = rates;
    for (const context of WEIGHTS.keys()) this.#join(context);
  }

  /** Takes a step; returns the context that was served, or NONE. */
  take(step: Step): number {
    if (step.kind === 'serve') return this.serve();
    const { discipline, nowNs } = this;
    const context = contextId(step.context);
    const queue = this.#queue(context);
    const isPaused = this.#paused.has(context);
    if (step.kind === 'arrive') {
      queue.push(step.bytes);
      discipline.arrived?.(context, step.bytes, nowNs);
      if (queue.length === 1 && !isPaused) discipline.activate(context, step.bytes, nowNs);
    } else if (step.kind === 'pause') this.#pause(context);
    else if (step.kind === 'resume') this.resume(context);
    else {
      const isKnown = queue.length > 0 && (!isPaused || discipline.pause !== undefined);
      if (step.kind === 'rejoin') discipline.leave(context, nowNs);
      else if (isKnown) discipline.withdraw(context, nowNs);
      queue.length = 0;
      this.#paused.delete(context);
      if (step.kind === 'rejoin') this.#join(context);
    }
    discipline.checkInvariants();
    return NONE;
  }

  resume(context: number): void {
    const [head] = this.#queue(context);
    if (!this.#paused.delete(context) || head === undefined) return;
    this.discipline.activate(contextId(context), head, this.nowNs);
  }

  /** Sends a frame; returns its context, or NONE. */
  serve(): number {
    const context = this.discipline.select(this.nowNs);
    if (context === NONE) {
      const eligibleNs = this.discipline.nextEligibleNs?.(this.nowNs) ?? this.nowNs;
      if (Number.isFinite(eligibleNs)) this.nowNs = Math.max(this.nowNs, Math.ceil(eligibleNs));
      return NONE;
    }
    const queue = this.#queue(context);
    const bytes = queue.shift();
    if (bytes === undefined || this.#paused.has(context))
      throw new Error(`context ${context} was selected: ${bytes === undefined ? 'no frame' : 'paused'}`);
    this.discipline.served(context, bytes, queue[0] ?? 0, this.nowNs);
    this.nowNs += bytes * 8;
    return context;
  }

  #queue(context: number): number[] {
    const queue = this.queues[context];
    if (queue === undefined) throw new Error(`there is no context ${context}`);
    return queue;
  }

  #join(context: number): void {
    const weight = WEIGHTS[context] ?? 1;
    this.discipline.join(contextId(context), {
      weight,
      tenant: this.#tenantOf(context),
      deadlineNs: 1_000 * (context + 1),
      ...this.#rates,
    });
  }

  /** As the card does: a context that waits is paused, or withdrawn where the discipline knows no pause. */
  #pause(context: number): void {
    if (this.#paused.has(context)) return;
    this.#paused.add(context);
    if (this.#queue(context).length === 0) return;
    const { discipline, nowNs } = this;
    if (discipline.pause === undefined) discipline.withdraw(contextId(context), nowNs);
    else discipline.pause(contextId(context), nowNs);
  }
}

const made = (name: string) => makeDiscipline(name, { linkBps: 1e9, tenants: TENANTS });

describe('pauses reach the discipline inside a composition', () => {
  // None of these holds anything back, so each serves in the order of drr: without `pause` inside, a deficit is forfeited.
  it.each(['limited:drr', 'minimum:drr', 'limited:minimum:drr', 'drr/prr', 'drr/drr', 'limited:(drr/fifo)'])(
    '%s without limits, minimums and shared tenants serves as drr does',
    (name) => {
      fc.assert(
        fc.property(script, (steps) => {
          const [plain, composed] = [new PausedLink(made('drr')), new PausedLink(made(name))];
          for (const taken of steps) expect(composed.take(taken)).toBe(plain.take(taken));
          for (const context of WEIGHTS.keys()) for (const link of [plain, composed]) link.resume(context);
          while (plain.queues.some(({ length }) => length > 0)) expect(composed.serve()).toBe(plain.serve());
        }),
        { numRuns: RUNS },
      );
    },
  );

  const inside: [string, (drr: DeficitRoundRobin) => Discipline][] = [
    ['limited:drr', (drr) => new TokenBucketLimit(drr)],
    ['minimum:drr', (drr) => new MinimumGuarantee(drr)],
    ['prr/drr', (drr) => new TwoLevel({ outer: new PacketRoundRobin(), makeInner: () => drr })],
  ];
  it.each(inside)('under %s a paused context keeps the deficit of its last visit', (_name, compose) => {
    const drr = new DeficitRoundRobin({ quantumBytes: 1_500 });
    const discipline = compose(drr);
    for (const context of [0, 1]) {
      discipline.join(contextId(context), { weight: 1 });
      discipline.activate(contextId(context), 1_000, 0);
    }
    // One frame each, and the second visit of context 0 has begun: 500 + 1,500 bytes.
    for (const context of [0, 1]) {
      expect(discipline.select(0)).toBe(context);
      discipline.served(contextId(context), 1_000, 1_000, 0);
    }
    expect(discipline.select(0)).toBe(0);
    discipline.pause?.(contextId(0), 0);
    expect(drr.deficitBytes(contextId(0))).toBe(500);
    discipline.checkInvariants();
    discipline.withdraw(contextId(0), 0);
    expect(drr.deficitBytes(contextId(0))).toBe(0);
    discipline.checkInvariants();
  });

  it('a tenant keeps what it saved outside while its other contexts go on, and until none is left', () => {
    const outer = new DeficitRoundRobin({ quantumBytes: 1_500 });
    const discipline = new TwoLevel({ outer, makeInner: () => new PacketRoundRobin() });
    for (const [context, tenant] of [0, 0, 1].entries()) {
      discipline.join(contextId(context), { weight: 1, tenant });
      discipline.activate(contextId(context), 1_000, 0);
    }
    for (const context of [0, 2]) {
      expect(discipline.select(0)).toBe(context);
      discipline.served(contextId(context), 1_000, 1_000, 0);
    }
    const saved = () => outer.deficitBytes(contextId(0));
    expect(discipline.select(0)).toBe(1);
    discipline.pause?.(contextId(1), 0);
    expect(saved()).toBe(500);
    discipline.pause?.(contextId(0), 0);
    expect(saved()).toBe(500);
    discipline.checkInvariants();
    discipline.withdraw(contextId(0), 0);
    expect(saved()).toBe(500);
    discipline.withdraw(contextId(1), 0);
    expect(saved()).toBe(0);
    discipline.checkInvariants();
  });
});

describe('a paused context', () => {
  const compositions = ['limited:drr', 'minimum:drr', 'drr/(limited:drr)', '(limited:drr)/(minimum:scfq)'];
  it.each([...DISCIPLINES.map(({ name }) => name), ...compositions, 'drr/sfq', 'wf2q+/qfq/drr'])(
    'under %s is not selected, may be withdrawn or leave, and is served when the pause is over',
    (name) => {
      fc.assert(
        fc.property(script, (steps) => {
          const rates = { limitBps: 400_000_000, burstBytes: 9_018, minimumBps: 100_000_000 };
          const link = new PausedLink(made(name), (context) => context % 2, rates);
          for (const taken of steps) link.take(taken);
          for (const context of WEIGHTS.keys()) link.resume(context);
          for (let idle = 0; idle < 3 && link.queues.some(({ length }) => length > 0); )
            idle = link.serve() === NONE ? idle + 1 : 0;
          expect(link.queues).toStrictEqual(WEIGHTS.map(() => []));
        }),
        { numRuns: RUNS },
      );
    },
  );

  // Adiseshu, Parulkar, Varghese, SIGCOMM 1996: what is carried from visit to visit is the surplus, a debt; nothing is saved.
  it('under srr has saved nothing that a pause could forfeit, and keeps what it owes', () => {
    const srr = new SurplusRoundRobin({ quantumBytes: 1_500 });
    for (const context of [0, 1]) {
      srr.join(contextId(context), { weight: 1 });
      srr.activate(contextId(context), 1_000);
    }
    for (const frame of [1, 2]) {
      expect(srr.select(), `frame ${frame}`).toBe(0);
      srr.served(contextId(0), 1_000, 1_000);
    }
    expect(srr.select()).toBe(1);
    expect(srr.creditBytes(contextId(0))).toBe(-500);
    srr.withdraw(contextId(0));
    expect(srr.creditBytes(contextId(0))).toBe(-500);
  });
});
