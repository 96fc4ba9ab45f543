import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  burst,
  contextNumbers,
  frameBytes,
  fullShares,
  longRun,
  type Script,
  type ScriptOptions,
  type Step,
  scripts,
  startNs,
  weights,
} from '../../../scheduler/laws/index.js';
import { LONG_RUNS } from '../../../scheduler/laws/scripts.js';

const drawn = <T>(arbitrary: fc.Arbitrary<T>, numRuns = 300): T[] =>
  fc.sample(arbitrary, { seed: 1, numRuns });
const scriptsOf = (options: ScriptOptions = {}, numRuns = 300) => drawn(scripts(options), numRuns);
const allSteps = (drawnScripts: readonly Script[]): Step[] => drawnScripts.flatMap(({ steps }) => steps);
const kindsOf = (drawnScripts: readonly Script[]) =>
  [...new Set(allSteps(drawnScripts).map(({ step }) => step))].sort();

/** Steps at the beginning by which the contexts join. */
const castOf = ({ steps }: Script) => {
  const first = steps.findIndex(({ step }) => step !== 'join');
  const joins = steps.slice(0, first < 0 ? steps.length : first);
  return joins.flatMap((step) => (step.step === 'join' ? [step] : []));
};

const KINDS = [
  'arrive',
  'comeAndGo',
  'join',
  'leave',
  'pass',
  'ringAgain',
  'serve',
  'serveWhileArriving',
  'withdraw',
];

const whole = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;

/** What makes a step one that no script of the kit may have, or nothing. */
function wrongWith(step: Step): string | undefined {
  if ('context' in step && !whole(step.context, 0, 16_383)) return `context ${step.context}`;
  if ('bytes' in step && !whole(step.bytes, 60, 9_018)) return `${step.bytes} bytes`;
  if (step.step === 'join' && !whole(step.share.weight, 1, 65_535)) return `weight ${step.share.weight}`;
  if (step.step === 'arrive' && !whole(step.count, 1, 8_000)) return `${step.count} arrive`;
  if (step.step === 'serve' && !whole(step.frames, 1, 12_000)) return `${step.frames} are served`;
  if (step.step === 'comeAndGo' && !whole(step.times, 2, 12)) return `${step.times} times`;
  if (step.step === 'pass' && !whole(step.ns, 0, 400_000)) return `${step.ns} ns pass`;
  return undefined;
}

