import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COSTS } from '../../../host/cpu/costs.js';
import { TIMING } from '../../../host/iommu/timing/parameters.js';
import { calibrationPage, parameterTables } from '../../../src/calibration/document.js';
import { HEADLINES } from '../../../src/calibration/headlines.js';
import { PARAMETERS } from '../../../src/calibration/parameters.js';

const page = readFileSync(new URL('../../../docs/calibration.md', import.meta.url), 'utf8');

describe('docs/calibration.md', () => {
  it('has the tables that the parameters of today make', () => {
    expect(page).toContain(parameterTables());
  });

  it('names every cost and every time of the IOMMU', () => {
    for (const name of [...Object.keys(COSTS), ...Object.keys(TIMING)]) expect(page).toContain(`\`${name}\``);
  });
});

describe('the table of movements', () => {
  const start = HEADLINES.map(() => 50);

  it('shows shares in points and rates in percent, and leaves small ones out', () => {
    const figures = start.map((value, at) => value + (at === 0 ? -2 : at === 3 ? 5 : 0.01));
    const text = calibrationPage({
      start,
      movements: [{ group: 'CPU', name: 'doorbell', from: 250, to: 300, figures }],
    });
    const line = text.split('\n').find((one) => one.startsWith('| `doorbell` | 250 | 300'));
    // The first headline is a share, the fourth a rate.
    expect(line?.split('|').map((cell) => cell.trim())).toEqual([
      '',
      '`doorbell`',
      '250',
      '300',
      '-2.0',
      '',
      '',
      '+10.0',
      '',
      '',
      '',
      '',
    ]);
  });

  it('lists what moves nothing', () => {
    const text = calibrationPage({
      start,
      movements: [{ group: 'CPU', name: 'doorbell', from: 250, to: 300, figures: start }],
    });
    expect(text).toContain('These move no headline by 0.1: `doorbell`.');
  });

  it('tries every parameter about 20 % lower and higher, or the next values that there are', () => {
    for (const { steps, value, found, name } of PARAMETERS) {
      for (const step of steps) {
        const ratio = step / (found ?? value);
        expect(ratio === 1, name).toBe(false);
        expect(ratio, name).toBeGreaterThanOrEqual(0.5);
        expect(ratio, name).toBeLessThanOrEqual(2);
      }
    }
  });
});
