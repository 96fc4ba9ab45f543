import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Work, WorkQueues } from '../../../host/cpu/work-queue.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { runs } from '../../support/whole.js';

const step = fc.record({
  account: fc.nat(3),
  kind: fc.constantFrom('push', 'push', 'push', 'shift', 'shift', 'clear'),
});

test('each account has its work in the order in which it was asked for, whatever the others do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queues = new WorkQueues();
      const expected: [Work, number][][] = [[], [], [], []];
      for (const _ of expected) queues.add();
      for (const [number, { account, kind }] of steps.entries()) {
        const queue = expected[account] ?? [];
        if (kind === 'push') {
          const work: Work = number % 2 === 0 ? () => number : { work: () => undefined };
          queue.push([work, number]);
          queues.push(account, work, number);
        } else if (kind === 'clear') {
          queue.length = 0;
          queues.clear(account);
        } else if (queue.length > 0) {
          const [work, argument] = queue.shift() ?? [];
          expect(queues.argument(account)).toBe(argument);
          expect(queues.shift(account)).toBe(work);
        } else expect(() => queues.shift(account)).toThrow(InvariantViolation);
        for (const [at, { length }] of expected.entries()) expect(queues.count(at)).toBe(length);
      }
    }),
    { numRuns: runs(300) },
  );
});
