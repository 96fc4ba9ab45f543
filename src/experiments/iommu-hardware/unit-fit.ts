import type { LatencyRow } from './latency-rows.js';
import { latencyCacheOf, type ReadLatency } from './read-latency.js';

const PAGE_BYTES = 4096;
const MOST_ENTRIES = 4_096;

/** An IOTLB and its walk, as one outstanding read sees them. */
export interface UnitFit {
  readonly iotlbEntries: number;
  readonly walkNs: number;
}

/**
 * Finds how many translations the IOTLB holds and how long a walk takes, from what the IOMMU with 4 KB pages adds to the
 * latency of a single outstanding read. Of the pages of a window, each as likely as any other, an IOTLB with random
 * replacement holds entries / pages, so the mean read pays (1 - entries / pages) of a walk. For each number of entries
 * the walk follows by least squares.
 *
 * @returns undefined if there are no such rows, or if they show no walk
 */
export function fitUnit(rows: readonly LatencyRow[], off: ReadLatency): UnitFit | undefined {
  const cacheState = latencyCacheOf(rows, 'on-4k');
  const added = rows
    .filter(({ iommu, cache }) => iommu === 'on-4k' && cache === cacheState)
    .map(({ windowBytes, meanNs }) => ({
      windowPages: Math.max(1, windowBytes / PAGE_BYTES),
      ns: meanNs - off.at(cacheState, windowBytes),
    }));
  let best: (UnitFit & { readonly error: number }) | undefined;
  for (let iotlbEntries = 1; iotlbEntries <= MOST_ENTRIES; iotlbEntries += 1) {
    const share = (windowPages: number) => Math.max(0, 1 - iotlbEntries / windowPages);
    let weighted = 0;
    let squares = 0;
    for (const { windowPages, ns } of added) {
      weighted += share(windowPages) * ns;
      squares += share(windowPages) ** 2;
    }
    if (squares === 0) break;
    const walkNs = Math.max(0, Math.round(weighted / squares));
    const error = added.reduce(
      (sum, { windowPages, ns }) => sum + (ns - share(windowPages) * walkNs) ** 2,
      0,
    );
    if (best === undefined || error < best.error) best = { iotlbEntries, walkNs, error };
  }
  return best !== undefined && best.walkNs > 0
    ? { iotlbEntries: best.iotlbEntries, walkNs: best.walkNs }
    : undefined;
}
