import { describe, expect, it } from 'vitest';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';

describe('present', () => {
  it('returns values that exist, including zero and the empty string', () => {
    expect(present(new Int32Array([0, 7])[0])).toBe(0);
    expect(present(new Map([['a', '']]).get('a'))).toBe('');
    expect(present<null>(null)).toBeNull();
  });

  it('fails for an index before, at or beyond the end of a column, and for a fraction', () => {
    const column = new Float64Array(3);
    for (const index of [-1, 3, 1.5, Number.NaN]) {
      expect(() => present(column[index]), `index ${index}`).toThrow(InvariantViolation);
    }
  });
});