describe('random scripts', () => {
  const plenty = scriptsOf();

  it('have steps of every kind, with numbers in the ranges that the kit states', () => {
    expect(kindsOf(plenty)).toEqual(KINDS);
    expect(allSteps(plenty).flatMap((step) => wrongWith(step) ?? [])).toEqual([]);
  });

  it('begin with the joins of two to six contexts, and name no others', () => {
    const sizes = new Set<number>();
    for (const script of plenty) {
      const cast = castOf(script);
      const numbers = new Set(cast.slice(0, 6).map(({ context }) => context));
      sizes.add(numbers.size);
      const others = script.steps.filter((step) => 'context' in step && !numbers.has(step.context));
      expect(others).toEqual([]);
    }
    expect([...sizes].sort()).toEqual([2, 3, 4, 5, 6]);
  });

  it('begin at 0, or shortly before 2^31, 2^32 or 2^52 ns', () => {
    const edges = [0, 2 ** 31, 2 ** 32, 2 ** 52];
    const edgeOf = (start: number) => edges.find((edge) => edge >= start && edge - start <= 1_000_000);
    const found = plenty.map((script) => edgeOf(script.startNs));
    expect(new Set(found)).toEqual(new Set(edges));
    // Just before, too: most scripts take no millisecond.
    expect(
      plenty.some((script) => script.startNs > 0 && (edgeOf(script.startNs) ?? 0) - script.startNs < 50_000),
    ).toBe(true);
    expect(drawn(startNs()).every((start) => edgeOf(start) !== undefined)).toBe(true);
  });

  it('rejoin with the share of another context', () => {
    const rejoined = plenty.some((script) => {
      const cast = castOf(script);
      const later = script.steps.slice(cast.length);
      return later.some(
        (step) =>
          step.step === 'join' &&
          step.share.weight !== cast.find(({ context }) => context === step.context)?.share.weight,
      );
    });
    expect(rejoined).toBe(true);
  });

  it('are long in one of seven: thousands of frames of two or three contexts', () => {
    const long = plenty.filter(({ steps }) =>
      steps.some((step) => step.step === 'arrive' && step.count >= 2_000),
    );
    expect(long.length).toBeGreaterThan(300 / 14);
    expect(long.length).toBeLessThan(300 / 4);
    const members = new Set<number>();
    for (const script of long) {
      const cast = castOf(script);
      const numbers = new Set(cast.map(({ context }) => context));
      members.add(numbers.size);
      const after = script.steps.slice(numbers.size);
      // Each waits with thousands, thousands are served, and after a few steps there are more.
      const filled = after.slice(0, numbers.size);
      expect(filled.every((step) => step.step === 'arrive' && step.count >= 2_000)).toBe(true);
      const served = after[numbers.size];
      expect(served?.step === 'serve' && served.frames >= 3_000).toBe(true);
      const last = script.steps.at(-1);
      expect(last?.step === 'serve' && last.frames <= 2_000).toBe(true);
    }
    expect([...members].sort()).toEqual([2, 3]);
    const lengths = new Set(
      long.flatMap(({ steps }) => steps.flatMap((step) => ('bytes' in step ? [step.bytes] : []))),
    );
    for (const bytes of [60, 1_514, 9_018]) expect(lengths).toContain(bytes);
    // Some with weights at the edges of 8 to 16 bits, some with those of other scripts.
    // Three where no more take part, too.
    const three = scriptsOf({ maxContexts: 3 }).filter(({ steps }) =>
      steps.some((step) => step.step === 'arrive' && step.count >= 2_000),
    );
    expect(three.some((script) => new Set(castOf(script).map(({ context }) => context)).size === 3)).toBe(
      true,
    );
    const heaviest = long.map((script) => Math.max(...castOf(script).map(({ share }) => share.weight)));
    expect(heaviest.some((weight) => weight > 4_096)).toBe(true);
    expect(heaviest.some((weight) => weight < 255)).toBe(true);
  });

  it('keep to the numbers of contexts and of steps that are asked for', () => {
    const few = scriptsOf({ maxContexts: 2, maxSteps: 1, plain: true });
    for (const script of few) {
      const numbers = new Set(
        castOf(script)
          .slice(0, 2)
          .map(({ context }) => context),
      );
      expect(numbers.size).toBe(2);
      // One step, but for bursts of one context, which are a step per size.
      const after = script.steps.slice(2);
      expect(after.length === 1 || after.every(({ step }) => step === 'arrive')).toBe(true);
      expect(after.length).toBeGreaterThanOrEqual(1);
    }
    const many = scriptsOf({ maxContexts: 9 }, 60);
    expect(
      Math.max(...many.map((script) => new Set(castOf(script).map(({ context }) => context)).size)),
    ).toBe(9);
    expect(Math.max(...scriptsOf({ plain: true }, 60).map(({ steps }) => steps.length))).toBeGreaterThan(60);
    for (const script of scriptsOf({ maxContexts: 2 }))
      expect(new Set(castOf(script).map(({ context }) => context)).size).toBe(2);
  });

  it('have shares as they are asked for, in the order of the contexts', () => {
    const shares = (count: number) =>
      fc.constant(Array.from({ length: count }, (_, index) => ({ weight: index + 1, priority: index })));
    for (const script of scriptsOf({ shares, plain: true, churn: false }, 30))
      for (const [index, { context, share }] of castOf(script).entries())
        expect([context, share]).toEqual([index, { weight: index + 1, priority: index }]);
  });

  it('without churn have no joins, leaves and withdrawals on the way; without reentry no frames between select and served', () => {
    const without = (...kinds: string[]) => KINDS.filter((kind) => !kinds.includes(kind));
    const calm = scriptsOf({ churn: false });
    expect(kindsOf(calm)).toEqual(without('leave', 'withdraw'));
    for (const script of calm) {
      const { length } = castOf(script);
      expect(script.steps.slice(length).some(({ step }) => step === 'join')).toBe(false);
    }
    expect(kindsOf(scriptsOf({ reentry: false }))).toEqual(without('serveWhileArriving'));
    expect(kindsOf(scriptsOf({ reentry: false, churn: false, plain: true }))).toEqual(
      without('serveWhileArriving', 'leave', 'withdraw'),
    );
  });

  it('in the model of the papers are of contexts from 0 on, begin at 0 and are short', () => {
    for (const script of scriptsOf({ plain: true })) {
      expect(script.startNs).toBe(0);
      const numbers = [...new Set(castOf(script).map(({ context }) => context))];
      expect(numbers).toEqual(numbers.map((_, index) => index));
      expect(script.steps.some((step) => step.step === 'arrive' && step.count > 60)).toBe(false);
    }
  });
});

