import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_LANE, StateLanes } from '../../../src/report/state-lanes.js';
import { runs } from '../../support/whole.js';

/** Numbers that follow each other, that have their lower bits in common, and that are no 32 bits. */
const id = fc.oneof(
  fc.nat(100),
  fc.nat(100).map((number) => 2 ** 32 - 1 - number),
  fc.nat(40).map((number) => number * 64),
  fc.nat(40).map((number) => number * 1024 + 5),
  fc.nat(5).map((number) => 2 ** 40 + number),
);

test('each thing keeps its lane until it leaves it, and lanes that are free are used again, the last first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ id, leaves: fc.boolean() }), { maxLength: 400 }),
      fc.boolean(),
      (steps, leavesOften) => {
        const lanes = new StateLanes();
        const expected = new Map<number, number>();
        const free: number[] = [];
        let next = 0;
        for (const { id: thing, leaves } of steps) {
          const known = expected.get(thing);
          expect(lanes.of(thing)).toBe(known ?? NO_LANE);
          if (known !== undefined) {
            if (!leaves && !leavesOften) continue;
            lanes.leave(thing, known);
            expected.delete(thing);
            free.push(known);
            continue;
          }
          let lane = lanes.takeFree();
          expect(lane).toBe(free.pop() ?? NO_LANE);
          if (lane === NO_LANE) {
            lane = next;
            next += 1;
          }
          lanes.put(thing, lane);
          expected.set(thing, lane);
        }
        for (const [thing, lane] of expected) expect(lanes.of(thing)).toBe(lane);
      },
    ),
    { numRuns: runs(300) },
  );
});
