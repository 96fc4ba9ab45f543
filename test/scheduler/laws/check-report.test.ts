import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin, PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { type CheckOptions, checkDiscipline, type Script, scripts } from '../../../scheduler/laws/index.js';
import { seedOfScript } from '../../../scheduler/laws/script-seed.js';
import { caughtBy } from './law-broken-by.js';

const drr = () => new DeficitRoundRobin();
const check = (options: CheckOptions, make: () => Discipline = drr) => checkDiscipline(make, options);

describe('the report of a check', () => {
  it('counts the scripts, and four long runs unless there are none or no shares', () => {
    const runs = (options: CheckOptions) => check({ numRuns: 3, ...options }).runs;
    expect([runs({ longRunFrames: 0 }), runs({ bound: 'none', longRunFrames: 40 })]).toEqual([3, 3]);
    const long: CheckOptions = { numRuns: 3, longRunFrames: 90, longRunTolerance: 1e6, bound: () => 1e15 };
    const all = check(long, () => new PacketRoundRobin());
    // Three contexts each, of which every pair is compared.
    expect([all.runs, all.longRunChecks]).toEqual([7, 12]);
    // Waiting is compared, shares are not: a long run would say nothing.
    const waiting = check(
      { numRuns: 3, longRunFrames: 40, starvationBound: () => 1e9 },
      () => new PacketRoundRobin(),
    );
    expect([waiting.runs, waiting.gapChecks, waiting.longRunChecks]).toEqual([3, 0, 0]);
    expect([waiting.discipline, waiting.verdict]).toEqual(['prr', 'the laws hold']);
    expect(waiting.starvationChecks).toBeGreaterThan(0);
    expect(waiting.gapUncompared).toBeGreaterThan(0);
  });

  it('sums what its scripts have compared, and keeps the largest ratio', () => {
    const paths = [0, 1, 2].map((run) => check({ path: `script ${run}`, seed: 5 }));
    const all = check({ numRuns: 3, seed: 5, longRunFrames: 0 });
    const sum = (of: (report: typeof all) => number) =>
      paths.reduce((total, report) => total + of(report), 0);
    expect(paths.map(({ runs }) => runs)).toEqual([1, 1, 1]);
    expect([all.grants, all.gapChecks, all.starvationChecks, all.gapUncompared, all.orderChecks]).toEqual([
      sum(({ grants }) => grants),
      sum(({ gapChecks }) => gapChecks),
      sum(({ starvationChecks }) => starvationChecks),
      0,
      0,
    ]);
    expect(all.largestGapRatio).toBe(Math.max(...paths.map(({ largestGapRatio }) => largestGapRatio)));
    expect(all.largestStarvationRatio).toBe(
      Math.max(...paths.map(({ largestStarvationRatio }) => largestStarvationRatio)),
    );
    expect(all.largestStarvationRatio).toBeGreaterThan(0);
    expect(all.seed).toBe(5);
  });

  it('of long runs compares three contexts each: a path plays one of them', () => {
    const long = check({ path: 'long run 0', longRunFrames: 90, longRunTolerance: 1 });
    expect([long.runs, long.longRunChecks]).toEqual([1, 3]);
    expect(caughtBy(() => check({ path: 'long run 0', longRunFrames: 90, longRunTolerance: 0 }))?.law).toBe(
      'long-run shares follow weights',
    );
  });

  it.each(['script', 'script -1', 'script 1 ', ' script 1', 'long run', 'run 1', ''])(
    'path "%s" is refused',
    (path) => {
      expect(() => check({ path })).toThrow(
        `path is "${path}", expected "script" or "long run" and a number`,
      );
    },
  );

  it('plays one script that is given, and draws none', () => {
    const replay: Script = {
      startNs: 0,
      steps: [
        { step: 'join', context: 1, share: { weight: 1 } },
        { step: 'join', context: 2, share: { weight: 1 } },
        { step: 'arrive', context: 1, bytes: 60, count: 2 },
        { step: 'arrive', context: 2, bytes: 60, count: 2 },
      ],
    };
    // Both frames of the first, in one visit, while the second waits.
    expect(check({ replay })).toMatchObject({ runs: 1, grants: 4, gapChecks: 2, verdict: 'the laws hold' });
    expect(check({ replay, bound: 'none' })).toMatchObject({
      gapChecks: 0,
      verdict: 'the laws that need no bound hold',
    });
    expect(() => check({ replay: '{}' })).toThrow('replay.startNs is undefined');
    expect(() => check({ replay: { startNs: -1, steps: [] } })).toThrow('replay.startNs is -1');
  });

  it('is of the scripts that the seed gives, with the options of scripts', () => {
    const seen: number[] = [];
    class Seen extends DeficitRoundRobin {
      override join(...call: Parameters<DeficitRoundRobin['join']>): void {
        seen.push(call[0]);
        super.join(...call);
      }
    }
    check({ seed: 9, path: 'script 4', maxContexts: 2, maxSteps: 5 }, () => new Seen());
    const [script] = fc.sample(scripts({ maxContexts: 2, maxSteps: 5 }), {
      seed: seedOfScript(9, 4),
      numRuns: 1,
    });
    const numbers = script?.steps.flatMap((step) => (step.step === 'join' ? [step.context] : []));
    expect(new Set(seen)).toEqual(new Set(numbers));
  });

  it('has the seed of fast-check unless there is another', () => {
    const { seed } = fc.readConfigureGlobal();
    expect(check({ numRuns: 1, longRunFrames: 0 }).seed).toBe(seed);
    const { seed: _, ...without } = fc.readConfigureGlobal();
    try {
      fc.configureGlobal(without);
      expect(check({ numRuns: 1, longRunFrames: 0 }).seed).toBe(1);
    } finally {
      fc.configureGlobal({ ...without, ...(seed === undefined ? {} : { seed }) });
    }
  });
});

