import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arctangent } from '../../guests/traffic/elementary-functions.js';
import { ceilLog2, floorLog2, powerOfTwoFrom } from '../../scheduler/whole-logarithm.js';

const root = new URL('../..', import.meta.url).pathname;

/** What ECMAScript leaves to the engine ("implementation-approximated"); `sqrt` is exact. */
const APPROXIMATED =
  /\bMath\.(acosh?|asinh?|atanh?|atan2|cbrt|cosh?|exp|expm1|hypot|log|log10|log1p|log2|pow|sinh?|tanh?)\b/u;

/** What only draws: no number of a result depends on it. */
const DRAWING = /^src\/(report\/charts|lab\/page)\//u;

function sourcesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/u.test(name))
    .map((name) => `${folder}/${name}`)
    .filter((path) => !DRAWING.test(path));
}

test('law 1: no result depends on a function that the engine approximates', () => {
  const found: string[] = [];
  for (const path of ['scheduler', 'nic', 'host', 'guests', 'src'].flatMap(sourcesOf)) {
    const lines = readFileSync(join(root, path), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      const code = line.replace(/^\s*(\*|\/\/).*|`[^`]*`/u, '');
      if (APPROXIMATED.test(code)) found.push(`${path}:${index + 1}: ${line.trim()}`);
    }
  }
  expect(found).toEqual([]);
});

describe('the functions in their place', () => {
  test('floorLog2 and ceilLog2 enclose every value between powers of two', () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -1000, max: 2 ** 1000, noNaN: true }), (value) => {
        expect(2 ** floorLog2(value)).toBeLessThanOrEqual(value);
        expect(2 ** (floorLog2(value) + 1)).toBeGreaterThan(value);
        expect(2 ** ceilLog2(value)).toBeGreaterThanOrEqual(value);
        expect(2 ** (ceilLog2(value) - 1)).toBeLessThan(value);
      }),
    );
    for (let exponent = -60; exponent <= 60; exponent += 1) {
      expect([floorLog2(2 ** exponent), ceilLog2(2 ** exponent)]).toEqual([exponent, exponent]);
      expect(powerOfTwoFrom(2 ** exponent * 1.0000001)).toBe(2 ** (exponent + 1));
    }
  });

  test('arctangent is that of the engine within its error', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e300, noNaN: true }), (x) => {
        expect(Math.abs(arctangent(x) - Math.atan(x))).toBeLessThanOrEqual(
          1e-14 * Math.max(1e-300, Math.atan(x)),
        );
      }),
    );
  });
});
