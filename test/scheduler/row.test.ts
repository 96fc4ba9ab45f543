import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Row } from '../../scheduler/row.js';
import { runs } from '../support/whole.js';

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), value: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('insert' as const), value: fc.nat(9), at: fc.nat(99) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), value: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
);

describe('a row', () => {
  it('is what an array is, whatever is done to it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const row = new Row<number>();
        const model: number[] = [];
        for (const one of steps) {
          if (one.kind === 'push') {
            row.push(one.value);
            model.push(one.value);
          } else if (one.kind === 'insert') {
            const at = one.at % (model.length + 1);
            row.insert(at, one.value);
            model.splice(at, 0, one.value);
          } else if (one.kind === 'shift') {
            expect(row.shift()).toBe(model.shift());
          } else if (one.kind === 'remove') {
            const at = model.indexOf(one.value);
            if (at >= 0) model.splice(at, 1);
            expect(row.remove(one.value)).toBe(at);
          } else {
            row.clear();
            model.length = 0;
          }
          expect(row.count).toBe(model.length);
          expect(Array.from({ length: model.length + 1 }, (_, place) => row.at(place))).toEqual([
            ...model,
            undefined,
          ]);
          for (const value of [0, 5])
            expect(row.countOf(value)).toBe(model.filter((x) => x === value).length);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
