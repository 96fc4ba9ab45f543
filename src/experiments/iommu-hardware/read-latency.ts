import { naturalLog } from '../../../guests/traffic/elementary-functions.js';
import type { LatencyRow } from './latency-rows.js';

/** State of the cache that unloaded latency and the walk are read from. */
export const LATENCY_CACHE = 'hwarm';

/** What a 64-byte read takes on a machine without an IOMMU, one outstanding: the IOMMU-off rows of the latencies. */
export class ReadLatency {
  readonly #off: readonly LatencyRow[];

  constructor(rows: readonly LatencyRow[]) {
    this.#off = rows.filter(({ iommu }) => iommu === 'off');
  }

  /** The least of all windows, ns. */
  get unloadedNs(): number {
    const warm = this.#off.filter(({ cache }) => cache === LATENCY_CACHE);
    return Math.min(...(warm.length > 0 ? warm : this.#off).map(({ meanNs }) => meanNs));
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