describe('long runs', () => {
  const AGES_BYTES = [0, 2 ** 29, 2 ** 31, 2 ** 32];

  it('are one for each number of bits that overflows: 29, 31 and 32, and one of fresh contexts', () => {
    expect(LONG_RUNS).toBe(4);
    for (const [run, age] of AGES_BYTES.entries()) {
      for (const { startNs: start, steps, longRunFrames } of drawn(longRun(run, 1_000), 20)) {
        expect([start, longRunFrames]).toEqual([0, 1_000]);
        const kinds = steps.map(({ step }) => step);
        const three = <T>(kind: T) => [kind, kind, kind];
        expect(kinds).toEqual([
          ...three('join'),
          ...three('arrive'),
          'serve',
          ...(age > 0 ? ['arrive', 'serve'] : []),
          ...three('arrive'),
          'serve',
        ]);
        const arrivals = steps.flatMap((step) => (step.step === 'arrive' ? [step] : []));
        const served = steps.flatMap((step) => (step.step === 'serve' ? [step.frames] : []));
        const contexts = steps.slice(0, 3).flatMap((step) => ('context' in step ? [step.context] : []));
        expect(new Set(contexts).size).toBe(3);
        expect(arrivals.slice(0, 3).map(({ count }) => count)).toEqual([2, 2, 2]);
        expect(arrivals.slice(-3).map(({ count, context }) => [count, context])).toEqual(
          contexts.map((context) => [1_000, context]),
        );
        expect([served[0], served.at(-1)]).toEqual([6, 1_000]);
        for (const { bytes, context } of arrivals) {
          const sizes = [[9_018], [1_514, 4_000, 9_018], [1_514, 9_018]][contexts.indexOf(context)];
          expect(sizes).toContain(bytes);
        }
        if (age === 0) continue;
        // The first context alone comes to 2^24 bytes below the age, so that it passes it beside the others.
        const alone = arrivals[3];
        expect([alone?.context, served[1]]).toEqual([contexts[0], alone?.count]);
        const left = age - (alone?.count ?? 0) * 9_018;
        expect(left).toBeGreaterThanOrEqual(2 ** 24);
        expect(left).toBeLessThan(2 ** 24 + 9_018);
      }
    }
  });

  it('are of small weights in four ratios, with whatever else a share has', () => {
    const shares = (count: number) =>
      fc.constant(Array.from({ length: count }, (_, priority) => ({ weight: 9, priority })));
    const seen = new Set<string>();
    for (const { steps } of drawn(longRun(4, 10, { shares, plain: true }), 60)) {
      const joins = steps.flatMap((step) => (step.step === 'join' ? [step] : []));
      seen.add(joins.map(({ share }) => share.weight).join(' '));
      expect(joins.map(({ context, share }) => [context, share.priority])).toEqual([
        [0, 0],
        [1, 1],
        [2, 2],
      ]);
      // The ages begin again.
      expect(steps).toHaveLength(11);
    }
    expect([...seen].sort()).toEqual(['1 1 1', '1 2 3', '1 3 1', '1 4 2']);
  });
});