describe('a check that has compared nothing', () => {
  it('breaks a law: the bound was infinite, or no two contexts waited at once', () => {
    const infinite = caughtBy(() => check({ numRuns: 2 }, () => new PacketRoundRobin()));
    expect(infinite?.law).toBe('nothing was compared');
    expect(infinite?.message).toMatch(
      /^prr breaks .*2 scripts, \d+ grants, .*infinite in all [1-9]\d* cases/,
    );
    const none = caughtBy(() => check({ numRuns: 0 }));
    expect(none?.message).toMatch(/0 scripts, 0 grants, .*no two contexts were backlogged/);
  });

  it('of either law is enough', () => {
    const onlyWaiting = { numRuns: 2, longRunFrames: 0, starvationBound: () => 1e12 };
    expect(check(onlyWaiting, () => new PacketRoundRobin()).verdict).toBe('the laws hold');
  });
});

describe('a law that is broken', () => {
  it('the first time alone is a discipline that does not repeat itself', () => {
    let made = 0;
    // The invariants of the first instance, which is the one under test, do not hold.
    const make = () => {
      made += 1;
      const isFirst = made === 1;
      return Object.assign(new PacketRoundRobin(), {
        checkInvariants() {
          if (isFirst) throw new Error('only once');
        },
      });
    };
    const broken = caughtBy(() => check({ numRuns: 1, bound: 'none' }, make));
    expect(broken?.law).toBe('the same calls make the same grants');
    expect(broken?.message).toMatch(
      /prr breaks .*: played twice, a script broke "invariants" and then no law/,
    );
    made = 0;
    const other = caughtBy(() =>
      check({ numRuns: 1, bound: 'none' }, () => {
        const discipline = make();
        return Object.assign(discipline, {
          activate() {
            throw new Error('always');
          },
        });
      }),
    );
    expect(other?.message).toContain('a script broke "invariants" and then "no call throws"');
  });

  it('comes with the script that breaks it, as it was drawn or as small as it goes', () => {
    const refusing = () =>
      Object.assign(new PacketRoundRobin(), {
        activate() {
          throw new Error('refused');
        },
      });
    const drawn = caughtBy(() => check({ seed: 2, bound: 'none', minimise: false }, refusing));
    const least = caughtBy(() => check({ seed: 2, bound: 'none' }, refusing));
    expect(drawn?.counterexample).toMatchObject({ seed: 2, path: 'script 0' });
    expect(least?.counterexample).toEqual({
      seed: 2,
      path: 'script 0',
      script: {
        startNs: 0,
        steps: [{ step: 'join', context: 0, share: { weight: 1 } }, expect.objectContaining({ context: 0 })],
      },
    });
    expect(drawn?.counterexample?.script.steps.length).toBeGreaterThan(2);
    // One that is given is left as it is, and names no seed.
    const script = drawn?.counterexample?.script;
    if (script === undefined) throw new Error('nothing was found');
    const replayed = caughtBy(() => check({ replay: script, bound: 'none' }, refusing));
    expect(replayed?.counterexample).toEqual({ script });
    expect(replayed?.message).not.toContain('found with');
  });
});
