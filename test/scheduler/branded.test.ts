import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Branded, type ContextId, contextId } from '../../scheduler/branded.js';

describe('branded numbers', () => {
  it('a context is a whole number >= 0 and keeps its value', () => {
    expect(contextId(0)).toBe(0);
    expect(contextId(16_383)).toBe(16_383);
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => contextId(value)).toThrow(`context is ${value}, expected a whole number >= 0`);
    }
  });

  it('a brand is assignable to a number; a number or another brand is not assignable to it', () => {
    expectTypeOf<ContextId>().toExtend<number>();
    expectTypeOf<number>().not.toExtend<ContextId>();
    expectTypeOf<Branded<'HostPhysical'>>().not.toExtend<Branded<'GuestPhysical'>>();
  });
});
