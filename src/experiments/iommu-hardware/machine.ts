import type { EngineLimits } from './engine-limits.js';

/**
 * What does not differ between machines: the card of the data set (a Netronome NFP-6000) and the structure of the
 * unit. These four were found once, on the Broadwell and the Haswell machine, and are not fitted to a file.
 * docs/iommu-hardware.md says how, and what speaks for them.
 */
export const READS_IN_FLIGHT = 32;
/** Reads that the engine keeps in flight beyond those that its own rate at that size needs (Little's law). */
export const SPARE_READS = 8;
/** Writes that engine, link and root complex hold together. */
export const WRITES_IN_FLIGHT = 52;
/** Page walkers, each of which owns the pages of one remainder. */
export const WALKERS = 6;

/** A machine, as few parameters. Times are ns. */
export interface MachineParameters {
  readonly machine: string;
  /** From the IOMMU-off rows. */
  readonly limits: EngineLimits;
  /** From the IOMMU-on rows of the smallest size. */
  readonly iotlbEntries: number;
  /** A walk of which all but the last level is cached, for reads and for writes. */
  readonly readWalkNs: number;
  readonly writeWalkNs: number;
}

/** Where no read was measured, ns: about what the machines of the data set take. */
const TYPICAL_READ_NS = 525;

/** From a read's request to its data, without an IOMMU and unloaded, ns: Little's law on the smallest reads. */
export function readLatencyNs(limits: EngineLimits, cache: string, windowBytes: number): number {
  const [sizeBytes] = limits.sizes('read');
  if (sizeBytes === undefined) return TYPICAL_READ_NS;
  return (READS_IN_FLIGHT / limits.tps({ op: 'read', sizeBytes, cache, windowBytes })) * 1e9;
}

/** Reads of a size that the engine keeps in flight. */
export function readsInFlight(limits: EngineLimits, sizeBytes: number): number {
  const smallest = limits.sizes('read')[0] ?? 64;
  const latencyS = READS_IN_FLIGHT / limits.bestTps('read', smallest);
  return Math.min(READS_IN_FLIGHT, Math.round(limits.bestTps('read', sizeBytes) * latencyS) + SPARE_READS);
}
