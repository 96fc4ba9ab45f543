import { describe, expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin, WeightedFairQueueing } from '../../../scheduler/disciplines/index.js';
import { ParameterError } from '../../../scheduler/errors.js';
import {
  type CheckOptions,
  checkDiscipline,
  longRun,
  type ScriptOptions,
  scripts,
  VirtualLink,
  type VirtualLinkOptions,
} from '../../../scheduler/laws/index.js';

/** Options as a caller without types gives them. */
const untyped = (options: unknown) => options as never;

const RATE = 'expected a whole number of bits per second from 1 to 10^13';

/** Options that a check and the scripts have in common. */
const SHARED: readonly [object, string][] = [
  ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1.5].map((rate): [object, string] => [
    { rates: [rate] },
    `rates[0] is ${rate}, ${RATE}`,
  ]),
  [{ rates: [1e9, 'x'] }, `rates[1] is "x", ${RATE}`],
  [{ rates: 5 }, 'rates is 5, expected a list'],
  [{ rates: null }, 'rates is null, expected a list'],
  [{ maxContexts: 1 }, 'maxContexts is 1, expected a whole number from 2 to 16384'],
  [{ maxContexts: 16_385 }, 'maxContexts is 16385, expected a whole number from 2 to 16384'],
  [{ maxSteps: 0 }, 'maxSteps is 0, expected a whole number >= 1'],
  [{ maxSteps: '9' }, 'maxSteps is "9", expected a whole number >= 1'],
  [{ shares: [] }, 'shares is [], expected a function that makes the shares of a number of contexts'],
];

const OF_A_CHECK: readonly [unknown, string][] = [
  ...SHARED,
  [{ linkBps: 0 }, `linkBps is 0, ${RATE}`],
  [{ linkBps: 2e13 }, `linkBps is 20000000000000, ${RATE}`],
  [{ bound: 1514 }, 'bound is 1514, expected "none", or a function of two members'],
  [
    { starvationBound: 'none' },
    'starvationBound is "none", expected a function of the context that waits and the others',
  ],
  [{ order: {} }, 'order is {}, expected a function that makes a published order'],
  [{ order: DeficitRoundRobin }, 'order is the class DeficitRoundRobin, expected a function that makes'],
  [{ numRuns: -1 }, 'numRuns is -1, expected a whole number >= 0'],
  [{ numRuns: Number.POSITIVE_INFINITY }, 'numRuns is Infinity, expected a whole number >= 0'],
  [{ seed: 1.5 }, 'seed is 1.5, expected a whole number >= -9007199254740991'],
  [{ path: 17 }, 'path is 17, expected "script" or "long run" and a number'],
  [{ replay: 17 }, 'replay is 17, expected an object with startNs and steps'],
  [{ replay: null }, 'replay is null, expected an object with startNs and steps'],
  [{ longRunFrames: -1 }, 'longRunFrames is -1, expected a whole number >= 0'],
  [{ minimise: 'no' }, 'minimise is "no", expected true or false'],
  [{ longRunTolerance: -0.1 }, 'longRunTolerance is -0.1, expected a number >= 0'],
  [{ longRunTolerance: Number.NaN }, 'longRunTolerance is NaN, expected a number >= 0'],
  [{ rate: [1e6] }, 'check options: rate is not an option that is known here, expected one of: bound'],
  [{ churn: false }, 'check options: churn is not an option that is known here'],
  [null, 'check options is null, expected an object with any of: bound'],
  [5, 'check options is 5, expected an object with any of: bound'],
];

const OF_SCRIPTS: readonly [unknown, string][] = [
  ...SHARED,
  [{ churn: 'no' }, 'churn is "no", expected true or false'],
  [{ reentry: 0 }, 'reentry is 0, expected true or false'],
  [{ plain: null }, 'plain is null, expected true or false'],
  [{ numRuns: 5 }, 'script options: numRuns is not an option that is known here'],
  [null, 'script options is null, expected an object with any of: shares'],
];

