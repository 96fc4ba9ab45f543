import type { QueueLockOptions } from '../../../host/protection/iommu/queue-lock.js';
import type { ReferenceFigure } from '../published.js';

/** Result files of Fast & Safe's repository: Emerald Rapids, ConnectX-7 (400 Gb/s), Linux 6.12.9 in a nested guest. */
const SOURCE = 'Fast & Safe repository, branch lock-contention, utils/reports/vary_cores_results.md';
const UNWRITTEN_SOURCE =
  'the same branch, results_summary/no-writel.md, its first part (writel left out of qi_submit_sync)';

/** Bytes of a frame on its page (MTU 4000), as throughput counts them. */
export const FRAME_BYTES = 4000;
/** The card's wire, bits per second. */
export const WIRE_BPS = 400e9;

/**
 * Frames per map and unmap: the driver's page pool keeps pages mapped and uses them again; one in so many does not come
 * back in time, is unmapped, and another is mapped. Counted there: 72 (1 core) to 91 (8 and 16 cores).
 */
export const FRAMES_PER_MAPPING = 80;

/**
 * What the kernel's lock is held for, ns, as its tracer measured it with one core, where none waits: 9,246 for an unmap
 * (`cache_tag_flush_range`), 6,958 of which are the submission with the write of the tail (`qi_submit_sync`), and 2,120
 * for a map (`cache_tag_flush_range_np`). What the tracer takes itself is in these times, as it is in the throughputs.
 */
export const HELD = {
  submissionNs: 2_288,
  tailWriteNs: 6_958,
  mapNs: 2_120,
} as const satisfies Partial<QueueLockOptions>;

const figure = (name: string, value: number, source = SOURCE): ReferenceFigure => ({
  name,
  value,
  unit: 'Gb/s',
  source,
  certainty: 'S',
});

/** Throughput by cores. */
export const TRAPPED: Readonly<Record<number, ReferenceFigure>> = {
  1: figure('strict, 1 core', 47.3),
  2: figure('strict, 2 cores', 84.3),
  4: figure('strict, 4 cores', 155.8),
  8: figure('strict, 8 cores', 237.8),
  16: figure('strict, 16 cores', 25.0),
  20: figure('strict, 20 cores', 17.9),
};
/**
 * Throughput with the write of the tail left out and descriptors still put into the queue, which is what `untrapped`
 * is: one run per number of cores. The second part of the file is another change, in which nothing is put into the
 * queue at all (205.7, 278.5 and 337.0 Gb/s with 8, 16 and 20 cores); it is compared with nothing here.
 */
export const UNTRAPPED: Readonly<Record<number, ReferenceFigure>> = {
  8: figure('without the trapped write, 8 cores', 221.3, UNWRITTEN_SOURCE),
  16: figure('without the trapped write, 16 cores', 344.4, UNWRITTEN_SOURCE),
  20: figure('without the trapped write, 20 cores', 273.8, UNWRITTEN_SOURCE),
};
