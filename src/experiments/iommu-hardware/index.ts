import { fileURLToPath } from 'node:url';

export { type Calibration, calibrate } from './calibrate.js';
export type { MachineParameters } from './machine.js';
export {
  DATA_ORIGIN,
  type ErrorSummary,
  type IommuHardwareOptions,
  type IommuHardwareResult,
  type PointResult,
  reproduceIommuHardware,
} from './reproduce.js';
export { type HardwareData, HardwareDataError, type HardwareRow, parseHardwareRows } from './rows.js';

/** The measurements that come with the project, one machine a file. */
export const SHIPPED_DATA = ['broadwell-e5-2630v4', 'haswell-e5-2637v3'].map((machine) =>
  fileURLToPath(new URL(`./data/${machine}.csv`, import.meta.url)),
);

/** Seed of the stored results. */
export const STORED_SEED = 1;
