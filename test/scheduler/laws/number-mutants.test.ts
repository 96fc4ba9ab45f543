import { describe, expect, it } from 'vitest';
import { DeficitRoundRobin, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { checkDiscipline } from '../../../scheduler/laws/index.js';
import { runs } from '../../support/whole.js';
import { areCaught, cut, type Mutant, SHARING } from './caught.js';
import { MutantRoundRobin } from './mutants.js';
import {
  BoundMutant,
  DeafMutant,
  FirstWeightMutant,
  LeastServed,
  TimeMutant,
  WeightMutant,
} from './number-mutants.js';

const LINK_BPS = 1e9;
const drr = () => new DeficitRoundRobin();
const make = (name: string) => makeDiscipline(name, { linkBps: LINK_BPS });

describe('context numbers: caught with defaults', () => {
  areCaught([
    ...[8, 32, 64, 1024, 16_383].map(
      (from): Mutant => [
        `contexts from ${from} on are not heard`,
        () => new DeafMutant(drr(), from),
        ['work conservation', ...SHARING],
      ],
    ),
    ...[8, 32, 64, 256].map(
      (from): Mutant => [
        `contexts from ${from} on have a weight of 1`,
        () => new WeightMutant(drr(), `from ${from}`, (weight, context) => (context < from ? weight : 1)),
        SHARING,
      ],
    ),
    [
      'ready contexts are the bits of one 32-bit word',
      () => new LeastServed('32-bit map', { bitmapOf32: true }),
      ['work conservation', 'needless calls change nothing', ...SHARING],
    ],
  ]);
});

describe('weights: caught with defaults', () => {
  areCaught([
    ...[8, 10, 12].flatMap((bits): Mutant[] =>
      ['drr', 'sfq', 'qfq'].map(
        (name): Mutant => [
          `${name} with weights cut to ${bits} bits`,
          () => new WeightMutant(make(name), `${bits} bits`, cut(bits)),
          SHARING,
        ],
      ),
    ),
    ...['drr', 'sfq', 'wf2q+'].map(
      (name): Mutant => [
        `${name} with weights capped at 4,096`,
        () => new WeightMutant(make(name), 'capped', (weight) => Math.min(weight, 4096)),
        SHARING,
      ],
    ),
    [
      'drr that ignores a new weight on rejoining',
      () => new FirstWeightMutant(drr(), 'first weight'),
      SHARING,
    ],
    [
      'sfq that ignores a new weight on rejoining',
      () => new FirstWeightMutant(make('sfq'), 'first weight'),
      SHARING,
    ],
  ]);
});

describe('a deficit that overflows: caught with defaults', () => {
  areCaught(
    [20, 21, 22, 23, 24].flatMap((bits): Mutant[] => [
      [`wraps at ${bits} bits`, () => new MutantRoundRobin('none', cut(bits)), SHARING],
      [
        `saturates at ${bits} bits`,
        () => new MutantRoundRobin('none', (deficit) => Math.min(deficit, 2 ** bits - 1)),
        SHARING,
      ],
    ]),
  );
});

describe('time: caught with defaults', () => {
  const picoseconds = (bits: number) => (nowNs: number) =>
    Number(BigInt.asUintN(bits, BigInt(nowNs) * 1000n)) / 1000;
  const cuts: readonly [string, (nowNs: number) => number][] = [
    ['31 bits', cut(31)],
    ['32 bits', cut(32)],
    ['32 bits with a sign', (nowNs) => nowNs | 0],
    ['53 bits of picoseconds', picoseconds(53)],
  ];
  areCaught(
    ['wfq', 'sfq'].flatMap((name) =>
      cuts.map(
        ([flaw, cutTime]): Mutant => [
          `${name} with a clock of ${flaw}`,
          () => new TimeMutant(make(name), flaw, cutTime),
          ['the instant of the start changes nothing', 'no call throws', ...SHARING],
        ],
      ),
    ),
  );
});

describe('a bound that says nothing: caught with defaults', () => {
  areCaught([
    ['NaN', () => new BoundMutant(drr(), 'NaN', () => Number.NaN), ['a bound is a number']],
    ['negative', () => new BoundMutant(drr(), 'negative', () => -1), ['a bound is a number']],
    [
      'infinite',
      () => new BoundMutant(drr(), 'infinite', () => Number.POSITIVE_INFINITY),
      ['nothing was compared'],
    ],
  ]);
});

describe('a discipline that does not repeat itself: caught first, with defaults', () => {
  let instances = 0;
  /** Every second instance breaks ties the other way: state that is shared between instances. */
  const alternating = () => {
    instances += 1;
    const isEven = instances % 2 === 0;
    return new LeastServed('shared state', { tie: () => isEven });
  };
  let calls = 0;
  const restless = () =>
    new LeastServed('a tie for a coin', {
      tie: () => {
        calls = (calls * 1103515245 + 12345) % 2 ** 31;
        return calls > 2 ** 30;
      },
    });
  areCaught([
    ['by state shared between instances', alternating, ['the same calls make the same grants']],
    ['by chance', restless, ['the same calls make the same grants']],
  ]);
});

describe('the same code without a flaw passes', () => {
  it.each([1, 2 ** 22])('LeastServed in 1/%i of a byte', (unitsPerByte) => {
    const make = () => new LeastServed('none', { unitsPerByte });
    const numRuns = runs(200);
    expect(checkDiscipline(make, { numRuns, longRunFrames: 0 }).gapChecks).toBeGreaterThan(5 * numRuns);
  });
});