describe('the numbers of scripts', () => {
  it('of frames are the sizes most frequent on real links, and others between', () => {
    const lengths = drawn(frameBytes());
    expect(lengths.every((bytes) => whole(bytes, 60, 9_018))).toBe(true);
    for (const bytes of [60, 64, 576, 1_513, 1_514, 9_018]) expect(lengths).toContain(bytes);
    expect(new Set(lengths).size).toBeGreaterThan(50);
  });

  it('of a burst are one to four frames, 5 to 60 of one size, or 10 to 40 of any', () => {
    const kinds = drawn(burst()).map((frames) => {
      const [first] = frames;
      expect(frames.every(({ bytes }) => whole(bytes, 60, 9_018))).toBe(true);
      if (frames.length === 1 && first !== undefined && first.count > 1)
        return whole(first.count, 5, 60) ? 'many of one size' : first.count;
      expect(frames.every(({ count }) => count === 1)).toBe(true);
      if (whole(frames.length, 1, 4)) return 'a few';
      return whole(frames.length, 10, 40) ? 'many' : frames.length;
    });
    expect(new Set(kinds)).toEqual(new Set(['a few', 'many', 'many of one size']));
  });

  it('of weights are equal, small, coprime, nearly equal, far apart, or at the edges of 8 to 16 bits', () => {
    const lists = drawn(weights(4), 600);
    expect(lists.every((list) => list.length === 4 && list.every((weight) => whole(weight, 1, 65_535)))).toBe(
      true,
    );
    const some = (kind: (list: number[]) => boolean) => lists.filter(kind).length;
    const among =
      (...known: number[]) =>
      (list: number[]) =>
        list.every((weight) => known.includes(weight));
    expect(some((list) => new Set(list).size === 1 && list[0] === 1)).toBeGreaterThan(30);
    expect(some((list) => Math.max(...list) <= 5 && new Set(list).size > 1)).toBeGreaterThan(20);
    expect(some(among(2, 3, 5, 7, 11, 13, 17, 19))).toBeGreaterThan(30);
    expect(some((list) => list.every((weight) => whole(weight, 1_000, 1_003)))).toBeGreaterThan(30);
    expect(some((list) => among(1, 1_000)(list) && list.includes(1_000))).toBeGreaterThan(30);
    expect(some((list) => among(1, 3, 255, 256, 257, 300)(list) && Math.max(...list) > 200)).toBeGreaterThan(
      30,
    );
    const all = new Set(lists.flat());
    for (const edge of [1_023, 1_025, 4_095, 4_096, 4_097, 16_385, 32_769, 65_535])
      expect(all).toContain(edge);
    expect([...all].filter((weight) => weight > 5_000).length).toBeGreaterThan(10);
  });

  it('of contexts are dense, about the size of a map, equal modulo the size of a map, or sparse, and never the same', () => {
    const lists = drawn(contextNumbers(4), 400);
    for (const list of lists) {
      expect(list.every((number) => whole(number, 0, 16_383))).toBe(true);
      expect(new Set(list).size).toBe(4);
    }
    const steps = ([first = 0, ...others]: number[]) =>
      others.map((number, index) => (number - first) / (index + 1));
    const even = (list: number[]) => (new Set(steps(list)).size === 1 ? steps(list)[0] : undefined);
    expect(
      lists.filter(([first, ...rest]) => first === 0 && even([first, ...rest]) === 1).length,
    ).toBeGreaterThan(80);
    const modulo = new Set(lists.map(even).filter((step) => step !== undefined && step > 1));
    for (const size of [8, 16, 32, 64, 128, 256, 1_024, 4_096]) expect(modulo).toContain(size);
    const edges = new Set(
      lists
        .filter(([first]) => first !== 0)
        .filter((list) => even(list) === 1)
        .map(([first]) => first),
    );
    for (const edge of [8, 16, 32, 64, 128, 256, 1_024, 4_096, 8_192]) expect(edges).toContain(edge - 2);
    expect(edges).toContain(16_380);
    const uneven = lists.filter((list) => even(list) === undefined);
    expect(uneven.length).toBeGreaterThan(40);
    expect(uneven.some((list) => Math.max(...list) > 1_100)).toBe(true);
    expect(
      drawn(contextNumbers(40), 100).every((list) => list.every((number) => whole(number, 0, 16_383))),
    ).toBe(true);
  });

  it('of full shares are each there or not, within their ranges, and minimums take less than half of the link', () => {
    const linkBps = 1e6;
    const lists = drawn(fullShares(4, linkBps));
    const fields = ['priority', 'deadlineNs', 'tenant', 'limitBps', 'burstBytes', 'minimumBps'] as const;
    const shares = lists.flat();
    for (const field of fields) {
      const values = shares.flatMap((share) => share[field] ?? []);
      expect(values.length).toBeGreaterThan(shares.length / 5);
      expect(values.length).toBeLessThan(shares.length);
      expect(values.every((value) => Number.isInteger(value) && value >= 0)).toBe(true);
    }
    // Of the last context as of the first.
    for (const slot of [0, 3])
      expect(lists.filter((list) => Object.keys(list[slot] ?? {}).length > 1).length).toBeGreaterThan(
        lists.length / 2,
      );
    const valuesOf = (field: (typeof fields)[number]) =>
      new Set(shares.flatMap((share) => share[field] ?? []));
    expect([...valuesOf('priority')].sort()).toEqual([0, 1, 2, 3]);
    expect([...valuesOf('tenant')].sort()).toEqual([0, 1, 2]);
    expect([...valuesOf('burstBytes')].sort((a, b) => a - b)).toEqual([0, 1_514, 9_018, 20_000]);
    expect([...valuesOf('limitBps')].every((rate) => whole(rate, 10_000, linkBps))).toBe(true);
    expect([...valuesOf('deadlineNs')].every((ns) => whole(ns, 1_000, 2_000_000))).toBe(true);
    for (const list of lists) {
      expect(list).toHaveLength(4);
      expect(list.every(({ weight }) => whole(weight, 1, 65_535))).toBe(true);
      expect(list.reduce((sum, { minimumBps = 0 }) => sum + minimumBps, 0)).toBeLessThanOrEqual(linkBps / 2);
    }
  });
});
