import { describe, expect, it } from 'vitest';
import { LawBroken, type Script, type Step } from '../../../scheduler/laws/index.js';
import { SmallerScript } from '../../../scheduler/laws/smaller-script.js';
import type { TrialOutcome } from '../../../scheduler/laws/trial.js';

const outcome = (
  law: string | undefined,
  { brokenAt = 0, grantsInStep = 0, grants = 1 } = {},
): TrialOutcome => ({
  broken: law === undefined ? undefined : new LawBroken(law, law),
  brokenAt,
  grantsInStep,
  grants,
  gapChecks: 0,
  gapUncompared: 0,
  largestGapRatio: 0,
  starvationChecks: 0,
  largestStarvationRatio: 0,
  orderChecks: 0,
  longRunChecks: 0,
});

/** The smallest script of which a rule says that it breaks the law, and the number of scripts that were played for it. */
function smallest(script: Script, breaks: (script: Script) => boolean, law = (_script: Script) => 'a law') {
  let played = 0;
  const play = (smaller: Script) => {
    played += 1;
    const broken = breaks(smaller);
    return outcome(broken ? law(smaller) : undefined, { brokenAt: smaller.steps.length });
  };
  const first = outcome('a law', { brokenAt: script.steps.length });
  const found = new SmallerScript(play, script, first).find();
  expect(found.outcome.broken?.law).toBe('a law');
  return { script: found.script, played };
}

const join = (context: number, weight: number, more: object = {}): Step => ({
  step: 'join',
  context,
  share: { weight, ...more },
});
const arrive = (context: number, bytes: number, count: number): Step => ({
  step: 'arrive',
  context,
  bytes,
  count,
});
const noise: Step[] = [
  { step: 'pass', ns: 9_999 },
  { step: 'serve', frames: 17 },
  { step: 'comeAndGo', context: 900, bytes: 1_514, times: 7 },
  { step: 'withdraw', context: 900 },
];

const joinOf = (script: Script, heavy = 0) =>
  script.steps.find((step) => step.step === 'join' && step.share.weight > heavy);
const arrivalsOf = (script: Script) => script.steps.flatMap((step) => (step.step === 'arrive' ? [step] : []));

