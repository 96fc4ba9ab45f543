import { naturalLog } from '../../../guests/traffic/elementary-functions.js';
import type { LatencyRow } from './latency-rows.js';

/** State of the cache that latencies are read from, where it was measured. */
const PREFERRED_CACHE = 'hwarm';

/** The state of the cache whose latencies count: `hwarm` if it was measured with the IOMMU so, else the first. */
export function latencyCacheOf(rows: readonly LatencyRow[], iommu: LatencyRow['iommu']): string {
  const own = rows.filter((row) => row.iommu === iommu);
  return (own.find(({ cache }) => cache === PREFERRED_CACHE) ?? own[0])?.cache ?? PREFERRED_CACHE;
}

/** What a 64-byte read takes on a machine without an IOMMU, one outstanding: the IOMMU-off rows of the latencies. */
export class ReadLatency {
  readonly #off: readonly LatencyRow[];

  constructor(rows: readonly LatencyRow[]) {
    this.#off = rows.filter(({ iommu }) => iommu === 'off');
  }

  /** The least of all windows, ns. */
  get unloadedNs(): number {
    const state = latencyCacheOf(this.#off, 'off');
    return Math.min(...this.#off.filter(({ cache }) => cache === state).map(({ meanNs }) => meanNs));
  }

  /** At the nearest window that was measured, ns: of the same cache state if there is one. */
  at(cache: string, windowBytes: number): number {
    const same = this.#off.filter((row) => row.cache === cache);
    const distance = (row: LatencyRow) => Math.abs(naturalLog(row.windowBytes / windowBytes));
    return (same.length > 0 ? same : this.#off).reduce((best, row) =>
      distance(row) < distance(best) ? row : best,
    ).meanNs;
  }
}
