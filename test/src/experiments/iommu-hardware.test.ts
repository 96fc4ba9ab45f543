import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calibrate } from '../../../src/experiments/iommu-hardware/calibrate.js';
import { Emulation } from '../../../src/experiments/iommu-hardware/emulation.js';
import { EngineLimits } from '../../../src/experiments/iommu-hardware/engine-limits.js';
import { iommuHardware } from '../../../src/experiments/iommu-hardware/experiment.js';
import {
  type HardwareRow,
  type IommuHardwareResult,
  type PointResult,
  parseHardwareRows,
  reproduceIommuHardware,
  SHIPPED_DATA,
} from '../../../src/experiments/iommu-hardware/index.js';
import { summarize } from '../../../src/experiments/iommu-hardware/reproduce.js';

const HEADER = 'machine,iommu,op,size_bytes,cache,window_bytes,transactions_per_s,gbit_per_s';
const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/iommu-hardware/result.json', import.meta.url), 'utf8'),
) as IommuHardwareResult[];
const shipped = SHIPPED_DATA.map((path) => parseHardwareRows(readFileSync(path, 'utf8'), path));

function of<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

describe('a file of measurements', () => {
  it('is read whatever the order of its columns, with others among them', () => {
    const text =
      '\uFEFFcache,transactions_per_s,note,op,iommu,window_bytes,size_bytes\r\ncold,5000,x,read,on,4096,64\r\n';
    expect(parseHardwareRows(text, 'a.csv')).toEqual({
      machine: 'a.csv',
      rows: [{ iommu: 'on', op: 'read', sizeBytes: 64, cache: 'cold', windowBytes: 4096, tps: 5000 }],
    });
  });

  it('counts a point that is given twice with its mean', () => {
    const text = `${HEADER}\nm,on,read,64,cold,4096,100,1\nm,on,read,64,cold,4096,300,1\n`;
    expect(parseHardwareRows(text, 'a.csv').rows.map(({ tps }) => tps)).toEqual([200]);
  });

  it.each([
    ['iommu,op,size_bytes,cache,window_bytes\n', 'a.csv: no column transactions_per_s in "iommu,op,'],
    ['', 'a.csv: no column iommu in ""'],
    [`${HEADER}\n`, 'a.csv: no rows'],
    [`${HEADER}\nm,on,read,64,cold,4096,1\n`, 'a.csv line 2: 7 cells, expected 8'],
    [`${HEADER}\nm,ON,read,64,cold,4096,1,1\n`, 'a.csv line 2: iommu is "ON", expected on or off'],
    [`${HEADER}\n\nm,on,send,64,cold,4096,1,1\n`, 'a.csv line 3: op is "send", expected read or write'],
    [
      `${HEADER}\nm,on,read,,cold,4096,1,1\n`,
      'a.csv line 2: size_bytes is "", expected a whole number from 1 to 4096',
    ],
    [`${HEADER}\nm,on,read,64,cold,100,1,1\n`, 'a.csv line 2: window_bytes is "100"'],
    [`${HEADER}\nm,on,read,64,cold,4096,0,1\n`, 'a.csv line 2: transactions_per_s is "0"'],
    [`${HEADER}\nm,on,read,64,,4096,1,1\n`, 'a.csv line 2: cache is ""'],
    [
      `${HEADER}\nm,on,read,64,cold,4096,1,1\nn,on,read,64,cold,4096,1,1\n`,
      'machines m, n, expected one a file',
    ],
  ])('that is wrong is refused by name: %j', (text, message) => {
    expect(() => parseHardwareRows(text, 'a.csv')).toThrow(message);
  });

  it('must be there, and have rows of both kinds', () => {
    expect(() => reproduceIommuHardware({ dataPath: '/nowhere.csv', seed: 1 })).toThrow(
      'data is /nowhere.csv',
    );
    expect(() => reproduceIommuHardware({ seed: 1 })).toThrow('data is missing');
    expect(() => reproduceIommuHardware({ data: of(shipped, 0), seed: 0.5 })).toThrow('seed is 0.5');
    const row = { op: 'read', sizeBytes: 64, cache: 'cold', windowBytes: 4096, tps: 1e6 } as const;
    const only = (iommu: 'on' | 'off') => ({ machine: 'm', rows: [{ ...row, iommu }] });
    expect(() => calibrate(only('on'), 1)).toThrow('no row has iommu off');
    expect(() => calibrate(only('off'), 1)).toThrow('no row has iommu on');
  });
});

