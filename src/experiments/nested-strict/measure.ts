import type { QueueLockOptions } from '../../../host/protection/iommu/queue-lock.js';
import { present } from '../../../scheduler/present.js';
import { gather, type Measures, type PointOf } from '../measures.js';
import { type ComparedFigure, compareFigure } from '../published.js';
import { NestedGuest } from './machine.js';
import { FRAME_BYTES, HELD, TRAPPED, UNTRAPPED, WIRE_BPS } from './published.js';

/** Runs of a point; each has pages missing at other times. */
export const SEEDS = 3;
export const WARM_UP_NS = 10_000_000;
export const WINDOW_NS = 50_000_000;

/** CPU time of a frame without maps and unmaps, ns: found from the row with one core. */
export const FRAME_NS = 526;
/**
 * A waiter leaves the guest after `spinLimitNs` of spinning, and runs again `returnNs` after it is handed the lock. The
 * second is found from the row with 16 cores; the first from the rows with 8 and 16, of which the first does not
 * collapse and the second does. That leaves it open within a range: 140 and 260 us do the same to both
 * (test/src/experiments/nested-strict.test.ts).
 */
export const LEAVING = {
  spinLimitNs: 200_000,
  returnNs: 45_000,
} as const satisfies Partial<QueueLockOptions>;

/** Rows of published throughput from which a constant above was found, by cores: none of them is a prediction. */
const FITTED_CORES: readonly number[] = [1, 8, 16];

/** How the tail of the queue is written: a trap to the hypervisor below, or not at all; and whether waiters leave. */
export type TailWrite = 'trapped' | 'trapped, waiters stay' | 'untrapped';

const LOCKS: Readonly<Record<TailWrite, Partial<QueueLockOptions>>> = {
  trapped: { ...HELD, ...LEAVING },
  'trapped, waiters stay': HELD,
  untrapped: { ...HELD, ...LEAVING, tailWriteNs: 0 },
};

export interface NestedCase {
  readonly cores: number;
  readonly tailWrite: TailWrite;
}

export const CASES: readonly NestedCase[] = (
  ['trapped', 'trapped, waiters stay', 'untrapped'] as const
).flatMap((tailWrite) => [1, 2, 4, 8, 12, 16, 20].map((cores) => ({ cores, tailWrite })));

/** One run. */
export interface NestedRow {
  readonly framesPerSecond: number;
  readonly acquisitions: number;
  readonly waitedNs: number;
  readonly heldNs: number;
  readonly absences: number;
}

export function measureNested({ cores, tailWrite, seed }: NestedCase & { readonly seed: number }): NestedRow {
  const guest = new NestedGuest({ cores, lock: LOCKS[tailWrite], frameNs: FRAME_NS, seed });
  guest.run(WARM_UP_NS);
  const before = countsOf(guest);
  guest.run(WARM_UP_NS + WINDOW_NS);
  guest.host.checkInvariants();
  const after = countsOf(guest);
  return {
    framesPerSecond: ((after.frames - before.frames) * 1e9) / WINDOW_NS,
    acquisitions: after.acquisitions - before.acquisitions,
    waitedNs: after.waitedNs - before.waitedNs,
    heldNs: after.heldNs - before.heldNs,
    absences: after.absences - before.absences,
  };
}

function countsOf({ host, frames }: NestedGuest) {
  const { lockAcquisitions, lockWaitedNs, lockHeldNs, lockAbsences } = host.protection.driver.counters();
  return {
    frames,
    acquisitions: present(lockAcquisitions),
    waitedNs: present(lockWaitedNs),
    heldNs: present(lockHeldNs),
    absences: present(lockAbsences),
  };
}

export const MEASURES = {
  gbps: {
    title: 'Throughput',
    head: 'Gb/s',
    unit: 'Gb/s',
    digits: 1,
    sentence: 'Received by all cores together, at most what the wire of 400 Gb/s brings.',
    of: gbpsOf,
  },
  wait_us: {
    title: 'Wait for the lock',
    head: 'wait us',
    unit: 'us',
    digits: 1,
    sentence: 'Time from asking for the lock to having it, on average.',
    of: ({ waitedNs, acquisitions }) => waitedNs / acquisitions / 1e3,
  },
  held_percent: {
    title: 'Lock held',
    head: 'held %',
    unit: '%',
    digits: 0,
    sentence: 'Time for which the lock is held.',
    of: ({ heldNs }) => (100 * heldNs) / WINDOW_NS,
  },
  absent_percent: {
    title: 'Waiters that had left',
    head: 'left %',
    unit: '%',
    digits: 0,
    sentence: 'Acquisitions whose waiter had left the guest when it was handed the lock.',
    of: ({ absences, acquisitions }) => (100 * absences) / acquisitions,
  },
} as const satisfies Measures<NestedRow>;

export type NestedPoint = PointOf<typeof MEASURES> & NestedCase;

export interface NestedStrictResult {
  readonly experiment: 'nested-strict';
  readonly seed: number;
  readonly seeds: number;
  readonly points: readonly NestedPoint[];
  readonly figures: readonly ComparedFigure[];
}

/** @param rows of each of `CASES`, one per seed */
export function nestedStrictResult(
  seed: number,
  rows: readonly (readonly NestedRow[])[],
): NestedStrictResult {
  return {
    experiment: 'nested-strict',
    seed,
    seeds: SEEDS,
    points: CASES.map((one, at) => ({ ...one, ...gather(MEASURES, rows[at] ?? []) })),
    figures: CASES.flatMap(({ cores, tailWrite }, at) => {
      const published = { trapped: TRAPPED, untrapped: UNTRAPPED, 'trapped, waiters stay': {} }[tailWrite];
      const figure = (published as typeof TRAPPED)[cores];
      if (figure === undefined) return [];
      const role = tailWrite === 'trapped' && FITTED_CORES.includes(cores) ? 'fitted' : 'predicted';
      return [compareFigure(figure, (rows[at] ?? []).map(gbpsOf), role)];
    }),
  };
}

function gbpsOf({ framesPerSecond }: NestedRow): number {
  return Math.min(framesPerSecond * FRAME_BYTES * 8, WIRE_BPS) / 1e9;
}
