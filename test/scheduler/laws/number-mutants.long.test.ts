import { describe, expect, it } from 'vitest';
import { checkDiscipline } from '../../../scheduler/laws/index.js';
import { areCaught, cut, SHARING } from './caught.js';
import { MutantRoundRobin } from './mutants.js';
import { BoundMutant, LeastServed } from './number-mutants.js';

describe('bytes served: caught with defaults', () => {
  areCaught([
    ['cut to 31 bits', () => new LeastServed('31 bits', { cutServed: cut(31) }), SHARING],
    ['cut to 32 bits', () => new LeastServed('32 bits', { cutServed: cut(32) }), SHARING],
    ['32 bits with a sign', () => new LeastServed('int32', { cutServed: (sum) => sum | 0 }), SHARING],
    [
      'in 1/2^22 of a byte, cut to 53 bits',
      () => new LeastServed('53 bits', { unitsPerByte: 2 ** 22, cutServed: cut(53) }),
      SHARING,
    ],
    [
      'not counted after 4,000 frames',
      () => new LeastServed('4,000 frames', { chargesUntil: 4_000 }),
      SHARING,
    ],
  ]);
});

describe('a bound that is finite and says nothing: caught with defaults', () => {
  areCaught([
    [
      'finite, but wider than any link, over frames counted as equal',
      () => new BoundMutant(new MutantRoundRobin('frames counted as equal'), 'wide', () => 1e15),
      ['long-run shares follow weights'],
    ],
  ]);
});

describe('the same code without a flaw passes', () => {
  it.each([1, 2 ** 20])('LeastServed in 1/%i of a byte, over long runs', (unitsPerByte) => {
    const report = checkDiscipline(() => new LeastServed('none', { unitsPerByte }));
    expect(report.longRunChecks).toBe(12);
  });
});