describe('the limits of engine and link', () => {
  const row = (sizeBytes: number, cache: string, windowBytes: number, tps: number): HardwareRow => ({
    iommu: 'off',
    op: 'read',
    sizeBytes,
    cache,
    windowBytes,
    tps,
  });
  const limits = new EngineLimits([
    row(64, 'cold', 4096, 40e6),
    row(64, 'cold', 2 ** 20, 44e6),
    row(64, 'hwarm', 2 ** 26, 60e6),
    row(256, 'cold', 4096, 20e6),
    { ...row(128, 'cold', 4096, 1), iommu: 'on' },
  ]);
  const at = (sizeBytes: number, cache: string, windowBytes: number) =>
    limits.tps({ op: 'read', sizeBytes, cache, windowBytes });

  it('are the IOMMU-off rows, or the nearest window of the same cache state', () => {
    expect(at(64, 'cold', 4096)).toBe(40e6);
    expect(at(64, 'cold', 2 ** 25)).toBe(44e6);
    expect(at(64, 'hwarm', 4096)).toBe(60e6);
    expect(limits.bestTps('read', 64)).toBe(60e6);
  });

  it('take a size that was not measured between its neighbours, in time', () => {
    expect(1e9 / at(128, 'cold', 4096)).toBeCloseTo(25 + 25 / 3, 6);
    expect(1e9 / at(448, 'cold', 4096)).toBeCloseTo(75, 6);
  });

  it('of an operation that was not measured are missed by name', () => {
    expect(() => limits.tps({ op: 'write', sizeBytes: 64, cache: 'cold', windowBytes: 4096 })).toThrow(
      'no write row has iommu off',
    );
  });
});

describe('the emulated machine', () => {
  const data = of(shipped, 0);
  const limits = new EngineLimits(data.rows);
  const machine = { machine: 'm', limits, iotlbEntries: 64, readWalkNs: 600, writeWalkNs: 600 };
  const emulation = new Emulation(3);
  const point = (op: 'read' | 'write', sizeBytes: number, windowBytes: number) =>
    ({ op, sizeBytes, cache: 'hwarm', windowBytes }) as const;

  it('does what was measured while the IOMMU is off', () => {
    for (const row of data.rows.filter(({ iommu }) => iommu === 'off')) {
      const tps = emulation.tps(machine, row, 'off', 1_500);
      expect(Math.abs(tps / row.tps - 1), JSON.stringify(row)).toBeLessThan(0.01);
    }
  });

  it('loses nothing while the IOTLB holds the window', () => {
    for (const op of ['read', 'write'] as const) {
      const at = point(op, 64, 64 * 4096);
      expect(
        emulation.tps(machine, at, 'on', 3_000) / emulation.tps(machine, at, 'off', 3_000),
      ).toBeGreaterThan(0.97);
    }
  });

  it('never does more walks than its walkers can, and of a wide window nearly as many', () => {
    const walksPerS = (6 / 600) * 1e9;
    for (const op of ['read', 'write'] as const) {
      const tps = emulation.tps(machine, point(op, 64, 2 ** 26), 'on', 8_000);
      const missShare = 1 - 64 / (2 ** 26 / 4096);
      expect((tps * missShare) / walksPerS).toBeLessThan(1.01);
      expect((tps * missShare) / walksPerS).toBeGreaterThan(0.9);
    }
  });

  it('follows the share of misses: the pages held, and at most those being walked, cost no walk', () => {
    const [entries, inFlight, pages] = [64, 52, 256];
    const floor = emulation.tps(machine, point('write', 64, 2 ** 26), 'on', 8_000);
    const ratio = emulation.tps(machine, point('write', 64, pages * 4096), 'on', 8_000) / floor;
    // Of uniformly random pages, any replacement that does not look ahead holds entries / pages.
    expect(ratio).toBeGreaterThan(0.98 / (1 - entries / pages));
    expect(ratio).toBeLessThan(1.02 / (1 - (entries + inFlight) / pages));
  });

  it('is the same machine again with the same seed, and another with another', () => {
    const at = point('read', 128, 2 ** 21);
    const again = new Emulation(3).tps(machine, at, 'on', 2_000);
    expect(emulation.tps(machine, at, 'on', 2_000)).toBe(again);
    expect(new Emulation(4).tps(machine, at, 'on', 2_000)).not.toBe(again);
  });
});

