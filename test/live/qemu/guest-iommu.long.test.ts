import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findTestbed, type Sample, Served } from './machines.js';

const testbed = findTestbed();
if (!testbed.ok) process.stderr.write(`\nSKIPPED: no real guests: ${testbed.reason}\n`);
const hasKoffi = (() => {
  try {
    createRequire(import.meta.url)('koffi');
    return true;
  } catch {
    return false;
  }
})();
if (!hasKoffi) process.stderr.write('\nSKIPPED: guests behind their own IOMMU: koffi is not installed\n');

const folder = mkdtempSync(join(tmpdir(), 'cdna-own-iommu-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Seconds in which guests moved frames, and what their IOMMUs did for each. */
function busy(served: Served): Required<Sample>[] {
  return served.samples.filter(
    (sample): sample is Required<Sample> =>
      sample.mappingsPerFrame !== undefined && sample.guests.some(({ sentBps }) => sentBps > 500_000),
  );
}

describe.skipIf(!testbed.ok || !hasKoffi)('stock Linux guests behind IOMMUs of their own', () => {
  it('boot strict, ping, and map and unmap per frame what was recorded of strict kernels; the replay is the same', {
    timeout: 600_000,
  }, async () => {
    if (!testbed.ok) return;
    const scenario = join(folder, 'scenario.json');
    const guests = ['red', 'blue'].map((name) => ({ name, attached: true, memoryMegabytes: 128 }));
    writeFileSync(scenario, JSON.stringify({ guests, nic: { rateBps: 1e9 } }));
    const log = join(folder, 'session');
    const served = new Served(testbed, scenario, ['--protection', 'iommu:guest', '--record', log]);
    const strict = 'intel_iommu=on iommu.strict=1';
    try {
      await served.until('serve is ready', () => served.errors.includes('way out'));
      served.boot('blue', '10.77.0.2', 'iperf3 -s >/dev/null & sleep 600', strict);
      served.boot(
        'red',
        '10.77.0.1',
        'dmesg | grep -c "IOMMU batching disallowed"; until ping -c1 -W1 10.77.0.2; do :; done; ping -c 3 10.77.0.2; iperf3 -u -b 4M -l 1400 -c 10.77.0.2 -t 30 >/dev/null; echo GUEST sent; sleep 600',
        strict,
      );
      await served.until('red pings blue', () => served.console('red').includes('3 packets received'), 300);
      await served.until('frames flow for 8 s', () => busy(served).length >= 9, 200);
    } finally {
      expect(await served.end()).toBe(0);
    }
    // The first second may hold the start of the transfer.
    const samples = busy(served).slice(1);
    const mean = (of: (sample: Required<Sample>) => number) =>
      samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
    const mapped = mean(({ mappingsPerFrame }) => mappingsPerFrame.pagesMapped);
    const unmapped = mean(({ mappingsPerFrame }) => mappingsPerFrame.pagesUnmapped);
    const invalidations = mean(({ mappingsPerFrame }) => mappingsPerFrame.invalidations);
    // 1 page for a frame sent, 1.24 for one received (test/fixtures/linux-dma): each frame here is both.
    expect(mapped).toBeGreaterThan(1.06);
    expect(mapped).toBeLessThan(1.18);
    expect(Math.abs(unmapped - mapped)).toBeLessThan(0.05);
    expect(Math.abs(invalidations - unmapped)).toBeLessThan(0.001);
    for (const { faults } of samples.at(-1)?.guests ?? []) expect(faults).toBe(0);
    const replayed = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'src/cli/main.ts', 'replay', log, '--json'],
      { encoding: 'utf8' },
    );
    expect(replayed.stderr).toContain('replayed to the bit');
    expect(JSON.parse(replayed.stdout)).toMatchObject({ runs: expect.anything() });
  });
});