describe('a check', () => {
  /** A discipline that nobody may blame: that it is asked for one is a failure already. */
  const unasked = (): Discipline => {
    throw new Error('a discipline was made');
  };

  it.each(OF_A_CHECK)('refuses %j before it makes a discipline', (options, message) => {
    const check = () => checkDiscipline(unasked, untyped(options));
    expect(check).toThrow(ParameterError);
    expect(check).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ['a class', DeficitRoundRobin, 'makeDiscipline is the class DeficitRoundRobin, expected a function that'],
    ['a discipline', new DeficitRoundRobin(), 'makeDiscipline is {'],
    ['nothing', undefined, 'makeDiscipline is missing, expected a function that makes a discipline'],
    ['a maker of names', () => 'drr', 'what makeDiscipline gives is "drr", expected an object'],
    ['a maker of nothing', () => undefined, 'what makeDiscipline gives is missing, expected an object'],
    ['a maker of what has no name', () => ({}), "the discipline's name is missing, expected text"],
    ['a maker of what cannot', () => ({ name: 'mine' }), 'mine: join is missing, expected a method, as a'],
  ])('refuses %s instead of a maker', (_what, make, message) => {
    const check = () => checkDiscipline(untyped(make), { numRuns: 1, longRunFrames: 0 });
    expect(check).toThrow(ParameterError);
    expect(check).toThrow(message);
  });

  it.each<[string, object, string]>([
    ['a rate', { step: 'rate', bps: 0 }, `replay.steps[0].bps is 0, ${RATE}`],
    [
      'a weight',
      { step: 'join', context: 1, share: { weight: 0 } },
      'replay.steps[0].share.weight is 0, expected a whole number >= 1',
    ],
  ])('refuses to replay %s of 0, which no discipline is to blame for', (_what, step, message) => {
    const replay = JSON.stringify({ startNs: 0, steps: [step] });
    expect(() => checkDiscipline(unasked, { replay })).toThrow(message);
  });

  it('takes every option, and undefined for what is left out', () => {
    const options: CheckOptions = {
      bound: () => 1e9,
      starvationBound: () => 1e12,
      numRuns: 20,
      seed: -3,
      maxContexts: 2,
      maxSteps: 30,
      linkBps: 1e9,
      rates: [1e6, 1e13],
      longRunFrames: 0,
      minimise: false,
      longRunTolerance: Number.POSITIVE_INFINITY,
    };
    expect(checkDiscipline(() => new WeightedFairQueueing({ linkBps: 1e9 }), options).runs).toBe(20);
    const none = Object.fromEntries(Object.keys(options).map((name) => [name, undefined]));
    const left = untyped({ ...none, path: undefined, replay: undefined, numRuns: 20, longRunFrames: 0 });
    expect(checkDiscipline(() => new DeficitRoundRobin(), left).runs).toBe(20);
  });
});

describe('scripts', () => {
  it.each(OF_SCRIPTS)('refuse %j', (options, message) => {
    for (const make of [scripts, (given: ScriptOptions) => longRun(0, 10, given)]) {
      expect(() => make(untyped(options))).toThrow(ParameterError);
      expect(() => make(untyped(options))).toThrow(message);
    }
  });

  it('of a long run refuse a number or a length that is none', () => {
    expect(() => longRun(-1, 10)).toThrow('run is -1, expected a whole number >= 0');
    expect(() => longRun(0, Number.NaN)).toThrow('frames is NaN, expected a whole number >= 0');
  });
});

describe('a virtual link', () => {
  it.each<[unknown, string]>([
    [{ linkBps: 0 }, `linkBps is 0, ${RATE}`],
    [{ startNs: -1 }, 'startNs is -1, expected a whole number >= 0'],
    [{ watchers: {} }, 'watchers is {}, expected a list'],
    [{ companions: 1 }, 'companions is 1, expected a list'],
    [{ order: 'fifo' }, 'order is "fifo", expected an object'],
    [{ rateBps: 1e9 }, 'virtual link options: rateBps is not an option that is known here'],
  ])('refuses %j', (options, message) => {
    expect(() => new VirtualLink(new DeficitRoundRobin(), options as VirtualLinkOptions)).toThrow(message);
  });
});
