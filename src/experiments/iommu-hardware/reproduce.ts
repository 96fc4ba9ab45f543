import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Calibration, calibrate } from './calibrate.js';
import { Emulation } from './emulation.js';
import { readsInFlight, SPARE_READS, WALKERS, WRITES_IN_FLIGHT } from './machine.js';
import { type HardwareData, HardwareDataError, type HardwareRow, parseHardwareRows } from './rows.js';

/** Transactions of a point. Where pages miss, the rate varies with luck; elsewhere it does not. */
const TRANSACTIONS_WITH_MISSES = 14_000;
const TRANSACTIONS_WITHOUT = 2_500;
const PAGE_BYTES = 4096;

export const DATA_ORIGIN =
  'pcie-bench data set (github.com/pcie-bench/data, Apache-2.0): Neugebauer et al., "Understanding PCIe performance ' +
  'for end host networking", SIGCOMM 2018';

/** One row of the measurements and what the emulated machine does there. */
export interface PointResult {
  readonly op: 'read' | 'write';
  readonly size_bytes: number;
  readonly cache: string;
  readonly window_bytes: number;
  readonly iommu: 'off' | 'on';
  /** Transactions a second. */
  readonly measured_tps: number;
  readonly emulated_tps: number;
  /** emulated / measured - 1. */
  readonly error: number;
  /** Whether the row was used to find the machine's parameters. */
  readonly fitted: boolean;
}

/** Absolute errors over the IOMMU-on rows, as fractions. */
export interface ErrorSummary {
  readonly rows: number;
  readonly medianAbsError: number;
  readonly p95AbsError: number;
  readonly maxAbsError: number;
}

export interface IommuHardwareResult {
  readonly experiment: 'iommu-hardware';
  readonly origin: string;
  readonly machine: string;
  readonly seed: number;
  readonly parameters: {
    readonly iotlb_entries: number;
    readonly read_walk_ns: number;
    readonly write_walk_ns: number;
    readonly walkers: number;
    readonly reads_in_flight: Readonly<Record<string, number>>;
    readonly spare_reads: number;
    readonly writes_in_flight: number;
    readonly fitted_to_size_bytes: number;
    readonly fitted_error: number;
  };
  readonly points: readonly PointResult[];
  readonly summary: ErrorSummary;
  /** The same over the IOMMU-on rows that no parameter was fitted to. */
  readonly predicted: ErrorSummary;
}

/** What to reproduce: a file, or rows that are there already. */
export interface IommuHardwareOptions {
  readonly dataPath?: string;
  readonly data?: HardwareData;
  readonly seed: number;
  /** Told what is being done, and how much of all points is done (0 to 1). */
  readonly progress?: (done: number, step: string) => void;
}

/**
 * Calibrates a machine on a file of measurements and emulates each of its rows. Same file and seed, same result.
 *
 * @throws HardwareDataError if the file cannot be read or is not what the experiment can use
 */
export function reproduceIommuHardware(options: IommuHardwareOptions): IommuHardwareResult {
  const data = options.data ?? readData(options.dataPath);
  const { seed, progress } = options;
  if (!Number.isSafeInteger(seed)) throw new HardwareDataError(`seed is ${seed}, expected a whole number`);
  const calibration = calibrate(data, seed, (step) => progress?.(0, `calibrating: ${step}`));
  const emulation = new Emulation(seed);
  const points = data.rows.map((row, index): PointResult => {
    progress?.(index / data.rows.length, `${row.op} ${row.sizeBytes} B, IOMMU ${row.iommu}`);
    return emulatePoint(emulation, calibration, row);
  });
  const on = points.filter(({ iommu }) => iommu === 'on');
  return {
    experiment: 'iommu-hardware',
    origin: DATA_ORIGIN,
    machine: data.machine,
    seed,
    parameters: describeParameters(calibration),
    points,
    summary: summarize(on),
    predicted: summarize(on.filter(({ fitted }) => !fitted)),
  };
}

/** What was found and what was given, as the result shows it. */
export function describeParameters(calibration: Calibration): IommuHardwareResult['parameters'] {
  const { parameters } = calibration;
  return {
    iotlb_entries: parameters.iotlbEntries,
    read_walk_ns: parameters.readWalkNs,
    write_walk_ns: parameters.writeWalkNs,
    walkers: WALKERS,
    reads_in_flight: Object.fromEntries(
      parameters.limits.sizes('read').map((size) => [`${size}`, readsInFlight(parameters.limits, size)]),
    ),
    spare_reads: SPARE_READS,
    writes_in_flight: WRITES_IN_FLIGHT,
    fitted_to_size_bytes: calibration.fittedSizeBytes,
    fitted_error: rounded(calibration.fittedError),
  };
}

/** Median, 95th percentile (nearest rank) and largest absolute error. */
export function summarize(points: readonly PointResult[]): ErrorSummary {
  const errors = points.map(({ error }) => Math.abs(error)).sort((a, b) => a - b);
  const rank = (share: number) => errors[Math.max(0, Math.ceil(share * errors.length) - 1)] ?? 0;
  return { rows: errors.length, medianAbsError: rank(0.5), p95AbsError: rank(0.95), maxAbsError: rank(1) };
}

/** One row on the calibrated machine. It depends on the row and the seed alone, not on the rows before it. */
export function emulatePoint(
  emulation: Emulation,
  { parameters, fittedSizeBytes }: Calibration,
  row: HardwareRow,
): PointResult {
  const misses = row.iommu === 'on' && row.windowBytes > parameters.iotlbEntries * PAGE_BYTES;
  const transactions = misses ? TRANSACTIONS_WITH_MISSES : TRANSACTIONS_WITHOUT;
  const emulated = Math.round(emulation.tps(parameters, row, row.iommu, transactions));
  return {
    op: row.op,
    size_bytes: row.sizeBytes,
    cache: row.cache,
    window_bytes: row.windowBytes,
    iommu: row.iommu,
    measured_tps: row.tps,
    emulated_tps: emulated,
    error: rounded(emulated / row.tps - 1),
    fitted: row.iommu === 'off' || row.sizeBytes === fittedSizeBytes,
  };
}

function readData(path: string | undefined): HardwareData {
  if (path === undefined) throw new HardwareDataError('data is missing, expected the path of a CSV file');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HardwareDataError(`data is ${path}, expected a CSV file that can be read (${reason})`);
  }
  return parseHardwareRows(text, basename(path));
}

/** To five places; adding zero makes a minus zero, which JSON cannot carry, a zero. */
function rounded(value: number): number {
  return Math.round(value * 1e5) / 1e5 + 0;
}
