import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { BoundMember } from '../../../scheduler/discipline.js';
import {
  type LinkWatcher,
  RelativeFairnessLaw,
  StarvationLaw,
  starvationFromGap,
} from '../../../scheduler/laws/index.js';
import { LawBroken } from '../../../scheduler/laws/law-broken.js';
import { LongRunLaw } from '../../../scheduler/laws/long-run-law.js';
import { caughtBy } from './law-broken-by.js';

const breaks = (law: string, message: string): never => {
  throw new LawBroken(law, message);
};

/** What happens to a watcher, with plain numbers. */
function told(law: LinkWatcher) {
  return {
    join: (context: number, weight: number) => law.joined?.(contextId(context), { weight }),
    leave: (context: number) => law.left?.(contextId(context)),
    arrive: (context: number, bytes: number, first = true) =>
      law.arrived?.(contextId(context), bytes, first, 0),
    grant: (context: number, bytes: number, more = true) =>
      law.granted?.(contextId(context), bytes, more, 1_000),
    withdraw: (context: number) => law.withdrawn?.(contextId(context), 0),
  };
}

/** Two contexts, of weights 2 and 3, that wait. */
function fairness(bound: number | ((i: BoundMember, j: BoundMember) => number), waiting = [1, 2]) {
  const law = new RelativeFairnessLaw(typeof bound === 'number' ? () => bound : bound, breaks);
  const link = told(law);
  link.join(1, 2);
  link.join(2, 3);
  for (const context of waiting) link.arrive(context, 600);
  return { law, ...link };
}

// Golestani, INFOCOM 1994: |S_i/w_i - S_j/w_j| over any interval in which both are backlogged throughout.
describe('|S_i/w_i - S_j/w_j|', () => {
  it('may be the bound, and no more', () => {
    const exact = fairness(300);
    exact.grant(1, 600);
    expect([exact.law.checks, exact.law.uncompared, exact.law.largestRatio]).toEqual([1, 0, 1]);
    const broken = caughtBy(() => fairness(299).grant(1, 600));
    expect(broken?.law).toBe('shares follow weights');
    expect(broken?.message).toMatch(
      /at 1000 ns context 1 \(weight 2\) is 300\.000 .* ahead of context 2 \(weight 3\) .* bound is 299\.000/,
    );
  });

  it('is taken over every interval: the range of the running difference', () => {
    const law = fairness(450);
    law.grant(1, 300);
    // 150 ahead, then 300 behind: 450 in the interval between.
    law.grant(2, 1_350);
    expect(law.law.largestRatio).toBe(1);
    const broken = caughtBy(() => law.grant(2, 3));
    expect(broken?.message).toMatch(/context 2 \(weight 3\) is 451\.000 .* ahead of context 1/);
  });

  it('grows from either end', () => {
    const law = fairness(10_000);
    for (const [context, bytes] of [
      [2, 300],
      [1, 400],
      [2, 900],
    ] as const)
      law.grant(context, bytes);
    // -100, +100, -200: a range of 300.
    expect(law.law.largestRatio).toBeCloseTo(0.03, 12);
  });

  it('begins when both wait: what one was served alone does not count', () => {
    const law = fairness(300, [1]);
    for (let frame = 0; frame < 9; frame += 1) law.grant(1, 600);
    expect(law.law.checks).toBe(0);
    law.arrive(2, 600);
    law.grant(1, 600);
    expect(law.law.largestRatio).toBe(1);
  });

  it('begins anew with the first frame of a backlog only', () => {
    const law = fairness(400);
    law.grant(1, 600);
    law.arrive(2, 600, false);
    expect(caughtBy(() => law.grant(1, 600))?.law).toBe('shares follow weights');
  });

  it('ends with the last frame, which counts', () => {
    const law = fairness(300);
    law.grant(1, 600, false);
    expect(law.law.checks).toBe(1);
    law.grant(2, 60_000);
    expect(law.law.checks).toBe(1);
    expect(caughtBy(() => fairness(299).grant(1, 600, false))?.law).toBe('shares follow weights');
  });

  it.each([
    ['a withdrawal', 'withdraw'],
    ['leaving', 'leave'],
  ] as const)('ends with %s', (_name, end) => {
    const law = fairness(300);
    law[end](2);
    law.grant(1, 60_000);
    law.withdraw(9);
    law.arrive(9, 60);
    law.grant(9, 60);
    expect(law.law.checks).toBe(0);
  });

  it('blames the idle time of a context that was served before it became idle', () => {
    const returned = fairness(300);
    returned.grant(1, 600, false);
    returned.arrive(1, 600);
    expect(caughtBy(() => returned.grant(1, 602))?.law).toBe('an idle context gains nothing');
    const other = fairness(300);
    other.grant(1, 600, false);
    other.arrive(1, 600);
    expect(caughtBy(() => other.grant(2, 903))?.law).toBe('shares follow weights');
  });

  it('is kept for each pair of contexts by itself', () => {
    const law = fairness(1_000);
    law.join(0, 1);
    law.grant(2, 2_700);
    law.arrive(0, 60);
    law.grant(2, 300);
    expect(law.law.largestRatio).toBe(1);
    expect(caughtBy(() => law.grant(2, 3))?.message).toContain('ahead of context 1');
  });

  it('is bounded by the largest frames so far, those that wait included, also of a context that left', () => {
    const asked: number[][] = [];
    const law = fairness((i, j) => {
      asked.push([i.weight, i.maxFrameBytes, j.weight, j.maxFrameBytes]);
      return 1e6;
    });
    law.arrive(2, 900, false);
    law.arrive(2, 700, false);
    law.grant(2, 600);
    law.leave(2);
    law.join(2, 5);
    law.arrive(2, 60);
    law.grant(1, 60);
    expect(asked).toEqual([
      [2, 600, 3, 900],
      [2, 600, 5, 900],
    ]);
  });

  it('is not compared with an infinite bound, and a bound that is no number is a law by itself', () => {
    const law = fairness(Number.POSITIVE_INFINITY);
    law.grant(1, 600);
    expect([law.law.checks, law.law.uncompared, law.law.largestRatio]).toEqual([0, 1, 0]);
    for (const bound of [Number.NaN, -1])
      expect(caughtBy(() => fairness(bound).grant(1, 600))?.law).toBe('a bound is a number');
  });

  it('of 0 is within a bound of 0', () => {
    const law = new RelativeFairnessLaw(() => 0, breaks);
    const link = told(law);
    for (const context of [1, 2]) {
      link.join(context, 1);
      link.arrive(context, 60);
    }
    link.grant(1, 0);
    expect([law.checks, law.largestRatio]).toEqual([1, 0]);
  });

  it('may exceed a bound by its rounding, a part in 10^9', () => {
    fairness(300 / (1 + 5e-10)).grant(1, 600);
    expect(caughtBy(() => fairness(300 / (1 + 2e-9)).grant(1, 600))?.law).toBe('shares follow weights');
  });
});

