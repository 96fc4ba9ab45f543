import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { FrameFlows } from '../../../src/report/frame-flows.js';
import { runs } from '../../support/whole.js';

const UNIT = 2 ** 32;
const idsOf = (context: number, first: number, count: number) =>
  Array.from({ length: count }, (_, step) => (context + 1) * UNIT + ((first + step) >>> 0));

test('a doorbell names the descriptors that are new, and one that is none of a ring none', () => {
  const flows = new FrameFlows();
  const context = contextId(3);
  expect(flows.posted(context, 2).ids).toEqual(idsOf(3, 0, 2));
  expect(flows.posted(context, 5).ids).toEqual(idsOf(3, 2, 3));
  expect(flows.posted(context, 4).ids).toEqual([]);
  expect(flows.posted(context, 4).ids).toEqual([]);
  expect(flows.posted(contextId(0), 1).ids).toEqual(idsOf(0, 0, 1));
});

test('numbers run over 2^32 as indices do, and end once', () => {
  const flows = new FrameFlows();
  const context = contextId(1);
  expect(flows.granted(context, UNIT - 1, 2, false).ids).toEqual([2 * UNIT + UNIT - 1, 2 * UNIT]);
  expect(flows.left(context, false)).toEqual({ ids: [2 * UNIT + UNIT - 1, 2 * UNIT], end: false });
  expect(flows.ended(context, 0)).toEqual({ ids: [2 * UNIT], end: true });
});

const step = fc.record({
  context: fc.nat(2),
  inside: fc.boolean(),
  kind: fc.constantFrom('grant', 'grant', 'grant', 'left', 'left', 'forget'),
  count: fc.integer({ min: 1, max: 3 }),
});

test('frames leave each exit in the order of its grants, by the other when it has granted none', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const flows = new FrameFlows();
      const queues = new Map<number, { first: number; count: number; inside: boolean }[]>();
      let next = 0;
      for (const { context, inside, kind, count } of steps) {
        const queue = queues.get(context) ?? [];
        queues.set(context, queue);
        if (kind === 'grant') {
          queue.push({ first: next, count, inside });
          expect(flows.granted(contextId(context), next, count, inside).ids).toEqual(
            idsOf(context, next, count),
          );
          next += count;
        } else if (kind === 'left') {
          const at = queue.findIndex((frame) => frame.inside === inside);
          const [frame] = queue.splice(Math.max(0, at), 1);
          const expected = frame === undefined ? [] : idsOf(context, frame.first, frame.count);
          expect(flows.left(contextId(context), inside).ids).toEqual(expected);
        } else {
          queue.length = 0;
          flows.forget(contextId(context));
        }
      }
    }),
    { numRuns: runs(300) },
  );
});
