import { CsvTable } from './csv-table.js';
import { HardwareDataError } from './hardware-data-error.js';

/** What the pages of a translated window are: 4 KB, or 2 MB where the kernel may use superpages. */
export const PAGE_KINDS = ['4k', 'super'] as const;
export type PageKind = (typeof PAGE_KINDS)[number];

/** The mean latency of 64-byte DMA reads, one outstanding (LAT_DMA_RD), of one window. */
export interface LatencyRow {
  readonly iommu: 'off' | `on-${PageKind}`;
  readonly cache: string;
  readonly windowBytes: number;
  /** Mean, ns. Medians come in steps of the card's timer, 13.3 ns. */
  readonly meanNs: number;
}

const COLUMNS = ['iommu', 'test', 'cache', 'window_bytes', 'size_bytes', 'avg_ns'] as const;
const TEST = 'LAT_DMA_RD';
const SIZE_BYTES = 64;

/**
 * Reads a table of latencies: CSV with a header line, columns in any order. Rows of other tests and sizes are left
 * out; a point that is given more than once counts with its mean.
 *
 * @param source name of the file, for errors
 * @throws HardwareDataError
 */
export function parseLatencyRows(text: string, source: string): readonly LatencyRow[] {
  const points = new Map<string, { row: LatencyRow; sum: number; count: number }>();
  for (const line of new CsvTable(text, source, COLUMNS).lines()) {
    const iommu = line.oneOf('iommu', ['off', 'on-4k', 'on-super'] as const);
    const cache = line.name('cache');
    const windowBytes = line.whole('window_bytes', 1, 2 ** 36);
    const sizeBytes = line.whole('size_bytes', 1, 4096);
    const meanNs = line.number('avg_ns', 1, 1e6);
    if (line.text('test') !== TEST || sizeBytes !== SIZE_BYTES) continue;
    const key = `${iommu} ${cache} ${windowBytes}`;
    const { sum, count } = points.get(key) ?? { sum: 0, count: 0 };
    points.set(key, { row: { iommu, cache, windowBytes, meanNs }, sum: sum + meanNs, count: count + 1 });
  }
  const rows = [...points.values()].map(({ row, sum, count }) => ({ ...row, meanNs: sum / count }));
  if (!rows.some(({ iommu }) => iommu === 'off')) {
    throw new HardwareDataError(
      `${source}: no ${TEST} row of ${SIZE_BYTES} bytes has iommu off, expected some`,
    );
  }
  return rows;
}
