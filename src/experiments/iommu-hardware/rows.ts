import { CsvTable } from './csv-table.js';
import { HardwareDataError } from './hardware-data-error.js';

/** One measured point: random DMA of one size in one window, with the IOMMU off or on. */
export interface HardwareRow {
  readonly iommu: 'off' | 'on';
  readonly op: 'read' | 'write';
  readonly sizeBytes: number;
  /** State of the host's cache before the run: `hwarm` (host warmed it), `cold`, or another name. */
  readonly cache: string;
  readonly windowBytes: number;
  /** Transactions per second, measured. */
  readonly tps: number;
}

export interface HardwareData {
  readonly machine: string;
  readonly rows: readonly HardwareRow[];
}

const COLUMNS = ['iommu', 'op', 'size_bytes', 'cache', 'window_bytes', 'transactions_per_s'] as const;

/**
 * Reads a table of measurements: CSV with a header line. Columns may come in any order, and others are ignored
 * (`machine` is used if it is there). A point that is given more than once counts with its mean.
 *
 * @param source name of the file, for errors
 * @throws HardwareDataError
 */
export function parseHardwareRows(text: string, source: string): HardwareData {
  const table = new CsvTable(text, source, COLUMNS);
  const machines = new Set<string>();
  const points = new Map<string, { row: HardwareRow; sum: number; count: number }>();
  for (const line of table.lines()) {
    const row: HardwareRow = {
      iommu: line.oneOf('iommu', ['on', 'off'] as const),
      op: line.oneOf('op', ['read', 'write'] as const),
      sizeBytes: line.whole('size_bytes', 1, 4096),
      cache: line.name('cache'),
      windowBytes: line.whole('window_bytes', 4096, 2 ** 36),
      tps: line.whole('transactions_per_s', 1, 1e10),
    };
    if (table.has('machine')) machines.add(line.text('machine'));
    const key = `${row.iommu} ${row.op} ${row.sizeBytes} ${row.cache} ${row.windowBytes}`;
    const { sum, count } = points.get(key) ?? { sum: 0, count: 0 };
    points.set(key, { row, sum: sum + row.tps, count: count + 1 });
  }
  if (machines.size > 1) {
    throw new HardwareDataError(`${source}: machines ${[...machines].join(', ')}, expected one per file`);
  }
  const rows = [...points.values()].map(({ row, sum, count }) => ({ ...row, tps: sum / count }));
  if (rows.length === 0)
    throw new HardwareDataError(`${source}: no rows, expected measurements below the header`);
  return { machine: [...machines][0] ?? source, rows };
}
