import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { GrantedFrames } from '../../../src/report/granted-frames.js';
import { runs } from '../../support/whole.js';

const step = fc.record({
  context: fc.nat(2),
  bytes: fc.constantFrom(60, 90, 1514),
  kind: fc.constantFrom('add', 'add', 'add', 'take', 'take', 'clear'),
});

test('a frame that comes out takes the oldest grant of its size, and those before it are forgotten', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const grants = new GrantedFrames();
      const queues = new Map<number, { bytes: number; atNs: number; reason: string }[]>();
      for (const [number, { context, bytes, kind }] of steps.entries()) {
        const queue = queues.get(context) ?? [];
        queues.set(context, queue);
        const grant = { bytes, atNs: 2 ** 40 + number, reason: `by ${number % 3}` };
        if (kind === 'add') {
          queue.push(grant);
          grants.add({ ...grant, context: contextId(context), creditBytes: 0 });
        } else if (kind === 'clear') {
          queue.length = 0;
          grants.clear(contextId(context));
        } else {
          const at = queue.findIndex((one) => one.bytes === bytes);
          const found = queue[at];
          queue.splice(0, at < 0 ? queue.length : at + 1);
          expect(grants.take(contextId(context), bytes)).toBe(found !== undefined);
          if (found !== undefined)
            expect([grants.takenReason, grants.takenNs]).toEqual([found.reason, found.atNs]);
        }
        expect(grants.nextBytes(contextId(context))).toBe(queue[0]?.bytes);
      }
    }),
    { numRuns: runs(300) },
  );
});
