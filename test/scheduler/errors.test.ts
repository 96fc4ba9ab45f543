import { describe, expect, it } from 'vitest';
import { counted } from '../../scheduler/counted.js';
import {
  InvariantViolation,
  KernelTimeError,
  ObserverError,
  ParameterError,
  ReentryError,
  UserError,
} from '../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../scheduler/known-options.js';
import { countOf, tally, tallyIn } from '../../scheduler/tally.js';

describe('errors', () => {
  it('are named by their class, and are a mistake of a user or a defect', () => {
    const defects = [InvariantViolation, KernelTimeError, ReentryError].map((kind) => new kind('x'));
    const mistakes = [new UserError('x'), new ParameterError('x'), new ObserverError('x', 0, 'y')];
    expect(defects.map(({ name }) => name)).toEqual([
      'InvariantViolation',
      'KernelTimeError',
      'ReentryError',
    ]);
    expect(mistakes.map(({ name }) => name)).toEqual(['UserError', 'ParameterError', 'ObserverError']);
    expect(defects.every((error) => error instanceof InvariantViolation)).toBe(true);
    expect(mistakes.every((error) => error instanceof UserError)).toBe(true);
  });

  it('of an observer say which stream, when and what, as far as that is known', () => {
    const cause = new RangeError('no such row');
    const known = new ObserverError('nic.grants$', 0, cause);
    expect([known.message, known.cause, known.stream]).toEqual([
      'nic.grants$: an observer threw at 0 ns: no such row',
      cause,
      'nic.grants$',
    ]);
    const unknown = new ObserverError(undefined, undefined, 'a string');
    expect([unknown.message, unknown.cause, unknown.stream]).toEqual([
      'a stream of the run: an observer threw: a string',
      'a string',
      undefined,
    ]);
  });
});

describe('options that nothing reads', () => {
  it('are refused by name, also those that every object has', () => {
    const known = { depth: true, width: true } as const;
    refuseUnknownOptions<{ depth?: number; width?: number }>('box', { depth: 3 }, known);
    for (const name of ['dpeth', 'toString', '__proto__'])
      expect(() => refuseUnknownOptions('box', JSON.parse(`{"depth":1,"${name}":2}`), known)).toThrow(
        `box: ${name} is not an option that is known here, expected one of: depth, width`,
      );
  });
});

describe('options that are no object', () => {
  it.each<{ given: unknown; shown: string }>([
    { given: null, shown: 'null' },
    { given: 5, shown: '5' },
    { given: 'yes', shown: '"yes"' },
    { given: true, shown: 'true' },
    { given: [1], shown: '[1]' },
    { given: () => 1, shown: 'a function' },
    { given: class Box {}, shown: 'the class Box' },
    { given: Number.NaN, shown: 'NaN' },
    { given: 5n, shown: '5' },
    { given: 'x'.repeat(99), shown: `"${'x'.repeat(76)}...` },
  ])('are refused, with what would do: $shown', ({ given, shown }) => {
    expect(() => refuseUnknownOptions('box', given as object, { depth: true, width: true })).toThrow(
      `box is ${shown}, expected an object with any of: depth, width`,
    );
  });
});

describe('counts', () => {
  it('of a kind begin at 0, in a map and in a record', () => {
    const counts = new Map<string, number>();
    expect(countOf(counts, 'a')).toBe(0);
    tally(counts, 'a');
    tally(counts, 'a', 5);
    tally(counts, 'b', -2);
    expect([countOf(counts, 'a'), countOf(counts, 'b')]).toEqual([6, -2]);
    const record: { a?: number; b?: number } = {};
    tallyIn(record, 'a');
    tallyIn(record, 'a', 5);
    expect(record).toEqual({ a: 6 });
  });

  it('are told with what is counted, in the singular for one', () => {
    expect([
      counted(1, 'packet'),
      counted(0, 'packet'),
      counted(2_345, 'packet'),
      counted(2, 'entry', 'entries'),
    ]).toEqual(['1 packet', '0 packets', '2,345 packets', '2 entries']);
  });
});
