import type { EngineLimits } from './engine-limits.js';
import type { ReadLatency } from './read-latency.js';

/**
 * What does not differ between machines: the card of the data set (a Netronome NFP-6000) and the structure of the
 * unit. It is given, and not fitted to a file. docs/iommu-hardware.md says how it was chosen, and what speaks for it.
 */
export interface UnitConstants {
  /** Page walkers, each of which owns the pages of one remainder. */
  readonly walkers: number;
  /** Least time between the starts of two walks, ns, of reads and of writes. */
  readonly readWalkIntervalNs: number;
  readonly writeWalkIntervalNs: number;
  /** Reads that the engine keeps in flight beyond those that its rate at that size needs. */
  readonly spareReads: number;
  /** Writes that engine, link and root complex hold together. */
  readonly writesInFlight: number;
}

/** The machines whose rates were in view when the constants were chosen. */
export const CHOSEN_ON: readonly string[] = ['broadwell-e5-2630v4', 'haswell-e5-2637v3'];

export const CHOSEN_CONSTANTS: UnitConstants = {
  walkers: 8,
  readWalkIntervalNs: 45,
  writeWalkIntervalNs: 40,
  spareReads: 14,
  writesInFlight: 45,
};

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
  readonly constants: UnitConstants;
}

/**
 * Reads of a size that the engine keeps in flight. Of the smallest, which are bound by latency, they follow from rate
 * and latency (Little's law); of larger ones there are some to spare, and never more than of the smallest.
 */
export function readsInFlight(
  { limits, latency, constants }: Pick<MachineParameters, 'limits' | 'latency' | 'constants'>,
  sizeBytes: number,
): number {
  const needed = (size: number) => (limits.bestTps('read', size) * latency.unloadedNs) / 1e9;
  const smallest = limits.sizes('read')[0] ?? sizeBytes;
  const most = Math.max(1, Math.round(needed(smallest)));
  return Math.min(most, Math.round(needed(sizeBytes)) + constants.spareReads);
}
