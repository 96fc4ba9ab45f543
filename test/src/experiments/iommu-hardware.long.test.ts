import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { calibrate } from '../../../src/experiments/iommu-hardware/calibrate.js';
import { Emulation } from '../../../src/experiments/iommu-hardware/emulation.js';
import {
  type IommuHardwareResult,
  parseHardwareRows,
  SHIPPED_DATA,
  STORED_SEED,
} from '../../../src/experiments/iommu-hardware/index.js';
import { describeParameters, emulatePoint } from '../../../src/experiments/iommu-hardware/reproduce.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/iommu-hardware/result.json', import.meta.url), 'utf8'),
) as IommuHardwareResult[];
const shipped = SHIPPED_DATA.map((path) => parseHardwareRows(readFileSync(path, 'utf8'), path));

function of<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

describe('a fresh run', () => {
  it('comes out again: a calibration whole, and of the points a sample', () => {
    const [expected, data] = [of(stored, 1), of(shipped, 1)];
    const calibration = calibrate(data, STORED_SEED);
    expect(describeParameters(calibration)).toEqual(expected.parameters);
    const emulation = new Emulation(STORED_SEED);
    for (let number = 0; number < data.rows.length; number += 13) {
      const fresh = emulatePoint(emulation, calibration, of(data.rows, number));
      expect(fresh).toEqual(of(expected.points, number));
    }
  });
});
