import { DEFAULT_TIMING } from '../../../host/iommu/translation/parameters.js';
import { EngineLimits } from './engine-limits.js';
import { HardwareDataError } from './hardware-data-error.js';
import type { LatencyRow, PageKind } from './latency-rows.js';
import { CHOSEN_CONSTANTS, type MachineParameters, type UnitConstants } from './machine.js';
import { ReadLatency } from './read-latency.js';
import type { HardwareData } from './rows.js';
import { fitUnit } from './unit-fit.js';

/** A machine, and where its IOTLB and walk come from. */
export interface Calibration {
  readonly parameters: MachineParameters;
  /** `latency`: fitted. `default`: superpages leave nothing to fit, and the emulator's default unit is taken. */
  readonly unit: 'latency' | 'default';
}

/**
 * Finds a machine's parameters from its measurements: the limits of engine and link from the IOMMU-off rows, entries
 * and walk from the latency of a single outstanding read. No rate that was measured with the IOMMU on is used.
 *
 * @throws HardwareDataError if rows that are needed are missing
 */
export function calibrate(
  data: HardwareData,
  latencies: readonly LatencyRow[],
  pages: PageKind,
  constants: UnitConstants = CHOSEN_CONSTANTS,
): Calibration {
  const limits = new EngineLimits(data.rows);
  const latency = new ReadLatency(latencies);
  if (pages === '4k' && !latencies.some(({ iommu }) => iommu === 'on-4k')) {
    throw new HardwareDataError(
      'no latency row has iommu on-4k, expected some: IOTLB and walk are fitted to them',
    );
  }
  const fit = fitUnit(latencies, latency);
  return {
    parameters: { machine: data.machine, limits, latency, constants, ...(fit ?? DEFAULT_UNIT) },
    unit: fit === undefined ? 'default' : 'latency',
  };
}

const DEFAULT_UNIT = {
  iotlbEntries: DEFAULT_TIMING.iotlbEntries,
  walkNs: DEFAULT_TIMING.walkOverheadNs + DEFAULT_TIMING.tableReadNs,
};
