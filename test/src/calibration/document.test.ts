import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COSTS } from '../../../host/cpu/costs.js';
import { TIMING } from '../../../host/iommu/translation/parameters.js';
import { calibrationPage, parameterTables } from '../../../src/calibration/document.js';
import { HEADLINES } from '../../../src/calibration/headlines.js';
import { PARAMETERS } from '../../../src/calibration/parameters.js';

const page = readFileSync(new URL('../../../docs/calibration.md', import.meta.url), 'utf8');

describe('docs/calibration.md', () => {
  it('has the tables of the current parameters', () => {
    expect(page).toContain(parameterTables());
  });

  it('names every cost and every time of the IOMMU', () => {
    for (const name of [...Object.keys(COSTS), ...Object.keys(TIMING)]) expect(page).toContain(`\`${name}\``);
  });
});

describe('the table of movements', () => {
  const start = HEADLINES.map(() => 50);
  const noise = HEADLINES.map((_, at) => ({ least: 49, most: 50 + at }));

  it('shows shares in points and rates in percent, and leaves small ones out', () => {
    const figures = start.map((value, at) => value + (at === 0 ? -2 : at === 3 ? 5 : 0.01));
    const text = calibrationPage({
      start,
      noise,
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

  it('ends with the noise of each headline, in points or percent as its cells', () => {
    const rows = calibrationPage({ start, noise, movements: [] }).split('\n');
    const line = rows.find((one) => one.startsWith('| (noise) |'));
    const cells = line?.split('|').map((cell) => cell.trim());
    // Shares are the first three and the sixth headline.
    expect(cells?.slice(4, 11)).toEqual(['1.00', '2.00', '3.00', '8.00', '10.00', '6.00', '14.00']);
    expect(rows[rows.indexOf(line ?? '') + 2]).toContain(
      'smaller than the noise of their column mean nothing',
    );
  });

  it('lists parameters that change nothing', () => {
    const text = calibrationPage({
      start,
      noise,
      movements: [{ group: 'CPU', name: 'doorbell', from: 250, to: 300, figures: start }],
    });
    expect(text).toContain('These change no headline by 0.1: `doorbell`.');
  });

  it('tries every parameter about 20 % lower and higher, or the nearest possible values', () => {
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
