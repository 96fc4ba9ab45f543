import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cdna2007 } from '../../../src/experiments/cdna-2007/experiment.js';
import type { Cdna2007Result } from '../../../src/experiments/cdna-2007/measure.js';
import { GUEST_COUNTS, ROWS } from '../../../src/experiments/cdna-2007/published.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/cdna-2007/result.json', import.meta.url), 'utf8'),
) as Cdna2007Result;

function point(approach: string, direction: string, guests: number) {
  const found = stored.points.find(
    (one) => one.approach === approach && one.direction === direction && one.guests === guests,
  );
  if (found === undefined) throw new Error(`no point ${approach}, ${direction}, ${guests}`);
  return found;
}

describe('the published rows', () => {
  it.each(ROWS)('$system, $direction: the shares add to 100', (row) => {
    expect(row.hypervisor + row.driverDomain + row.guest + row.idle).toBeCloseTo(100, 1);
  });
});

describe('the stored result', () => {
  it('never expects a vague figure', () => {
    const vague = stored.figures.filter(({ certainty }) => certainty === 'M-');
    expect(vague).toHaveLength(2);
    for (const figure of vague) {
      expect(figure.role).toBe('shown');
      expect(figure.error).toBeUndefined();
    }
  });

  it('fits nothing but the rows with one guest of CDNA and of Xen with the Intel NIC', () => {
    const fitted = stored.figures.filter(({ role }) => role === 'fitted');
    expect(fitted.length).toBeGreaterThan(0);
    for (const { name } of fitted) expect(name).toMatch(/^(CDNA|Xen \(Intel\)), (transmit|receive): /u);
  });

  it('has shares that add to the whole CPU', () => {
    for (const { hypervisor, driverDomain, guest, idle, approach } of stored.points) {
      // Work that began in the window may end after it: a frame's worth or a poll's.
      expect(Math.abs(hypervisor + driverDomain + guest + idle - 100), approach).toBeLessThan(2);
    }
  });

  it.each(['transmit', 'receive'])(
    '%s: CDNA stays flat over the guests, and its idle time goes',
    (direction) => {
      const rates = GUEST_COUNTS.map((guests) => point('cdna', direction, guests).mbps);
      expect(Math.max(...rates) / Math.min(...rates)).toBeLessThan(1.01);
      expect(point('cdna', direction, 1).idle).toBeGreaterThan(40);
      expect(point('cdna', direction, 24).idle).toBeLessThan(5);
    },
  );

  it.each(['transmit', 'receive'])(
    '%s: the driver domain is slower, and slower still with 24 guests',
    (direction) => {
      const one = point('driver-domain', direction, 1).mbps;
      const many = point('driver-domain', direction, 24).mbps;
      expect(one).toBeLessThan(point('cdna', direction, 1).mbps);
      expect(many).toBeLessThan(0.95 * one);
    },
  );

  it('predicts what protection costs the hypervisor to within a point of the CPU', () => {
    const costs = stored.figures.filter(({ name }) => /^protection on less off.*hypervisor$/u.test(name));
    expect(costs).toHaveLength(2);
    for (const { ours, value } of costs) expect(Math.abs(ours - value)).toBeLessThan(1);
  });

  it('shows each figure with its certainty and its role', () => {
    const lines = cdna2007.present(stored).text.split('\n');
    for (const { name, certainty, role } of stored.figures) {
      const line = lines.find((one) => one.startsWith(`${name}  `));
      expect(line).toContain(`[${certainty}]`);
      expect(line).toContain(role);
    }
  });
});
