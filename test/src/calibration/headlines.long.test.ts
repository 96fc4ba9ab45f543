import { expect, it } from 'vitest';
import { HEADLINES } from '../../../src/calibration/headlines.js';
import { PARAMETERS } from '../../../src/calibration/parameters.js';

it('a headline changes the lanes of the walker, which has 16, by the factor of the row', () => {
  const walker = HEADLINES.find(({ name }) => name.startsWith('strict'));
  const lanes = PARAMETERS.find(({ name }) => name === 'lanes');
  const gbps = [16, 4, 2].map((value) => walker?.of(lanes?.change(value) ?? {}, 1) ?? Number.NaN);
  const [most = 0, half = 0, quarter = 0] = gbps;
  expect(most).toBe(walker?.of({}, 1));
  expect(half).toBeLessThan(0.9 * most);
  expect(quarter).toBeLessThan(0.6 * half);
  expect(walker?.here?.('lanes', 8, 4)).toBe('16 to 8');
  expect(walker?.here?.('lanes', 8, 16)).toBe('has 16, the most');
  expect(walker?.here?.('doorbell', 250, 300)).toBeUndefined();
});
