import { makeFloorLoop } from '../floor-loop.js';
import { measure, timingColumns } from '../measure.js';
import type { Row, Section } from '../section.js';

/** The floor once more, after the others had their turn: its ratio to the first reading is the machine's drift. */
export const floor: Section = {
  name: 'floor',
  title: 'The floor: read a descriptor, copy the payload, write a completion',
  run({ quick }) {
    return [60, 1514].map((frameBytes): Row => {
      const timing = measure(makeFloorLoop(frameBytes), {
        operations: quick ? 20_000 : 400_000,
        repetitions: quick ? 3 : 15,
      });
      return { frameBytes, ...timingColumns(timing) };
    });
  },
};
