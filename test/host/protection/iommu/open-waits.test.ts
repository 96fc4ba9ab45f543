import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenWaits } from '../../../../host/protection/iommu/open-waits.js';
import { ioPageNumber, pageNumber } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';

describe('waits that the unit has not reported', () => {
  it('are reported oldest first, each to its own with its own numbers, however many there are and whenever they grow', () => {
    const step = fc.record({
      push: fc.integer({ min: 0, max: 90 }),
      report: fc.integer({ min: 0, max: 90 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const waits = new OpenWaits();
        const open: (readonly number[])[] = [];
        const reported: (readonly number[])[] = [];
        const expected: (readonly number[])[] = [];
        let pushed = 0;
        for (const { push, report } of steps) {
          for (let count = 0; count < push; count += 1) {
            pushed += 1;
            const number = pushed;
            const numbers = [number, number * 2 ** 21, number % 7, number * 3] as const;
            open.push(numbers);
            waits.push(
              number,
              (...given) => reported.push([number, ...given]),
              ioPageNumber(numbers[1]),
              numbers[2],
              pageNumber(numbers[3]),
            );
          }
          for (let count = 0; count < report && open.length > 0; count += 1) {
            const oldest = open.shift() ?? [];
            expected.push(oldest);
            expect(waits.oldestNumber).toBe(oldest[0]);
            waits.reportOldest();
          }
          expect(waits.count).toBe(open.length);
          expect(reported).toEqual(expected);
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
