import { fileURLToPath } from 'node:url';

export { type Calibration, calibrate } from './calibrate.js';
export { HardwareDataError } from './hardware-data-error.js';
export { type LatencyRow, PAGE_KINDS, type PageKind, parseLatencyRows } from './latency-rows.js';
export type { MachineParameters } from './machine.js';
export {
  DATA_ORIGIN,
  type ErrorSummary,
  type IommuHardwareOptions,
  type IommuHardwareResult,
  type LatencyResult,
  type PointResult,
  reproduceIommuHardware,
} from './reproduce.js';
export { type HardwareData, type HardwareRow, parseHardwareRows } from './rows.js';

const fileOf = (name: string): string => fileURLToPath(new URL(`./data/${name}`, import.meta.url));

/** The measurements that come with the project: rates and latencies of two machines. */
export const SHIPPED_DATA = ['broadwell-e5-2630v4', 'haswell-e5-2637v3'].map((machine) => ({
  dataPath: fileOf(`${machine}.csv`),
  latencyPath: fileOf(`${machine}-latency.csv`),
}));

/** Seed of the stored results. */
export const STORED_SEED = 1;