describe('a context that waits', () => {
  const starvation = (bound: (waiting: BoundMember, others: readonly BoundMember[]) => number) => {
    const law = new StarvationLaw(bound, breaks);
    const link = told(law);
    for (const context of [1, 2, 3]) link.join(context, context);
    return { law, ...link };
  };

  it('sees no more bytes of the others than the bound, together', () => {
    const law = starvation(() => 1_000);
    for (const context of [1, 2, 3]) law.arrive(context, 500);
    law.grant(2, 500);
    law.grant(3, 500);
    expect([law.law.checks, law.law.largestRatio]).toEqual([4, 1]);
    const broken = caughtBy(() => law.grant(2, 1));
    expect(broken?.law).toBe('no context starves');
    expect(broken?.message).toMatch(/at 1000 ns context 1 \(weight 1\) .* received 1001 bytes.* 1000\.000/);
  });

  it.each([
    ['its own frame', 'grant'],
    ['a new backlog', 'return'],
    ['rejoining', 'rejoin'],
  ])('begins to wait again with %s', (_name, how) => {
    const law = starvation(() => 1_000);
    for (const context of [1, 2]) law.arrive(context, 500);
    law.grant(2, 900);
    if (how === 'grant') law.grant(1, 500);
    if (how === 'return') {
      law.withdraw(1);
      law.arrive(1, 500);
    }
    if (how === 'rejoin') {
      law.leave(1);
      law.join(1, 1);
      law.arrive(1, 500);
    }
    law.grant(2, 900);
    expect(law.law.largestRatio).toBe(0.9);
  });

  it('does not begin again with a further frame', () => {
    const law = starvation(() => 1_000);
    for (const context of [1, 2]) law.arrive(context, 500);
    law.grant(2, 900);
    law.arrive(1, 500, false);
    expect(caughtBy(() => law.grant(2, 101))?.law).toBe('no context starves');
  });

  it.each(['withdrawn', 'served to its end', 'idle', 'unknown'])('is not one that is %s', (state) => {
    const law = starvation(() => 1_000);
    law.arrive(2, 500);
    if (state !== 'idle') law.arrive(1, 500);
    if (state === 'withdrawn') law.withdraw(1);
    if (state === 'served to its end') law.grant(1, 500, false);
    if (state === 'unknown') law.leave(1);
    law.grant(1, 0, false);
    const before = law.law.checks;
    law.grant(2, 60_000);
    law.withdraw(7);
    law.grant(7, 60_000);
    expect(law.law.checks).toBe(before);
  });

  it('is bounded by those that were served meanwhile, with their largest frames by then', () => {
    const asked: [number, number[]][] = [];
    const law = starvation((waiting, others) => {
      asked.push([
        waiting.weight,
        others.map(({ weight, maxFrameBytes }) => weight * 10_000 + maxFrameBytes),
      ]);
      return 1e6;
    });
    law.arrive(1, 500);
    law.arrive(2, 500);
    law.grant(2, 500, false);
    expect(asked.splice(0)).toEqual([[1, [20_500]]]);
    // Nothing has changed: the bound of the same wait is not asked for again.
    law.arrive(2, 500);
    law.grant(2, 500, false);
    expect(asked.splice(0)).toEqual([]);
    law.arrive(2, 600);
    law.grant(2, 600, false);
    law.arrive(3, 500);
    law.grant(3, 500, false);
    expect(asked.splice(0)).toEqual([
      [1, [20_600]],
      [1, [20_600, 30_500]],
    ]);
    // A new wait, with context 3 alone.
    law.grant(1, 500);
    law.arrive(3, 500);
    law.grant(3, 500, false);
    expect(asked).toEqual([[1, [30_500]]]);
  });

  it('is bounded as a relative fairness bound implies: w_j times the bound and a frame of each', () => {
    const bound = starvationFromGap((i, j) => i.maxFrameBytes + 10 * j.maxFrameBytes);
    const member = (weight: number, maxFrameBytes: number): BoundMember => ({ weight, maxFrameBytes });
    expect(bound(member(1, 7), [member(2, 100), member(3, 200)])).toBe(
      2 * (7 + 1_000) + 100 + 3 * (7 + 2_000) + 200,
    );
    expect(bound(member(1, 7), [])).toBe(0);
  });

  it('needs a bound that is a number', () => {
    const law = starvation(() => Number.NaN);
    for (const context of [1, 2]) law.arrive(context, 500);
    expect(caughtBy(() => law.grant(2, 500))?.law).toBe('a bound is a number');
  });
});

