import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { expectationText } from '../../../src/scenario/expectation-text.js';
import { checkScenario } from '../../../src/scenario/load.js';

/** What a schema expects instead of a value, in words. */
function expected(schema: z.ZodType, value: unknown): string {
  return schema.safeParse(value).error?.issues.map(expectationText).join('; ') ?? 'nothing';
}

describe('what was expected is said without the words of a schema', () => {
  it.each<[string, z.ZodType, unknown]>([
    ['expected a number', z.number(), 'x'],
    ['expected a number', z.number(), Number.NaN],
    ['expected a whole number', z.int(), 1.5],
    ['expected a number of at least 1000', z.int().min(1000), 1],
    ['expected a number of at most 3600000000000', z.number().max(3.6e12), 1e13],
    ['expected a number greater than 0', z.number().positive(), 0],
    ['expected a number less than 0.5', z.number().lt(0.5), 1],
    ['expected a number of at least -5', z.number().min(-5), -6],
    ['expected text', z.string(), 5],
    ['expected text of at least 1 character', z.string().min(1), ''],
    ['expected text of at most 80 characters', z.string().max(80), 'x'.repeat(81)],
    ['expected a list', z.array(z.number()), {}],
    ['expected a list of at least 1 item', z.array(z.number()).min(1), []],
    ['expected a list of at most 2 items', z.array(z.number()).max(2), [1, 2, 3]],
    ['expected an object', z.object({}), []],
    ['expected an object', z.record(z.string(), z.number()), 5],
    ['expected true or false', z.boolean(), 'yes'],
    ['expected text, or an object', z.union([z.string(), z.record(z.string(), z.string())]), 5],
    ['expected a whole number from 1 to 9', z.number({ error: 'expected a whole number from 1 to 9' }), 'x'],
    ['expected one of "a"|"b"', z.enum(['a', 'b']), 'c'],
    ['expected: a word of ours', z.custom(() => false, 'a word of ours'), 1],
    ['nothing', z.number(), 1],
  ])('%s', (words, schema, value) => {
    expect(expected(schema, value)).toBe(words);
  });

  it.each<[object, string]>([
    [{ guests: {} }, 'scenario: guests is {}, expected a list'],
    [{ guests: [{ weight: 1.5 }] }, 'scenario: guests[0].weight is 1.5, expected a whole number'],
    [{ guests: [{ name: 5 }] }, 'scenario: guests[0].name is 5, expected text'],
    [{ guests: [5] }, 'scenario: guests[0] is 5, expected an object'],
    [
      { guests: [{ traffic: { kind: 'constant', wireRateBps: 5 } }] },
      'guests[0].traffic.wireRateBps is 5, expected a number of at least 1000',
    ],
  ])('in a scenario: %j', (input, message) => {
    expect(() => checkScenario(input)).toThrow(message);
  });
});
