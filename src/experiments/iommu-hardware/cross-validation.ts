import { present } from '../../../scheduler/present.js';
import { calibrate } from './calibrate.js';
import { Emulation } from './emulation.js';
import type { LatencyRow } from './latency-rows.js';
import type { UnitConstants } from './machine.js';
import { type ErrorSummary, emulatePoint, summarize } from './reproduce.js';
import type { HardwareData, HardwareRow } from './rows.js';

/** A machine's rates and latencies. */
export interface MeasuredMachine extends HardwareData {
  readonly latencies: readonly LatencyRow[];
}

/** What the constants of one machine say of another whose rates with the IOMMU on they have not seen. */
export interface CrossValidation {
  readonly chosenOn: string;
  readonly constants: UnitConstants;
  readonly predicted: string;
  /** Of the predicted machine's rows with the IOMMU on. */
  readonly bandwidth: ErrorSummary;
}

/** The values that are tried. A search begins in the middle of each list. */
const CHOICES = {
  walkers: [4, 6, 7, 8, 9, 10, 12],
  readWalkIntervalNs: [0, 36, 40, 45, 50],
  spareReads: [8, 10, 12, 14, 16],
  writeWalkIntervalNs: [0, 36, 40, 44],
  writesInFlight: [32, 45, 64],
} as const satisfies Record<keyof UnitConstants, readonly number[]>;
const NAMES = Object.keys(CHOICES) as (keyof UnitConstants)[];
/** The constants that a rate of one operation does not depend on. */
const IRRELEVANT: Readonly<Record<HardwareRow['op'], readonly (keyof UnitConstants)[]>> = {
  read: ['writeWalkIntervalNs', 'writesInFlight'],
  write: ['readWalkIntervalNs', 'spareReads'],
};
/** Transactions of a point while the search goes on. */
const TRANSACTIONS = 3_000;
const PAGE_BYTES = 4096;

/** Chooses the constants on one machine alone, and predicts the other from its IOMMU-off rows and latencies. */
export function crossValidate(
  known: MeasuredMachine,
  unseen: MeasuredMachine,
  seed: number,
): CrossValidation {
  const constants = chooseConstants(known, seed);
  const calibration = calibrate(unseen, unseen.latencies, '4k', constants);
  const emulation = new Emulation(seed);
  const points = unseen.rows
    .filter(({ iommu }) => iommu === 'on')
    .map((row) => emulatePoint(emulation, calibration, '4k', row));
  return { chosenOn: known.machine, constants, predicted: unseen.machine, bandwidth: summarize(points) };
}

/**
 * The constants with the least mean square error over a machine's rates with the IOMMU on, cache warm, at windows that
 * the IOTLB does not hold: one constant after the other, until none of them can be bettered by itself.
 */
function chooseConstants(machine: MeasuredMachine, seed: number): UnitConstants {
  const errorOf = errorFunction(machine, seed);
  const middle = (values: readonly number[]) => present(values[values.length >> 1]);
  let best = Object.fromEntries(NAMES.map((name) => [name, middle(CHOICES[name])])) as Record<
    keyof UnitConstants,
    number
  >;
  let least = errorOf(best);
  for (let before = Number.POSITIVE_INFINITY; least < before; ) {
    before = least;
    for (const name of NAMES) {
      for (const value of CHOICES[name]) {
        const tried = { ...best, [name]: value };
        const error = errorOf(tried);
        if (error < least) [best, least] = [tried, error];
      }
    }
  }
  return best;
}

/** Mean square error by constants; a rate that only other constants could change is not emulated again. */
function errorFunction(machine: MeasuredMachine, seed: number): (constants: UnitConstants) => number {
  const emulation = new Emulation(seed);
  const { iotlbEntries } = calibrate(machine, machine.latencies, '4k').parameters;
  const rows = machine.rows.filter(
    ({ iommu, cache, windowBytes }) =>
      iommu === 'on' && cache === 'hwarm' && windowBytes > iotlbEntries * PAGE_BYTES,
  );
  const known = new Map<string, number>();
  return (constants) => {
    const { parameters } = calibrate(machine, machine.latencies, '4k', constants);
    let sum = 0;
    for (const [index, row] of rows.entries()) {
      const relevant = NAMES.filter((name) => !IRRELEVANT[row.op].includes(name));
      const key = [index, ...relevant.map((name) => constants[name])].join(' ');
      let square = known.get(key);
      if (square === undefined) {
        square = (emulation.tps(parameters, row, '4k', TRANSACTIONS) / row.tps - 1) ** 2;
        known.set(key, square);
      }
      sum += square;
    }
    return sum / rows.length;
  };
}
