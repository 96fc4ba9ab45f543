import { moveFrames, postFrames } from '../floor-loop.js';
import { cpuNs, timingColumns } from '../measure.js';
import type { Section } from '../section.js';

/** The floor beside itself: the distance of its ratio from 1 is the error of any ratio of this run. */
export const floor: Section = {
  name: 'floor',
  title: 'The floor: read a descriptor, copy the payload, write a completion',
  run({ stopwatch }) {
    return [60, 1514].map((frameBytes) => {
      const run = (packets: number) => {
        postFrames(frameBytes);
        const start = cpuNs();
        moveFrames(packets);
        return cpuNs() - start;
      };
      const timing = stopwatch.time(run, { operations: 200_000, repetitions: 15, frameBytes });
      return { frameBytes, ...timingColumns(timing) };
    });
  },
};
