import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE, type Share } from '../../../scheduler/discipline.js';
import { ContextList } from '../../../scheduler/disciplines/context-list.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { MinimumGuarantee } from '../../../scheduler/disciplines/minimum-guarantee.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/packet-round-robin.js';
import { StrictPriority } from '../../../scheduler/disciplines/strict-priority.js';
import { SurplusRoundRobin } from '../../../scheduler/disciplines/surplus-round-robin.js';
import { TokenBucketLimit } from '../../../scheduler/disciplines/token-bucket-limit.js';
import { TwoLevel } from '../../../scheduler/disciplines/two-level.js';
import { WeightedRoundRobin } from '../../../scheduler/disciplines/weighted-round-robin.js';

// Steps are counted, not time: how often a discipline looks at a context of a list.
let steps = 0;
const front = Object.getOwnPropertyDescriptor(ContextList.prototype, 'front');
const { after } = ContextList.prototype;

beforeEach(() => {
  Object.defineProperty(ContextList.prototype, 'front', {
    configurable: true,
    get(this: ContextList) {
      steps += 1;
      return front?.get?.call(this) as number;
    },
  });
  ContextList.prototype.after = function (this: ContextList, context) {
    steps += 1;
    return after.call(this, context);
  };
});

afterEach(() => {
  if (front !== undefined) Object.defineProperty(ContextList.prototype, 'front', front);
  ContextList.prototype.after = after;
});

interface Load {
  readonly quantumBytes: number;
  readonly contexts: readonly { readonly weight: number; readonly frames: readonly number[] }[];
}

/** The most steps that one decision takes, over many, of contexts that always have frames. */
function mostSteps(
  discipline: Discipline,
  { contexts }: Load,
  decisions: number,
  share: Partial<Share> = {},
): number {
  const frames = contexts.map(() => 0);
  const next = (index: number) => {
    const sizes = contexts[index]?.frames ?? [];
    frames[index] = (frames[index] ?? 0) + 1;
    return sizes[(frames[index] ?? 0) % sizes.length] ?? 60;
  };
  const heads = contexts.map((_, index) => next(index));
  for (const [index, { weight }] of contexts.entries()) {
    discipline.join(contextId(index), { weight, tenant: index % 3, priority: index % 2, ...share });
    discipline.activate(contextId(index), heads[index] ?? 60, 0);
  }
  let most = 0;
  let nowNs = 0;
  for (let decision = 0; decision < decisions; decision += 1) {
    steps = 0;
    const chosen = discipline.select(nowNs);
    if (chosen === NONE) {
      nowNs = Math.max(nowNs + 1, Math.ceil(discipline.nextEligibleNs?.(nowNs) ?? nowNs));
      continue;
    }
    const bytes = heads[chosen] ?? 0;
    heads[chosen] = next(chosen);
    discipline.served(chosen, bytes, heads[chosen] ?? 0, nowNs);
    most = Math.max(most, steps);
    nowNs += bytes;
  }
  return most;
}

const loads: fc.Arbitrary<Load> = fc.record({
  quantumBytes: fc.constantFrom(1, 2, 7, 59, 60, 1_513, 1_514, 9_018, 2 ** 26),
  contexts: fc.array(
    fc.record({
      weight: fc.constantFrom(1, 2, 3, 255, 4_096, 65_535),
      frames: fc.array(fc.constantFrom(60, 61, 1_514, 9_018, 9_042), { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 40 },
  ),
});

/** One level passes over its list twice, and once more each to see how many rounds can be left out and to leave them out. */
const onePass = (contexts: number) => 4 * contexts + 8;

type Make = (quantumBytes: number) => Discipline;
const drr: Make = (quantumBytes) => new DeficitRoundRobin({ quantumBytes });
const srr: Make = (quantumBytes) => new SurplusRoundRobin({ quantumBytes });
const under =
  (outer: Make, inner: Make): Make =>
  (quantumBytes) =>
    new TwoLevel({ outer: outer(quantumBytes), makeInner: () => inner(quantumBytes) });

/** What walks a list, and how many lists a decision may walk. */
const WALKERS: readonly { readonly name: string; readonly lists: number; readonly make: Make }[] = [
  { name: 'drr', lists: 1, make: drr },
  { name: 'srr', lists: 1, make: srr },
  { name: 'prr', lists: 1, make: () => new PacketRoundRobin() },
  { name: 'wrr', lists: 1, make: () => new WeightedRoundRobin() },
  { name: 'priority', lists: 1, make: () => new StrictPriority() },
  { name: 'drr/srr', lists: 2, make: under(drr, srr) },
  { name: 'srr/drr', lists: 2, make: under(srr, drr) },
  { name: 'priority/drr/drr', lists: 3, make: under(() => new StrictPriority(), under(drr, drr)) },
  { name: 'limited:drr', lists: 1, make: (quantum) => new TokenBucketLimit(drr(quantum)) },
  { name: 'minimum:srr', lists: 1, make: (quantum) => new MinimumGuarantee(srr(quantum)) },
  { name: 'drr/(limited:srr)', lists: 3, make: under(drr, (quantum) => new TokenBucketLimit(srr(quantum))) },
];

describe.each(WALKERS)('a decision of $name', ({ lists, make }) => {
  test('takes a number of steps that contexts bound, whatever quantum, weights and frames', () => {
    fc.assert(
      fc.property(loads, (load) => {
        const share = { limitBps: 1e9, burstBytes: 20_000, minimumBps: 1e6 };
        const most = mostSteps(make(load.quantumBytes), load, 400, share);
        expect(most).toBeLessThanOrEqual(lists * onePass(load.contexts.length));
      }),
      { numRuns: 40 },
    );
  });
});

describe('a quantum of one byte', () => {
  // Round by round the first decision would take 9,018 rounds, and so would nearly every later one.
  test.each([
    ['drr', drr],
    ['srr', srr],
  ])('costs %s no more steps than one of 1,514 bytes, but for a constant factor', (_name, make) => {
    for (const contexts of [1, 16, 256]) {
      const load = (quantumBytes: number) => ({
        quantumBytes,
        contexts: Array.from({ length: contexts }, (_, index) => ({
          weight: 1,
          frames: [9_018 - (index % 9)],
        })),
      });
      const byQuantum = [1, 2, 1_514, 9_018].map((quantum) => mostSteps(make(quantum), load(quantum), 2_000));
      for (const most of byQuantum) expect(most).toBeLessThanOrEqual(onePass(contexts));
      // It is the rounds that are left out that bound it: a smaller bound would not hold.
      expect(byQuantum[0]).toBeGreaterThan(2 * contexts);
    }
  });
});
