import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { calibrate } from '../../../src/experiments/iommu-hardware/calibrate.js';
import { crossValidate } from '../../../src/experiments/iommu-hardware/cross-validation.js';
import { Emulation } from '../../../src/experiments/iommu-hardware/emulation.js';
import {
  type IommuHardwareResults,
  iommuHardware,
} from '../../../src/experiments/iommu-hardware/experiment.js';
import {
  parseHardwareRows,
  parseLatencyRows,
  SHIPPED_DATA,
  STORED_SEED,
} from '../../../src/experiments/iommu-hardware/index.js';
import {
  describeParameters,
  emulateLatency,
  emulatePoint,
} from '../../../src/experiments/iommu-hardware/reproduce.js';
import { readStored } from '../../../src/experiments/stored-result.js';

const { machines: stored } = readStored(iommuHardware.storedUrl) as IommuHardwareResults;
const shipped = SHIPPED_DATA.map(({ dataPath, latencyPath }) => ({
  ...parseHardwareRows(readFileSync(dataPath, 'utf8'), dataPath),
  latencies: parseLatencyRows(readFileSync(latencyPath, 'utf8'), latencyPath),
}));

function of<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

describe('a machine whose rates with the IOMMU on were kept out of the choice', () => {
  it.each([
    [0, 1],
    [1, 0],
  ])(
    'is met within 10 %% at the 95th percentile with constants that were chosen on the other: %i, %i',
    (known, unseen) => {
      const { bandwidth } = crossValidate(of(shipped, known), of(shipped, unseen), STORED_SEED);
      expect(bandwidth.rows).toBe(208);
      expect(bandwidth.p95Error).toBeLessThan(0.1);
    },
    1_200_000,
  );
});

describe('a fresh run', () => {
  it('comes out again: a calibration whole, and of the points a sample', () => {
    const [expected, data] = [of(stored, 1), of(shipped, 1)];
    const calibration = calibrate(data, data.latencies, '4k');
    expect(describeParameters(calibration)).toEqual(expected.parameters);
    const emulation = new Emulation(STORED_SEED);
    for (let number = 0; number < data.rows.length; number += 13) {
      const fresh = emulatePoint(emulation, calibration, '4k', of(data.rows, number));
      expect(fresh).toEqual(of(expected.points, number));
    }
    const wide = data.latencies.filter(({ iommu, cache }) => iommu === 'on-4k' && cache === 'hwarm').at(-1);
    if (wide === undefined) throw new Error('no latency with the IOMMU on');
    expect(emulateLatency(emulation, calibration, '4k', wide)).toEqual(expected.latencies.at(-1));
  });
});
