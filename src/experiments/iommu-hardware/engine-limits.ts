import { naturalLog } from '../../../guests/traffic/elementary-functions.js';
import { present } from '../../../scheduler/present.js';
import { HardwareDataError } from './hardware-data-error.js';
import type { HardwareRow } from './rows.js';

/** A point of the experiment without its result. */
export interface Point {
  readonly op: 'read' | 'write';
  readonly sizeBytes: number;
  readonly cache: string;
  readonly windowBytes: number;
}

/**
 * What the DMA engine, the link and the host's memory take without an IOMMU: the IOMMU-off rows, and between and
 * beyond them the nearest. Nothing here has seen an IOMMU-on row.
 */
export class EngineLimits {
  readonly #rows: readonly HardwareRow[];

  /** @throws HardwareDataError if there are no IOMMU-off rows */
  constructor(rows: readonly HardwareRow[]) {
    this.#rows = rows.filter(({ iommu }) => iommu === 'off');
    if (this.#rows.length === 0) {
      throw new HardwareDataError(
        'no row has iommu off, expected some: the limits of engine and link are read from them',
      );
    }
  }

  /** Sizes that were measured, bytes, ascending. */
  sizes(op: 'read' | 'write'): number[] {
    const sizes = this.#rows.filter((row) => row.op === op).map(({ sizeBytes }) => sizeBytes);
    return [...new Set(sizes)].sort((a, b) => a - b);
  }

  /** Transactions per second at a point. @throws HardwareDataError if no row of the operation was measured */
  tps(point: Point): number {
    const sizes = this.sizes(point.op);
    if (sizes.length === 0) {
      throw new HardwareDataError(
        `no ${point.op} row has iommu off, expected some: its limits are read from them`,
      );
    }
    if (sizes.includes(point.sizeBytes)) return this.#nearest(point).tps;
    // Between two sizes the time of a transaction is taken as linear; outside it follows the nearest two.
    const above = Math.max(
      1,
      sizes.findIndex((size) => size > point.sizeBytes),
    );
    const [small, large] =
      sizes.length > 1
        ? [present(sizes[above - 1]), present(sizes[above])]
        : [present(sizes[0]), present(sizes[0])];
    const smallS = 1 / this.#nearest({ ...point, sizeBytes: small }).tps;
    const largeS = 1 / this.#nearest({ ...point, sizeBytes: large }).tps;
    if (large === small) return 1 / ((smallS * point.sizeBytes) / small);
    const slope = (largeS - smallS) / (large - small);
    return 1 / Math.max(smallS * 0.1, smallS + slope * (point.sizeBytes - small));
  }

  /** The highest rate of a size, whatever the window and the state of the cache. */
  bestTps(op: 'read' | 'write', sizeBytes: number): number {
    const of = this.#rows.filter((row) => row.op === op && row.sizeBytes === sizeBytes);
    if (of.length === 0) return this.tps({ op, sizeBytes, cache: 'hwarm', windowBytes: 2 ** 20 });
    return Math.max(...of.map(({ tps }) => tps));
  }

  /** The row of the same operation and size that is nearest: the same cache state first, then the nearest window. */
  #nearest(point: Point): HardwareRow {
    const distance = (row: HardwareRow) =>
      (row.cache === point.cache ? 0 : 1000) + Math.abs(naturalLog(row.windowBytes / point.windowBytes));
    return this.#rows
      .filter((row) => row.op === point.op && row.sizeBytes === point.sizeBytes)
      .reduce((best, row) => (distance(row) < distance(best) ? row : best));
  }
}
