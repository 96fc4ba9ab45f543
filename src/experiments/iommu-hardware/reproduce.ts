import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { present } from '../../../scheduler/present.js';
import { type Calibration, calibrate } from './calibrate.js';
import { Emulation } from './emulation.js';
import { HardwareDataError } from './hardware-data-error.js';
import { type LatencyRow, type PageKind, parseLatencyRows } from './latency-rows.js';
import { readsInFlight } from './machine.js';
import { latencyCacheOf } from './read-latency.js';
import { type HardwareRow, parseHardwareRows } from './rows.js';

/** Transactions of a point. Where pages miss, the rate varies with luck; elsewhere it does not. */
const TRANSACTIONS_WITH_MISSES = 14_000;
const TRANSACTIONS_WITHOUT = 2_500;
/** Reads of a latency, one after another. */
const TRANSACTIONS_OF_LATENCY = 20_000;
const PAGE_BYTES = 4096;

export const DATA_ORIGIN =
  'pcie-bench data set (github.com/pcie-bench/data, Apache-2.0): Neugebauer et al., "Understanding PCIe performance ' +
  'for end host networking", SIGCOMM 2018';

/** One row of the rates and what the emulated machine does there. */
export interface PointResult {
  readonly op: 'read' | 'write';
  readonly size_bytes: number;
  readonly cache: string;
  readonly window_bytes: number;
  readonly iommu: 'off' | 'on';
  /** Transactions per second. */
  readonly measured_tps: number;
  readonly emulated_tps: number;
  /** emulated / measured - 1. */
  readonly error: number;
}

/** The mean latency of one window, one 64-byte read outstanding, IOMMU on; cache warm, if that was measured. */
export interface LatencyResult {
  readonly window_bytes: number;
  readonly measured_ns: number;
  readonly emulated_ns: number;
  /** emulated / measured - 1. */
  readonly error: number;
}

/** Absolute errors over the IOMMU-on rows, as fractions. */
export interface ErrorSummary {
  readonly rows: number;
  readonly medianError: number;
  readonly p95Error: number;
  readonly maxError: number;
}

export interface IommuHardwareResult {
  readonly experiment: 'iommu-hardware';
  readonly origin: string;
  readonly machine: string;
  /** What the pages of the windows were while the IOMMU was on. */
  readonly pages: PageKind;
  readonly seed: number;
  readonly parameters: {
    readonly iotlb_entries: number;
    readonly walk_ns: number;
    /** Where those two come from: fitted to latency, or the emulator's defaults. */
    readonly unit: Calibration['unit'];
    readonly walkers: number;
    readonly read_walk_interval_ns: number;
    readonly write_walk_interval_ns: number;
    readonly reads_in_flight: Readonly<Record<string, number>>;
    readonly spare_reads: number;
    readonly writes_in_flight: number;
  };
  readonly points: readonly PointResult[];
  readonly latencies: readonly LatencyResult[];
  readonly bandwidth: ErrorSummary;
  /** Null if the latency file has no rows of these pages. */
  readonly latency: ErrorSummary | null;
}

/** What to reproduce: files, and what `on` means in that of the rates. */
export interface IommuHardwareOptions {
  readonly dataPath: string;
  readonly latencyPath: string;
  readonly pages: PageKind;
  readonly seed: number;
}

/**
 * Calibrates a machine on two files of measurements and emulates each of their rows. Same files and seed, same result.
 *
 * @throws HardwareDataError if a file cannot be read or is not what the experiment can use
 */
