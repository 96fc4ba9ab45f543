import { UserError } from '../../../scheduler/errors.js';

/** One measured point: random DMA of one size in a window of host memory. */
export interface HardwareRow {
  readonly iommu: 'off' | 'on';
  readonly op: 'read' | 'write';
  readonly sizeBytes: number;
  /** State of the host's cache before the run: `hwarm` (host warmed it), `cold`, or another name. */
  readonly cache: string;
  readonly windowBytes: number;
  /** Transactions a second, measured. */
  readonly tps: number;
}

export interface HardwareData {
  readonly machine: string;
  readonly rows: readonly HardwareRow[];
}

/** The file is not what the experiment can use. The message names line, field, value and what was expected. */
export class HardwareDataError extends UserError {
  override readonly name = 'HardwareDataError';
}

const COLUMNS = ['iommu', 'op', 'size_bytes', 'cache', 'window_bytes', 'transactions_per_s'] as const;
type Column = (typeof COLUMNS)[number];

/**
 * Reads a table of measurements: CSV with a header line. Columns may come in any order, and others are ignored
 * (`machine` is used if it is there). A point that is given more than once counts with its mean.
 *
 * @param source name of the file, for errors
 * @throws HardwareDataError
 */
export function parseHardwareRows(text: string, source: string): HardwareData {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const header = (lines[0] ?? '').split(',').map((name) => name.trim());
  for (const name of COLUMNS) {
    if (!header.includes(name)) {
      throw new HardwareDataError(
        `${source}: no column ${name} in "${lines[0] ?? ''}", expected ${COLUMNS.join(', ')}`,
      );
    }
  }
  const machines = new Set<string>();
  const points = new Map<string, { row: HardwareRow; sum: number; count: number }>();
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (line.trim() === '') continue;
    const cells = line.split(',').map((cell) => cell.trim());
    if (cells.length !== header.length) {
      throw new HardwareDataError(
        `${source} line ${index + 1}: ${cells.length} cells, expected ${header.length}`,
      );
    }
    const cell = (name: Column | 'machine') => cells[header.indexOf(name)] ?? '';
    const fail = (field: Column, expected: string): never => {
      throw new HardwareDataError(
        `${source} line ${index + 1}: ${field} is "${cell(field)}", expected ${expected}`,
      );
    };
    const number = (field: Column, least: number, most: number): number => {
      const value = cell(field) === '' ? Number.NaN : Number(cell(field));
      return Number.isInteger(value) && value >= least && value <= most
        ? value
        : fail(field, `a whole number from ${least} to ${most}`);
    };
    const [iommu, op] = [cell('iommu'), cell('op')];
    const row: HardwareRow = {
      iommu: iommu === 'on' || iommu === 'off' ? iommu : fail('iommu', 'on or off'),
      op: op === 'read' || op === 'write' ? op : fail('op', 'read or write'),
      sizeBytes: number('size_bytes', 1, 4096),
      cache: /^[\w-]+$/.test(cell('cache')) ? cell('cache') : fail('cache', 'a name, such as hwarm or cold'),
      windowBytes: number('window_bytes', 4096, 2 ** 36),
      tps: number('transactions_per_s', 1, 1e10),
    };
    if (header.includes('machine')) machines.add(cell('machine'));
    const key = `${row.iommu} ${row.op} ${row.sizeBytes} ${row.cache} ${row.windowBytes}`;
    const point = points.get(key);
    if (point === undefined) points.set(key, { row, sum: row.tps, count: 1 });
    else points.set(key, { row, sum: point.sum + row.tps, count: point.count + 1 });
  }
  if (machines.size > 1) {
    throw new HardwareDataError(`${source}: machines ${[...machines].join(', ')}, expected one a file`);
  }
  const rows = [...points.values()].map(({ row, sum, count }) => ({ ...row, tps: sum / count }));
  if (rows.length === 0)
    throw new HardwareDataError(`${source}: no rows, expected measurements below the header`);
  return { machine: [...machines][0] ?? source, rows };
}
