import { Emulation } from './emulation.js';
import { EngineLimits } from './engine-limits.js';
import { type MachineParameters, WALKERS } from './machine.js';
import { type HardwareData, HardwareDataError, type HardwareRow } from './rows.js';

/** A row whose rate is below this share of its IOMMU-off twin says something about the walker. */
const LOSS_SHARE = 0.97;
const PAGE_BYTES = 4096;
/** Where the search starts: the walk time with which Broadwell's walkers are as fast as measured. */
const FIRST_WALK_NS = 275;
const COARSE = { transactions: 3_000, steps: 2 } as const;
const FINE = { transactions: 6_000, steps: 3 } as const;
/** Rungs of the ladder differ by this factor. */
const RUNG = 1.15;
const MOST_RUNGS = 12;
const MOST_ENTRIES = 4_096;
/** Windows of one operation and cache state that are used at most, spread over those that lose. */
const MOST_WINDOWS = 7;

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
  const lossy = rowsPastTheKnee(limits, fitted);
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
  const used = { read: targets(limits, lossy, 'read'), write: targets(limits, lossy, 'write') };
  let walk = { read: FIRST_WALK_NS, write: FIRST_WALK_NS };
  const attempt = (iotlbEntries: number, effort: Effort): Calibration => {
    progress?.(`IOTLB of ${iotlbEntries} entries`);
    const start = { ...base, iotlbEntries };
    const read = fitWalk(emulation, start, used.read, walk.read, effort);
    const write = fitWalk(emulation, start, used.write, walk.write, effort);
    const fits = [read, write].filter((fit) => fit !== undefined);
    // A file with one operation only: the walker is the same hardware, so its time for one stands for both.
    walk = {
      read: read?.walkNs ?? write?.walkNs ?? walk.read,
      write: write?.walkNs ?? read?.walkNs ?? walk.write,
    };
    const error = fits.reduce((sum, fit) => sum + fit.error, 0) / fits.length;
    return done({ ...start, readWalkNs: walk.read, writeWalkNs: walk.write }, error);
  };
  const best = (tried: readonly Calibration[]) =>
    tried.reduce((least, one) => (one.fittedError < least.fittedError ? one : least));

  const coarse = best(ladder(base.iotlbEntries, lossy).map((entries) => attempt(entries, COARSE)));
  const middle = coarse.parameters.iotlbEntries;
  walk = { read: coarse.parameters.readWalkNs, write: coarse.parameters.writeWalkNs };
  const step = Math.max(1, Math.round(middle / 24));
  const around = new Set([middle - step, middle, middle + step].filter((entries) => entries >= 1));
  if (Math.abs(base.iotlbEntries - middle) <= 4 * step) around.add(base.iotlbEntries);
  return best([...around].map((entries) => attempt(entries, FINE)));
}

/** A rate to come near, at one point. */
interface Target {
  readonly row: HardwareRow;
  readonly tps: number;
}

interface Effort {
  readonly transactions: number;
  readonly steps: number;
}

/**
 * The rows of one operation that the fit uses. States of the cache that differ neither in the limits nor in the
 * latency are one machine to the emulation, so their mean stands for them.
 */
function targets(limits: EngineLimits, lossy: readonly HardwareRow[], op: 'read' | 'write'): Target[] {
  const rows = lossy.filter((row) => row.op === op);
  const windows = [...new Set(rows.map(({ windowBytes }) => windowBytes))].sort((a, b) => a - b);
  const kept = new Set(spread(windows, MOST_WINDOWS));
  const groups = new Map<string, HardwareRow[]>();
  for (const row of rows.filter(({ windowBytes }) => kept.has(windowBytes))) {
    const limit = Math.round(Math.log(limits.tps(row)) * 200);
    const key = `${row.windowBytes} ${limit}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].flatMap((group) => {
    const [row] = group;
    return row === undefined
      ? []
      : [{ row, tps: group.reduce((sum, { tps }) => sum + tps, 0) / group.length }];
  });
}

/** At most `most` of a list, first and last among them, evenly spread. */
function spread<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return list.filter((_, index) => {
    const place = (index * (most - 1)) / (list.length - 1);
    return index === 0 || Math.floor(place) !== Math.floor(((index - 1) * (most - 1)) / (list.length - 1));
  });
}

/**
 * The rows of each operation and cache state from the window on past which all of them lose. One slow row among small
 * windows is no knee: nothing there misses.
 */
function rowsPastTheKnee(limits: EngineLimits, fitted: readonly HardwareRow[]): HardwareRow[] {
  const groups = new Map<string, HardwareRow[]>();
  for (const row of fitted) {
    const key = `${row.op} ${row.cache}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].flatMap((group) => {
    const wideFirst = group.toSorted((a, b) => b.windowBytes - a.windowBytes);
    const knee = wideFirst.findIndex((row) => row.tps >= LOSS_SHARE * limits.tps(row));
    return knee < 0 ? wideFirst : wideFirst.slice(0, knee);
  });
}

/** Pages of the widest window below the first that loses: the IOTLB holds about as many. */
function widestLosslessPages(fitted: readonly HardwareRow[], lossy: readonly HardwareRow[]): number {
  const firstLoss = Math.min(...lossy.map(({ windowBytes }) => windowBytes));
  const below = fitted.map(({ windowBytes }) => windowBytes).filter((bytes) => bytes < firstLoss);
  const pages = below.length > 0 ? Math.max(...below) / PAGE_BYTES : firstLoss / PAGE_BYTES / 4;
  return Math.max(1, Math.min(MOST_ENTRIES, Math.floor(pages)));
}

/** Numbers of entries to try: from below the widest window without loss to the first with one. */
function ladder(losslessPages: number, lossy: readonly HardwareRow[]): number[] {
  const firstLoss = Math.min(...lossy.map(({ windowBytes }) => windowBytes)) / PAGE_BYTES;
  const most = Math.min(firstLoss, MOST_ENTRIES);
  const least = losslessPages * 0.85;
  const factor = Math.max(RUNG, (most / least) ** (1 / (MOST_RUNGS - 1)));
  // The widest window without loss is a rung itself: as many entries as it has pages is the first thing to expect.
  const rungs = new Set<number>([losslessPages]);
  for (let entries = least; entries <= most; entries *= factor) rungs.add(Math.max(1, Math.round(entries)));
  return [...rungs];
}

/** The walk time with which the targets of one operation are met best, or undefined if there are none. */
function fitWalk(
  emulation: Emulation,
  machine: MachineParameters,
  rows: readonly Target[],
  startNs: number,
  effort: Effort,
): { walkNs: number; error: number } | undefined {
  if (rows.length === 0) return undefined;
  let walkNs = startNs;
  let best: { walkNs: number; error: number } | undefined;
  for (let step = 0; step < effort.steps; step += 1) {
    const trial = { ...machine, readWalkNs: walkNs, writeWalkNs: walkNs };
    const ratios = rows.map(({ row, tps }) => emulation.tps(trial, row, 'on', effort.transactions) / tps);
    const error = ratios.reduce((sum, ratio) => sum + Math.abs(ratio - 1), 0) / ratios.length;
    if (best === undefined || error < best.error) best = { walkNs, error };
    // Where walkers are the limit the rate goes with the inverse of the walk time; the median row is such a one.
    const sorted = ratios.toSorted((a, b) => a - b);
    const next = Math.max(WALKERS, Math.round(walkNs * (sorted[sorted.length >> 1] ?? 1)));
    if (next === walkNs) break;
    walkNs = next;
  }
  return best;
}