describe('a script that breaks a law is made smaller', () => {
  it('until no step can be left out, and no number is larger than it has to be', () => {
    const script: Script = {
      startNs: 4_294_000_000,
      steps: [
        ...noise,
        join(900, 3, { priority: 2 }),
        ...noise,
        join(70, 40_000, { minimumBps: 10, tenant: 1 }),
        arrive(900, 1_514, 9),
        arrive(70, 1_514, 60),
        ...noise,
      ],
    };
    const breaks = (smaller: Script) => {
      const heavy = joinOf(smaller, 12);
      return (
        smaller.startNs >= 1_000 &&
        heavy?.step === 'join' &&
        arrivalsOf(smaller).some(
          ({ bytes, count, context }) => bytes >= 777 && count >= 5 && context === heavy.context,
        )
      );
    };
    expect(smallest(script, breaks).script).toEqual({
      startNs: 1_000,
      steps: [join(0, 13), arrive(0, 777, 5)],
    });
  });

  it.each<[string, Step, Step]>([
    ['frames that are served', { step: 'serve', frames: 40 }, { step: 'serve', frames: 3 }],
    ['time that passes', { step: 'pass', ns: 40 }, { step: 'pass', ns: 3 }],
    [
      'frames that come and go',
      { step: 'comeAndGo', context: 4, bytes: 90, times: 9 },
      { step: 'comeAndGo', context: 0, bytes: 60, times: 3 },
    ],
  ])('in the number of %s', (_name, large, least) => {
    const numbers = (step: Step) =>
      'frames' in step ? step.frames : 'ns' in step ? step.ns : 'times' in step ? step.times : 0;
    const breaks = ({ steps }: Script) =>
      steps.some((step) => step.step === large.step && numbers(step) >= 3);
    const { script } = smallest({ startNs: 0, steps: [...noise, large, ...noise] }, breaks);
    expect(script.steps).toHaveLength(1);
    // What was in the way may have been left out in place of the one that was asked for; both come to the same.
    expect(script.steps[0]).toEqual(least);
  });

  it('to the numbers that make sense: frames of 60 bytes, one of each, a weight of 1, no time', () => {
    const steps: Step[] = [
      join(5, 9, { burstBytes: 3 }),
      arrive(5, 9_018, 50),
      { step: 'serve', frames: 9 },
      { step: 'comeAndGo', context: 5, bytes: 64, times: 4 },
      { step: 'serveWhileArriving', context: 5, bytes: 65 },
      { step: 'pass', ns: 77 },
    ];
    const kinds = (script: Script) => script.steps.map(({ step }) => step).join();
    const all = kinds({ startNs: 0, steps });
    expect(smallest({ startNs: 5, steps }, (smaller) => kinds(smaller) === all).script).toEqual({
      startNs: 0,
      steps: [
        join(0, 1),
        arrive(0, 60, 1),
        { step: 'serve', frames: 1 },
        { step: 'comeAndGo', context: 0, bytes: 60, times: 1 },
        { step: 'serveWhileArriving', context: 0, bytes: 60 },
        { step: 'pass', ns: 0 },
      ],
    });
  });

  it('and what a share has besides its weight is left out, unless it is needed', () => {
    const steps = [join(0, 2, { priority: 7, limitBps: 8, tenant: 3 })];
    const breaks = (script: Script) => {
      const step = joinOf(script);
      return step?.step === 'join' && step.share.limitBps === 8;
    };
    expect(smallest({ startNs: 0, steps }, breaks).script.steps).toEqual([join(0, 1, { limitBps: 8 })]);
  });

  it('and contexts are numbered as they are ordered, from 0 on, where that breaks the law', () => {
    const serve: Step = { step: 'serve', frames: 1 };
    const steps = [join(90, 1), serve, join(17, 1), arrive(90, 60, 1), arrive(17, 60, 1)];
    const breaks = (script: Script) => {
      const [first, second] = arrivalsOf(script);
      return (
        script.steps.length === 5 &&
        first !== undefined &&
        second !== undefined &&
        second.context < first.context
      );
    };
    expect(smallest({ startNs: 0, steps }, breaks).script.steps).toEqual([
      join(1, 1),
      serve,
      join(0, 1),
      arrive(1, 60, 1),
      arrive(0, 60, 1),
    ]);
  });

  it('and that all at once, where one alone would mend it: two neighbours stay neighbours', () => {
    const breaks = (script: Script) => {
      const [first, second] = arrivalsOf(script);
      return first !== undefined && second !== undefined && second.context === first.context + 1;
    };
    const steps = [arrive(63, 60, 1), arrive(64, 60, 1)];
    expect(smallest({ startNs: 0, steps }, breaks).script.steps).toEqual([
      arrive(0, 60, 1),
      arrive(1, 60, 1),
    ]);
  });

  it('and otherwise each is numbered as low as it goes, and two stay two', () => {
    const steps = [join(90, 1), join(64, 1), join(17, 1)];
    const breaks = (script: Script) => {
      const numbers = script.steps.flatMap((step) => ('context' in step ? [step.context] : []));
      return new Set(numbers).size === 3 && numbers.filter((number) => number >= 40).length >= 2;
    };
    const numbers = smallest({ startNs: 0, steps }, breaks).script.steps.flatMap((step) =>
      'context' in step ? [step.context] : [],
    );
    expect(numbers.sort((a, b) => a - b)).toEqual([0, 40, 41]);
  });

  it('only as long as the same law is broken', () => {
    const { script } = smallest(
      { startNs: 0, steps: [join(0, 100)] },
      ({ steps }) => steps.length > 0,
      (smaller) => (joinOf(smaller, 49) === undefined ? 'another law' : 'a law'),
    );
    expect(script.steps).toEqual([join(0, 50)]);
  });

  it('and what came after the step that broke it is cut at once; that step serves as many frames as it took', () => {
    const tried: Script[] = [];
    const serve = (frames: number): Step => ({ step: 'serve', frames });
    const find = (steps: Step[], brokenAt: number, grantsInStep: number, least: number) => {
      tried.length = 0;
      const play = (script: Script) => {
        tried.push(script);
        const frames = script.steps.reduce((sum, step) => sum + (step.step === 'serve' ? step.frames : 0), 0);
        return frames >= least
          ? outcome('a law', { brokenAt: script.steps.length - 1, grantsInStep: frames })
          : outcome(undefined);
      };
      const first = outcome('a law', { brokenAt, grantsInStep });
      return new SmallerScript(play, { startNs: 0, steps }, first).find().script.steps;
    };
    expect(find([serve(50), ...noise], 0, 6, 6)).toEqual([serve(6)]);
    expect(tried[0]?.steps).toEqual([serve(6)]);
    // A frame more, where the law breaks as the frame after the last is chosen.
    expect(find([{ step: 'pass', ns: 99 }, ...noise], 0, 6, 7)).toEqual([serve(7)]);
    expect(tried.slice(0, 2).map(({ steps }) => steps)).toEqual([[serve(6)], [serve(7)]]);
    // Broken after the last step, by what was left to serve.
    expect(find([arrive(0, 60, 9)], 1, 0, 1)).toEqual([serve(1)]);
    expect(tried[0]?.steps).toEqual([arrive(0, 60, 9), serve(1)]);
    // Broken by another kind of step: it stays, and those behind it go.
    find([arrive(0, 60, 9), serve(3)], 0, 0, 3);
    expect(tried[0]?.steps).toEqual([arrive(0, 60, 9)]);
    // Nothing is behind the last one.
    find([serve(3), arrive(0, 60, 9)], 1, 0, 3);
    expect(tried[0]?.steps).not.toHaveLength(2);
  });

  it('until 600,000 frames have been played for it', () => {
    let played = 0;
    const play = () => {
      played += 1;
      return outcome(undefined, { grants: 100_000 });
    };
    const steps = Array.from({ length: 40 }, (_, index) => arrive(index, 60, 1));
    const found = new SmallerScript(play, { startNs: 0, steps }, outcome('a law', { brokenAt: 40 })).find();
    expect(played).toBe(6);
    expect(found.script.steps).toHaveLength(40);
  });

  it('in few plays: a step that does not matter goes with its neighbours, and numbers are halved', () => {
    const steps = [...Array.from({ length: 255 }, () => arrive(1, 60, 1)), arrive(0, 60_000, 1)];
    const { script, played } = smallest({ startNs: 0, steps }, (smaller) =>
      arrivalsOf(smaller).some(({ bytes }) => bytes >= 30_000),
    );
    expect(script.steps).toEqual([arrive(0, 30_000, 1)]);
    expect(played).toBeLessThan(100);
  });
});
