import { refuseValue } from '../../scheduler/checked-values.js';
import { refuseUnknownOptions } from '../../scheduler/known-options.js';
import type { TimingParameter } from './translation/parameters.js';

const FAST_AND_SAFE = 'Fast & Safe IO Memory Protection, SOSP 2024: a table read';

/** Times of a unit's queue besides those of the invalidations themselves, which the caches give. */
export const QUEUE_TIMING = {
  descriptorFetchNs: {
    value: 197,
    unit: 'ns',
    meaning: 'fetch of one descriptor or command from memory',
    source: FAST_AND_SAFE,
    certainty: 'assumed',
  },
  statusWriteNs: {
    value: 197,
    unit: 'ns',
    meaning: 'status write of a wait descriptor or COMPLETION_WAIT, until software can see it',
    source: FAST_AND_SAFE,
    certainty: 'assumed',
  },
  interruptEntryNs: {
    value: 197,
    unit: 'ns',
    meaning: 'invalidation of cached interrupt remapping entries, of which these units have none',
    source: 'assumed',
    certainty: 'assumed',
  },
  deviceTimeoutNs: {
    value: 1_000_000,
    unit: 'ns',
    meaning: 'how long VT-d waits for a device that does not answer a device-TLB invalidation',
    source: 'assumed; PCIe ATS allows a minute, which no run here would outlast',
    certainty: 'assumed',
  },
} as const satisfies Record<string, TimingParameter>;

export type QueueTimingName = keyof typeof QUEUE_TIMING;

/** As plain nanoseconds. */
export type QueueTiming = Readonly<Record<QueueTimingName, number>>;

/** The defaults with some changed. @throws ParameterError naming the field, its value and what was expected */
export function queueTiming(changes: Partial<QueueTiming> = {}): QueueTiming {
  refuseUnknownOptions('iommu.queueTiming', changes, QUEUE_TIMING);
  const names = Object.keys(QUEUE_TIMING) as QueueTimingName[];
  const all = Object.fromEntries(
    names.map((name) => [name, changes[name] ?? QUEUE_TIMING[name].value]),
  ) as Record<QueueTimingName, number>;
  for (const name of names) {
    if (!Number.isInteger(all[name]) || all[name] < 0 || all[name] > 1e9) {
      refuseValue(`iommu.queueTiming.${name}`, all[name], 'whole nanoseconds from 0 to 10^9');
    }
  }
  return all;
}
