import type { EngineLimits } from './engine-limits.js';
import type { ReadLatency } from './read-latency.js';

/**
 * What does not differ between machines: the card of the data set (a Netronome NFP-6000) and the structure of the
 * unit. These were found once, on the Broadwell and the Haswell machine together, and are not fitted to a file.
 * docs/iommu-hardware.md says how, and what speaks for them.
 */
/** Writes that engine, link and root complex hold together. */
export const WRITES_IN_FLIGHT = 45;
/** Reads that the engine keeps in flight beyond those that its rate at that size needs. */
export const SPARE_READS = 14;
/** Page walkers, each of which owns the pages of one remainder. */
export const WALKERS = 8;
/** Least time between the starts of two walks, ns, of reads and of writes. */
export const WALK_INTERVAL_NS = { read: 45, write: 40 } as const;

/** A machine, as few parameters. Times are ns. */
export interface MachineParameters {
  readonly machine: string;
  /** From the IOMMU-off rows. */
  readonly limits: EngineLimits;
  /** From the latencies. */
  readonly latency: ReadLatency;
  readonly iotlbEntries: number;
  /** A walk of which all but the last level is cached. */
  readonly walkNs: number;
}

/**
 * Reads of a size that the engine keeps in flight. Of the smallest, which are bound by latency, they follow from rate
 * and latency (Little's law); of larger ones there are some to spare, and never more than of the smallest.
 */
export function readsInFlight(limits: EngineLimits, latency: ReadLatency, sizeBytes: number): number {
  const needed = (size: number) => (limits.bestTps('read', size) * latency.unloadedNs) / 1e9;
  const smallest = limits.sizes('read')[0] ?? sizeBytes;
  const most = Math.max(1, Math.round(needed(smallest)));
  return Math.min(most, Math.round(needed(sizeBytes)) + SPARE_READS);
}