describe('long-run shares', () => {
  const longRun = (tolerance: number) => {
    const law = new LongRunLaw(tolerance, breaks);
    const link = told(law);
    link.join(1, 2);
    link.join(2, 4);
    link.join(3, 8);
    for (const context of [1, 2]) link.arrive(context, 500);
    return { law, ...link };
  };

  it.each([
    // Due is 1/2, with a tolerance of one half of it.
    [75, 100, true],
    [76, 100, false],
    [25, 100, true],
    [24, 100, false],
  ])('of %i to %i bytes at weights of 2 to 4 are within half of their ratio: %s', (one, two, within) => {
    const { law, grant } = longRun(0.5);
    grant(1, one);
    grant(2, two);
    const broken = caughtBy(() => expect(law.judge(2)).toBe(1));
    expect(broken?.law).toBe(within ? undefined : 'long-run shares follow weights');
  });

  it('are judged after so many frames, and not before', () => {
    const { law, grant } = longRun(0.5);
    grant(1, 100);
    grant(1, 100);
    expect(law.judge(3)).toBe(0);
    expect(caughtBy(() => law.judge(2))?.message).toMatch(
      /over 2 frames context 1 .* 200 bytes and context 2/,
    );
  });

  it('are those of every pair that is backlogged, and of no other', () => {
    const { law, arrive, grant } = longRun(0);
    arrive(3, 500);
    for (const [context, bytes] of [
      [1, 100],
      [2, 200],
      [3, 400],
    ] as const)
      grant(context, bytes);
    expect(law.judge(3)).toBe(3);
  });

  it.each([
    ['a context joins', (link: ReturnType<typeof longRun>) => link.join(4, 1)],
    ['a context leaves', (link: ReturnType<typeof longRun>) => link.leave(3)],
    ['a context returns', (link: ReturnType<typeof longRun>) => link.arrive(3, 500)],
    ['a backlog is withdrawn', (link: ReturnType<typeof longRun>) => link.withdraw(2)],
    ['a queue is empty', (link: ReturnType<typeof longRun>) => link.grant(2, 500, false)],
  ])('are counted from when the set of those backlogged last changed: %s', (_name, change) => {
    const link = longRun(0.5);
    link.grant(1, 9_999);
    change(link);
    expect(link.law.judge(1)).toBe(0);
    link.grant(1, 100);
    link.grant(2, 200);
    link.grant(3, 400);
    expect(() => link.law.judge(3)).not.toThrow();
  });

  it('go on through frames that arrive behind others, and do not know contexts that never joined', () => {
    const link = longRun(0.5);
    link.grant(1, 100);
    link.arrive(1, 500, false);
    link.grant(2, 200);
    link.grant(9, 60_000);
    link.withdraw(9);
    expect(link.law.judge(2)).toBe(1);
  });
});
