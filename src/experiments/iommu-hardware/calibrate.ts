import { Emulation } from './emulation.js';
import { EngineLimits } from './engine-limits.js';
import { type MachineParameters, WALKERS } from './machine.js';
import { type HardwareData, HardwareDataError, type HardwareRow } from './rows.js';

/** A row whose rate is below this share of its IOMMU-off twin says something about the walker. */
const LOSS_SHARE = 0.97;
const PAGE_BYTES = 4096;
/** Where the search starts: the walk time with which Broadwell's walkers are as fast as measured. */
const FIRST_WALK_NS = 275;
const WALK_STEPS = 4;
const COARSE_TRANSACTIONS = 4_000;
const FINE_TRANSACTIONS = 8_000;
const MOST_ENTRIES = 4_096;

/** A machine, and how well it does on the rows that it was fitted to. */
export interface Calibration {
  readonly parameters: MachineParameters;
  /** Size of the rows that the walker was fitted to: the smallest with the IOMMU on, bytes. */
  readonly fittedSizeBytes: number;
  /** Rows that it was fitted to. */
  readonly fittedRows: number;
  /** Mean absolute error over those of them that lose more than 3 %, as a fraction. */
  readonly fittedError: number;
}

interface WalkFit {
  readonly walkNs: number;
  readonly error: number;
}

/**
 * Finds a machine's parameters from its measurements: the limits of engine and link from the IOMMU-off rows, and from
 * the smallest transactions with the IOMMU on how many entries the IOTLB has and how long a walk takes, for reads
 * and for writes. The larger sizes are never looked at.
 *
 * The search is a ladder over the number of entries, then finer around the best; for each, the walk time follows
 * in a few steps, as the rate of a bound walker goes with its inverse. All runs use one seed, so that neighbours differ
 * by their parameters and not by their luck.
 *
 * @throws HardwareDataError if rows that are needed are missing
 */
export function calibrate(data: HardwareData, seed: number, progress?: (step: string) => void): Calibration {
  const limits = new EngineLimits(data.rows);
  const on = data.rows.filter(({ iommu }) => iommu === 'on');
  if (on.length === 0) {
    throw new HardwareDataError(
      'no row has iommu on, expected some: the walker is fitted to the smallest of them',
    );
  }
  const fittedSizeBytes = Math.min(...on.map(({ sizeBytes }) => sizeBytes));
  const fitted = on.filter(({ sizeBytes }) => sizeBytes === fittedSizeBytes);
  const lossy = fitted.filter((row) => row.tps < LOSS_SHARE * limits.tps(row));
  const base: MachineParameters = {
    machine: data.machine,
    limits,
    iotlbEntries: widestLosslessPages(fitted, lossy),
    readWalkNs: FIRST_WALK_NS,
    writeWalkNs: FIRST_WALK_NS,
  };
  const done = (parameters: MachineParameters, fittedError: number): Calibration => ({
    parameters,
    fittedSizeBytes,
    fittedRows: fitted.length,
    fittedError,
  });
  if (lossy.length === 0) return done(base, 0);

  const emulation = new Emulation(seed);
  const tried = new Map<number, Calibration>();
  const attempt = (iotlbEntries: number, transactions: number): Calibration => {
    progress?.(`IOTLB of ${iotlbEntries} entries`);
    const start = { ...base, iotlbEntries };
    const [reads, writes] = (['read', 'write'] as const).map((op) =>
      fitWalk(
        emulation,
        start,
        lossy.filter((row) => row.op === op),
        transactions,
      ),
    );
    // A file with one operation only: the walker is the same hardware, so what it takes for one stands for both.
    const readWalkNs = reads?.walkNs ?? writes?.walkNs ?? FIRST_WALK_NS;
    const parameters = { ...start, readWalkNs, writeWalkNs: writes?.walkNs ?? readWalkNs };
    const fits = [reads, writes].filter((fit) => fit !== undefined);
    return done(parameters, fits.reduce((sum, { error }) => sum + error, 0) / fits.length);
  };
  const best = () => [...tried.values()].reduce((a, b) => (b.fittedError < a.fittedError ? b : a));

  for (const entries of ladder(base.iotlbEntries, lossy))
    tried.set(entries, attempt(entries, COARSE_TRANSACTIONS));
  const coarse = best().parameters.iotlbEntries;
  const step = Math.max(1, Math.round(coarse / 32));
  tried.clear();
  for (const entries of [coarse - 2 * step, coarse - step, coarse, coarse + step, coarse + 2 * step]) {
    if (entries >= 1) tried.set(entries, attempt(entries, FINE_TRANSACTIONS));
  }
  return best();
}

/** Pages of the widest window below the first that loses: the IOTLB holds about as many. */
function widestLosslessPages(fitted: readonly HardwareRow[], lossy: readonly HardwareRow[]): number {
  const firstLoss = Math.min(...lossy.map(({ windowBytes }) => windowBytes));
  const below = fitted.map(({ windowBytes }) => windowBytes).filter((bytes) => bytes < firstLoss);
  const pages = below.length > 0 ? Math.max(...below) / PAGE_BYTES : firstLoss / PAGE_BYTES / 2;
  return Math.max(1, Math.min(MOST_ENTRIES, Math.floor(pages)));
}

/** Numbers of entries to try: from below the widest window without loss to the first with one. */
function ladder(losslessPages: number, lossy: readonly HardwareRow[]): number[] {
  const firstLoss = Math.min(...lossy.map(({ windowBytes }) => windowBytes)) / PAGE_BYTES;
  const rungs = new Set<number>();
  for (let entries = losslessPages * 0.75; entries <= Math.min(firstLoss, MOST_ENTRIES); entries *= 1.15) {
    rungs.add(Math.max(1, Math.round(entries)));
    if (rungs.size > 12) break;
  }
  return [...rungs];
}

/** The walk time with which rows of one operation come out best, or undefined if there are none. */
function fitWalk(
  emulation: Emulation,
  machine: MachineParameters,
  rows: readonly HardwareRow[],
  transactions: number,
): WalkFit | undefined {
  if (rows.length === 0) return undefined;
  let walkNs = FIRST_WALK_NS;
  let best: WalkFit | undefined;
  for (let step = 0; step < WALK_STEPS; step += 1) {
    const trial = { ...machine, readWalkNs: walkNs, writeWalkNs: walkNs };
    const ratios = rows.map((row) => emulation.tps(trial, row, 'on', transactions) / row.tps);
    const error = ratios.reduce((sum, ratio) => sum + Math.abs(ratio - 1), 0) / ratios.length;
    if (best === undefined || error < best.error) best = { walkNs, error };
    const sorted = ratios.toSorted((a, b) => a - b);
    const next = Math.max(WALKERS, Math.round(walkNs * (sorted[sorted.length >> 1] ?? 1)));
    if (next === walkNs) break;
    walkNs = next;
  }
  return best;
}
