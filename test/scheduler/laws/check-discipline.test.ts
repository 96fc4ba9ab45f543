import { describe, expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { FifoDrain } from '../../../scheduler/disciplines/fifo-drain.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/packet-round-robin.js';
import {
  type CheckOptions,
  checkDiscipline,
  type LawBroken,
  type Script,
} from '../../../scheduler/laws/index.js';
import { either, runs } from '../../support/whole.js';
import { caughtBy } from './law-broken-by.js';
import { MutantRoundRobin } from './mutants.js';
import { DeafMutant, WeightMutant } from './number-mutants.js';

const RUNS = runs(60);
const quick: CheckOptions = { numRuns: RUNS, longRunFrames: 0 };

function counterexample(make: () => Discipline, options: CheckOptions = {}): LawBroken & { script: Script } {
  const broken = caughtBy(() => checkDiscipline(make, { longRunFrames: 0, ...options }));
  const script = broken?.counterexample?.script;
  if (broken === undefined || script === undefined) throw new Error('nothing was found');
  return Object.assign(broken, { script });
}

describe('the laws', () => {
  it.each([64, 1514, 9018])('hold for deficit round robin with a quantum of %i', (quantumBytes) => {
    const report = checkDiscipline(() => new DeficitRoundRobin({ quantumBytes }), quick);
    expect(report.runs).toBe(RUNS);
    expect(report.gapChecks).toBeGreaterThan(RUNS * 16);
    expect(report.largestGapRatio).toBeGreaterThan(0.5);
  });

  it('hold for packet round robin, which bounds waiting only', () => {
    const report = checkDiscipline(() => new PacketRoundRobin(), {
      ...quick,
      starvationBound: (_waiting, others) => others.reduce((sum, other) => sum + other.maxFrameBytes, 0),
    });
    expect(report.starvationChecks).toBeGreaterThan(RUNS * 16);
  });

  it('catch FIFO drain starving the rest as soon as a bound is set', () => {
    expect(() =>
      checkDiscipline(() => new FifoDrain(), {
        ...quick,
        starvationBound: (_waiting, others) => others.reduce((sum, other) => sum + other.maxFrameBytes, 0),
      }),
    ).toThrow('no context starves');
  });

  it('catch packet round robin counting frames where bytes were promised', () => {
    const found = caughtBy(() => checkDiscipline(() => new PacketRoundRobin(), { bound: () => 3 * 9018 }));
    const { message = '' } = found ?? {};
    expect(message).toMatch(/prr breaks "(shares follow weights|an idle context gains nothing)"/);
    // The timeline comes with it: which context joined with which weight, what arrived, what was granted, and how to repeat it.
    expect(message).toMatch(/joins w=\d+/);
    expect(message).toMatch(/^ +0 .* \+\d+/m);
    expect(message).toMatch(/^ +\d+ .* > \d+/m);
    expect(message).toMatch(/found with \{ seed: -?\d+, path: 'script \d+' \}/);
    expect(message).toMatch(/played again by \{ replay: '\{"startNs":0,"steps":\[.*\]\}' \}/);
  });
});

describe('a counterexample', () => {
  it('is minimal: a deficit kept while idle needs two contexts, small frames and a large one', () => {
    const { script, law } = counterexample(() => new MutantRoundRobin('deficit kept while idle'));
    const play = (steps: Script['steps']) =>
      caughtBy(() =>
        checkDiscipline(() => new MutantRoundRobin('deficit kept while idle'), {
          replay: { ...script, steps },
        }),
      );
    expect(play(script.steps)?.law).toBe(law);
    // Without any one of its steps, and with a frame less in any one of its steps, nothing is found.
    for (const [index, step] of script.steps.entries()) {
      expect(play(script.steps.toSpliced(index, 1))?.law).not.toBe(law);
      if (step.step !== 'arrive' || step.count === 1) continue;
      expect(play(script.steps.with(index, { ...step, count: step.count - 1 }))?.law).not.toBe(law);
    }
  });

  it('names the smallest context number and the smallest weight that are treated wrongly', () => {
    const deaf = counterexample(() => new DeafMutant(new DeficitRoundRobin(), 64));
    expect(deaf.script.steps).toEqual([
      { step: 'join', context: 64, share: { weight: 1 } },
      { step: 'arrive', context: 64, bytes: 60, count: 1 },
    ]);
    const capped = counterexample(
      () =>
        new WeightMutant(new DeficitRoundRobin({ quantumBytes: 60 }), 'capped', (weight) =>
          Math.min(weight, 100),
        ),
    );
    const weights = capped.script.steps.flatMap((step) => (step.step === 'join' ? [step.share.weight] : []));
    expect(Math.max(...weights)).toBeGreaterThan(100);
    expect(weights).toHaveLength(2);
  });

  it('is played again from its script, its JSON, and from its seed and path', () => {
    const make = () => new MutantRoundRobin('frames counted as equal');
    const found = counterexample(make, { seed: 7 });
    const { seed, path } = found.counterexample ?? {};
    const replays: CheckOptions[] = [
      { replay: found.script },
      { replay: JSON.stringify(found.script) },
      { replay: JSON.stringify(found) },
      { ...(seed === undefined ? {} : { seed }), ...(path === undefined ? {} : { path }), longRunFrames: 0 },
    ];
    for (const options of replays) {
      const again = caughtBy(() => checkDiscipline(make, options));
      expect(again?.law).toBe(found.law);
      expect(again?.counterexample?.script).toEqual(found.script);
      expect(again?.message.split('\n')[0]).toBe(found.message.split('\n')[0]);
    }
    // The right one passes the same script.
    expect(checkDiscipline(() => new DeficitRoundRobin(), { replay: found.script }).runs).toBe(1);
  });

  it.each([
    [either(3_000, 1_500), true],
    [either(3_000, 1_500), false],
    [either(30_000, 3_000), false],
  ])(
    'of a long run of %i frames is judged as a long run when it is played again (made smaller: %s)',
    (frames, minimise) => {
      // Round robin by frames, with a bound so wide that only the long-run shares show it.
      const options: CheckOptions = { bound: () => 1e12, numRuns: 20, seed: 3 };
      const found = caughtBy(() =>
        checkDiscipline(() => new PacketRoundRobin(), { ...options, longRunFrames: frames, minimise }),
      );
      expect(found?.law).toBe('long-run shares follow weights');
      expect(found?.counterexample?.path).toMatch(/^long run \d$/);
      for (const replay of [JSON.stringify(found), JSON.stringify(found?.counterexample?.script)]) {
        const again = caughtBy(() => checkDiscipline(() => new PacketRoundRobin(), { ...options, replay }));
        expect(again?.law).toBe('long-run shares follow weights');
        // The right discipline is compared too; what was made smaller need not keep its contexts backlogged.
        const right = checkDiscipline(() => new DeficitRoundRobin(), { replay });
        if (!minimise) expect(right.longRunChecks).toBe(3);
      }
    },
  );

  it('is printed whole, whatever its length', () => {
    const late = () => new MutantRoundRobin('none', (deficit) => Math.min(deficit, 2 ** 24 - 1));
    const { message, script } = counterexample(late, { minimise: false });
    const frames = script.steps.reduce((sum, step) => sum + (step.step === 'arrive' ? step.count : 0), 0);
    expect(frames).toBeGreaterThan(4_000);
    const arrivals = [...message.matchAll(/\+(\d+)(?: x (\d+))?/g)].map((match) => Number(match[2] ?? 1));
    expect(message).not.toContain('earlier lines');
    expect(arrivals.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(4_000);
  });

  it('that is not a script is refused by naming the field', () => {
    const check = (replay: string) => () => checkDiscipline(() => new DeficitRoundRobin(), { replay });
    expect(check('{')).toThrow('replay is not JSON');
    expect(check('[]')).toThrow('replay is [], expected an object with startNs and steps');
    expect(check('{"startNs":-1}')).toThrow('replay.startNs is -1, expected a whole number >= 0');
    expect(check('{"startNs":0}')).toThrow('replay.steps is undefined, expected a list');
    expect(check('{"startNs":0,"steps":[{"step":"go"}]}')).toThrow(
      'replay.steps[0].step is "go", expected one of join, leave, arrive',
    );
    expect(check('{"startNs":0,"steps":[{"step":"serve","frames":1.5}]}')).toThrow(
      'replay.steps[0].frames is 1.5, expected a whole number >= 0',
    );
    expect(check('{"startNs":0,"steps":[],"longRunFrames":"3"}')).toThrow(
      'replay.longRunFrames is "3", expected a whole number >= 0',
    );
    expect(check('{"startNs":0,"steps":[{"step":"join","context":1}]}')).toThrow(
      'replay.steps[0].share is undefined, expected an object with a weight',
    );
    expect(() => checkDiscipline(() => new DeficitRoundRobin(), { path: '17' })).toThrow(
      'path is "17", expected "script" or "long run" and a number',
    );
  });
});

describe('the scripts of a check', () => {
  /** The scripts of a check as they are drawn: a discipline that refuses to work has each of them reported. */
  const scriptsOf = (seed: number) =>
    Array.from({ length: 40 }, (_, run) => {
      const broken = caughtBy(() =>
        checkDiscipline(refusing, { seed, path: `script ${run}`, minimise: false }),
      );
      expect(broken?.counterexample).toMatchObject({ seed, path: `script ${run}` });
      return JSON.stringify(broken?.counterexample?.script);
    });
  const refusing = () =>
    Object.assign(new PacketRoundRobin(), {
      join() {
        throw new Error('refused');
      },
    });

  it('are the same for the same seed, and none is shared with a neighbouring seed', () => {
    const scripts = scriptsOf(10);
    expect(new Set(scripts).size).toBe(40);
    expect(scriptsOf(10)).toEqual(scripts);
    for (const neighbour of [9, 11, 12])
      expect(scriptsOf(neighbour).filter((script) => scripts.includes(script))).toEqual([]);
  });
});

describe('a published order', () => {
  /** Round robin by frames, as RFC 970 has it, with a plain list. */
  const roundRobin = () => {
    let round: number[] = [];
    return {
      next: () => round.slice(0, 1),
      arrived: (context: number, _bytes: number, first: boolean) => {
        if (first) round.push(context);
      },
      granted: (context: number, _bytes: number, more: boolean) => {
        round = [...round.slice(1), ...(more ? [context] : [])];
      },
      withdrawn: (context: number) => {
        round = round.filter((other) => other !== context);
      },
    };
  };

  it('is followed to the last frame', () => {
    const report = checkDiscipline(() => new PacketRoundRobin(), {
      ...quick,
      bound: 'none',
      order: roundRobin,
    });
    expect(report.orderChecks).toBeGreaterThan(RUNS * 160);
  });

  it('is violated by a discipline that follows another one', () => {
    const broken = caughtBy(() =>
      checkDiscipline(() => new FifoDrain(), { bound: 'none', order: roundRobin }),
    );
    expect(broken?.law).toBe('the published order');
    expect(broken?.message).toMatch(/context \d+ is selected at \d+ ns, the published rule says context \d+/);
  });
});