export function reproduceIommuHardware(options: IommuHardwareOptions): IommuHardwareResult {
  const { dataPath, latencyPath, pages, seed } = options;
  if (!Number.isSafeInteger(seed)) throw new HardwareDataError(`seed is ${seed}, expected a whole number`);
  const data = parseHardwareRows(readText('data', dataPath), basename(dataPath));
  const latencies = parseLatencyRows(readText('latency', latencyPath), basename(latencyPath));
  if (!data.rows.some(({ iommu }) => iommu === 'on')) {
    throw new HardwareDataError('no row has iommu on, expected some to compare with');
  }
  const calibration = calibrate(data, latencies, pages);
  const emulation = new Emulation(seed);
  const points = data.rows.map((row) => emulatePoint(emulation, calibration, pages, row));
  const cacheState = latencyCacheOf(latencies, `on-${pages}`);
  const latencyResults = latencies
    .filter(({ iommu, cache }) => iommu === `on-${pages}` && cache === cacheState)
    .map((row) => emulateLatency(emulation, calibration, pages, row));
  return {
    experiment: 'iommu-hardware',
    origin: DATA_ORIGIN,
    machine: data.machine,
    pages,
    seed,
    parameters: describeParameters(calibration),
    points,
    latencies: latencyResults,
    bandwidth: summarize(points.filter(({ iommu }) => iommu === 'on')),
    latency: latencyResults.length === 0 ? null : summarize(latencyResults),
  };
}

/** What was found and what was given, as the result shows it. */
export function describeParameters({ parameters, unit }: Calibration): IommuHardwareResult['parameters'] {
  const { limits, constants } = parameters;
  return {
    iotlb_entries: parameters.iotlbEntries,
    walk_ns: parameters.walkNs,
    unit,
    walkers: constants.walkers,
    read_walk_interval_ns: constants.readWalkIntervalNs,
    write_walk_interval_ns: constants.writeWalkIntervalNs,
    reads_in_flight: Object.fromEntries(
      limits.sizes('read').map((size) => [`${size}`, readsInFlight(parameters, size)]),
    ),
    spare_reads: constants.spareReads,
    writes_in_flight: constants.writesInFlight,
  };
}

/** Median, 95th percentile (nearest rank) and largest absolute error. */
export function summarize(points: readonly { readonly error: number }[]): ErrorSummary {
  const errors = points.map(({ error }) => Math.abs(error)).sort((a, b) => a - b);
  const rank = (share: number) => present(errors[Math.max(0, Math.ceil(share * errors.length) - 1)]);
  return { rows: errors.length, medianError: rank(0.5), p95Error: rank(0.95), maxError: rank(1) };
}

/** One row on the calibrated machine. It depends on the row and the seed alone, not on the rows before it. */
export function emulatePoint(
  emulation: Emulation,
  { parameters }: Calibration,
  pages: PageKind,
  row: HardwareRow,
): PointResult {
  const misses = row.iommu === 'on' && row.windowBytes > parameters.iotlbEntries * PAGE_BYTES;
  const transactions = misses ? TRANSACTIONS_WITH_MISSES : TRANSACTIONS_WITHOUT;
  const iommu = row.iommu === 'on' ? pages : 'off';
  const emulated = Math.round(emulation.tps(parameters, row, iommu, transactions));
  return {
    op: row.op,
    size_bytes: row.sizeBytes,
    cache: row.cache,
    window_bytes: row.windowBytes,
    iommu: row.iommu,
    measured_tps: row.tps,
    emulated_tps: emulated,
    error: rounded(emulated / row.tps - 1),
  };
}

/** One window of the latencies on the calibrated machine. */
export function emulateLatency(
  emulation: Emulation,
  { parameters }: Calibration,
  pages: PageKind,
  { cache, windowBytes, meanNs }: LatencyRow,
): LatencyResult {
  const ns = emulation.latencyNs(parameters, { cache, windowBytes }, pages, TRANSACTIONS_OF_LATENCY);
  return {
    window_bytes: windowBytes,
    measured_ns: meanNs,
    emulated_ns: Math.round(ns * 10) / 10,
    error: rounded(ns / meanNs - 1),
  };
}

function readText(field: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HardwareDataError(`${field} is ${path}, expected a CSV file that can be read (${reason})`);
  }
}

/** To five places; adding zero makes a minus zero, which JSON cannot carry, a zero. */
function rounded(value: number): number {
  return Math.round(value * 1e5) / 1e5 + 0;
}
