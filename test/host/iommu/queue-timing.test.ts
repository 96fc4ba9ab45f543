import { describe, expect, it } from 'vitest';
import { QUEUE_TIMING, type QueueTimingName, queueTiming } from '../../../host/iommu/queue-timing.js';

const NAMES = Object.keys(QUEUE_TIMING) as QueueTimingName[];

describe('times of the queue', () => {
  it.each(NAMES)('%s: whole nanoseconds from 0 to a second, and no others', (name) => {
    for (const ns of [0, 1, 1e9]) {
      const all = queueTiming({ [name]: ns });
      expect(all[name]).toBe(ns);
      // The others stay what they are.
      for (const other of NAMES) if (other !== name) expect(all[other]).toBe(QUEUE_TIMING[other].value);
    }
    for (const ns of [-1, 0.5, 1e9 + 1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => queueTiming({ [name]: ns })).toThrow(
        `iommu.queueTiming.${name} is ${ns}, expected whole nanoseconds from 0 to 10^9`,
      );
  });
});