describe('calibration', () => {
  it('finds a machine that it has not seen: one emulated with other entries, walk time and seed', () => {
    const windows = [2 ** 12, 2 ** 14, 2 ** 18, 2 ** 19, 2 ** 21, 2 ** 24];
    const off = of(shipped, 1).rows.filter(
      ({ iommu, cache, sizeBytes, windowBytes }) =>
        iommu === 'off' && cache === 'hwarm' && sizeBytes === 64 && windows.includes(windowBytes),
    );
    const [entries, walkNs] = [32, 480];
    const hidden = {
      machine: 'hidden',
      limits: new EngineLimits(off),
      iotlbEntries: entries,
      readWalkNs: walkNs,
      writeWalkNs: walkNs,
    };
    const emulation = new Emulation(77);
    const on = off.map((row) => ({
      ...row,
      iommu: 'on' as const,
      tps: emulation.tps(hidden, row, 'on', 8_000),
    }));
    const { parameters, fittedError } = calibrate({ machine: 'hidden', rows: [...off, ...on] }, 1);
    expect(Math.abs(parameters.iotlbEntries / entries - 1)).toBeLessThan(0.15);
    expect(Math.abs(parameters.readWalkNs / walkNs - 1)).toBeLessThan(0.05);
    expect(Math.abs(parameters.writeWalkNs / walkNs - 1)).toBeLessThan(0.05);
    expect(fittedError).toBeLessThan(0.03);
  });

  it('looks at no row with the IOMMU on but the smallest: what the others say changes nothing', () => {
    const rows = of(shipped, 0).rows.filter(({ cache, op }) => cache === 'hwarm' && op === 'read');
    const distorted = rows.map((row) =>
      row.iommu === 'on' && row.sizeBytes > 64 ? { ...row, tps: row.tps / 3 } : row,
    );
    const few = (list: readonly HardwareRow[]) => ({
      machine: 'm',
      rows: list.filter(
        ({ windowBytes, iommu }) => iommu === 'off' || [2 ** 18, 2 ** 20, 2 ** 24].includes(windowBytes),
      ),
    });
    const plain = calibrate(few(rows), 1);
    const other = calibrate(few(distorted), 1);
    const { limits: _limits, ...found } = plain.parameters;
    expect(other.parameters).toMatchObject(found);
    expect(other.fittedError).toBe(plain.fittedError);
  });

  it('of a machine without losses says so', () => {
    const rows = of(shipped, 0).rows.filter(({ iommu, sizeBytes }) => iommu === 'off' && sizeBytes === 64);
    const on = rows.map((row) => ({ ...row, iommu: 'on' as const }));
    const { fittedError, parameters } = calibrate({ machine: 'm', rows: [...rows, ...on] }, 1);
    expect(fittedError).toBe(0);
    expect(parameters.iotlbEntries).toBeGreaterThan(0);
  });
});

describe('the summary', () => {
  it('has the errors by rank, as a sorted list shows them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 99 }),
        (errors) => {
          const points = errors.map((error) => ({ error }) as PointResult);
          const { rows, medianAbsError, p95AbsError, maxAbsError } = summarize(points);
          const atMost = (limit: number) => errors.filter((error) => Math.abs(error) <= limit).length;
          expect(rows).toBe(errors.length);
          expect(atMost(medianAbsError)).toBeGreaterThanOrEqual(errors.length / 2);
          expect(atMost(p95AbsError)).toBeGreaterThanOrEqual(errors.length * 0.95);
          expect(maxAbsError).toBe(Math.max(...errors.map(Math.abs)));
        },
      ),
    );
  });
});

describe('the stored result', () => {
  it('meets the aim on both machines: median 3 %, 95th percentile 10 %', () => {
    expect(stored.map(({ machine }) => machine)).toEqual(shipped.map(({ machine }) => machine));
    for (const { points, summary, predicted } of stored) {
      const on = points.filter(({ iommu }) => iommu === 'on');
      expect(summary).toEqual(summarize(on));
      expect(predicted).toEqual(summarize(on.filter(({ size_bytes }) => size_bytes > 64)));
      expect(predicted.medianAbsError).toBeLessThan(0.03);
      expect(summary.medianAbsError).toBeLessThan(0.03);
      expect(summary.p95AbsError).toBeLessThan(0.1);
    }
  });

  it('is about the measured rows, each once', () => {
    for (const [index, { points }] of stored.entries()) {
      const { rows } = of(shipped, index);
      expect(points.map((point) => point.measured_tps)).toEqual(rows.map(({ tps }) => tps));
      for (const { emulated_tps, measured_tps, error } of points) {
        expect(error).toBeCloseTo(emulated_tps / measured_tps - 1, 4);
      }
    }
  });

  it('is printed with its origin, its errors and every row', () => {
    const { text } = iommuHardware.present(stored);
    expect(text).toContain('Neugebauer et al.');
    expect(text).toContain('Apache-2.0');
    expect(text.match(/[+-]\d+\.\d%/g)).toHaveLength(208 * stored.length);
    for (const { summary } of stored) expect(text).toContain(`${(summary.p95AbsError * 100).toFixed(1)} %`);
    const rows = text.split('\n').filter((line) => /^ *\d+ [KM]B /u.test(line));
    expect(Math.max(...rows.map(({ length }) => length))).toBeLessThan(121);
  });
});
