import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nestedStrict } from '../../../src/experiments/nested-strict/experiment.js';
import { NestedGuest } from '../../../src/experiments/nested-strict/machine.js';
import {
  FRAME_NS,
  LEAVING,
  type NestedStrictResult,
  type TailWrite,
} from '../../../src/experiments/nested-strict/measure.js';
import { HELD } from '../../../src/experiments/nested-strict/published.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/nested-strict/result.json', import.meta.url), 'utf8'),
) as NestedStrictResult;

/** Gb/s of the cores, over 30 ms. */
function gbps(cores: number, lock: ConstructorParameters<typeof NestedGuest>[0]['lock']): number {
  const guest = new NestedGuest({ cores, lock, frameNs: FRAME_NS, seed: 1 });
  guest.run(10_000_000);
  const before = guest.frames;
  guest.run(40_000_000);
  guest.host.checkInvariants();
  return ((guest.frames - before) * 4000 * 8) / 30e6;
}

function point(tailWrite: TailWrite, cores: number) {
  const found = stored.points.find((one) => one.tailWrite === tailWrite && one.cores === cores);
  if (found === undefined) throw new Error(`no point of ${cores} cores`);
  return found;
}

describe('the stored rows', () => {
  it('come within 10 % of what was published for 2 and 4 cores, from which nothing was found', () => {
    const near = stored.figures.filter(({ name }) => /^strict, [24] cores$/u.test(name));
    expect(near).toHaveLength(2);
    for (const { role, error } of near) {
      expect(role).toBe('predicted');
      expect(Math.abs(error ?? 1)).toBeLessThan(0.1);
    }
  });

  it('collapse between 8 and 16 cores by the trap and by waiters that leave, and by neither alone', () => {
    expect(point('trapped', 8).gbps.mean / point('trapped', 16).gbps.mean).toBeGreaterThan(8);
    expect(point('trapped, waiters stay', 16).gbps.least).toBeGreaterThan(200);
    expect(point('untrapped', 16).gbps.least).toBe(400);
    expect(point('untrapped', 20).absent_percent.most).toBe(0);
  });

  it('wait for the lock as long as was recorded: 0.67 and 1.02 ms at 16 cores', () => {
    const waitUs = point('trapped', 16).wait_us.mean;
    expect(waitUs).toBeGreaterThan(670);
    expect(waitUs).toBeLessThan(1_020);
  });

  it('say which of them were found from published rows', () => {
    const fitted = stored.figures.filter(({ role }) => role === 'fitted').map(({ name }) => name);
    expect(fitted).toEqual(['strict, 1 core', 'strict, 8 cores', 'strict, 16 cores']);
    expect(nestedStrict.present(stored).text).toMatch(
      /Missed: .*"without the trapped write, 8 cores".*"strict, 20 cores"/su,
    );
  });
});

describe('the mechanism', () => {
  it.each([140_000, 200_000, 260_000])(
    'carries 8 cores and not 16 with waiters that leave after %i ns',
    (spinLimitNs) => {
      const lock = { ...HELD, ...LEAVING, spinLimitNs };
      expect(gbps(8, lock)).toBeGreaterThan(200);
      expect(gbps(16, lock)).toBeLessThan(30);
    },
  );

  it('levels off where the lock is always held, as its holds say: a map and an unmap per 80 frames', () => {
    const mostGbps = (80 * 4000 * 8) / (HELD.submissionNs + HELD.tailWriteNs + HELD.mapNs);
    expect(gbps(16, HELD) / mostGbps).toBeCloseTo(1, 1);
  });
});
