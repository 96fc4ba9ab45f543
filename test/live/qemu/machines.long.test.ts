import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findTestbed, type Sample, Served } from './machines.js';

const testbed = findTestbed();
if (!testbed.ok) process.stderr.write(`\nSKIPPED: no real guests: ${testbed.reason}\n`);

const folder = mkdtempSync(join(tmpdir(), 'cdna-machines-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function scenario(weights: Readonly<Record<string, number>>, rateBps: number): string {
  const path = join(folder, 'scenario.json');
  const guests = Object.entries(weights).map(([name, weight]) => ({
    name,
    weight,
    attached: true,
    memoryMegabytes: 128,
  }));
  writeFileSync(path, JSON.stringify({ guests, nic: { rateBps }, link: { queueBytes: 262_144 } }));
  return path;
}

/** Seconds in which the card had a frame of each of the first guests waiting nearly all the time: only then shares follow weights. */
function backlogged(served: Served, guests: number): Sample[] {
  return served.samples.filter((sample) =>
    sample.guests.slice(0, guests).every((guest) => guest.backlogged > 0.98),
  );
}

/** What each of the first guests had of what they had together. */
function sharesOf(samples: readonly Sample[], guests: number): number[] {
  const sent = Array.from({ length: guests }, (_, at) =>
    samples.reduce((sum, sample) => sum + (sample.guests[at]?.sentBps ?? 0), 0),
  );
  const all = sent.reduce((sum, bps) => sum + bps, 0);
  return sent.map((bps) => bps / all);
}

describe.skipIf(!testbed.ok)('stock Linux guests in QEMU', () => {
  it('two boot, ping each other, and their session is replayed to the bit: Linux 6.12 and, where it is there, 6.1', {
    timeout: 400_000,
  }, async () => {
    if (!testbed.ok) return;
    const log = join(folder, 'session');
    const served = new Served(testbed, scenario({ red: 3, blue: 1 }, 1e9), ['--record', log]);
    let exitCode = -1;
    try {
      await served.until(
        'serve is ready',
        () => served.errors.includes('# uplink') || served.errors.includes('way out'),
      );
      served.boot(
        'red',
        '10.77.0.1',
        'until ping -c1 -W1 10.77.0.2; do :; done; ping -c 3 10.77.0.2; sleep 300',
      );
      // The other kernel: another virtio_net with the same card.
      const [newest, other = newest] = testbed.systems;
      served.boot('blue', '10.77.0.2', 'sleep 300', '', other?.suite);
      await served.until('red pings blue', () => served.console('red').includes('3 packets received'), 300);
      expect(served.console('red')).toContain(`GUEST ready ${newest?.version}`);
      expect(served.console('blue')).toContain(`GUEST ready ${other?.version}`);
    } finally {
      exitCode = await served.end();
    }
    expect(exitCode).toBe(0);
    const replayed = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'src/cli/main.ts', 'replay', log, '--json'],
      {
        encoding: 'utf8',
      },
    );
    expect(replayed.stderr).toContain('replayed to the bit');
    expect(JSON.parse(replayed.stdout)).toMatchObject({ session: { identical: true } });
  });

  it('three share the wire 3:2:1 of their backlogged time; when one is killed the others have its share', {
    timeout: 900_000,
  }, async () => {
    if (!testbed.ok) return;
    const served = new Served(testbed, scenario({ three: 3, two: 2, one: 1, sink: 1 }, 6e6), [
      '--protection',
      'iommu:single-use',
      '--discipline',
      'wf2q+',
    ]);
    try {
      await served.until('serve is ready', () => served.errors.includes('way out'));
      served.boot('sink', '10.77.0.9', 'for p in 1 2 3; do iperf3 -s -p 520$p >/dev/null & done; sleep 600');
      for (const [at, name] of ['three', 'two', 'one'].entries()) {
        served.boot(
          name,
          `10.77.0.${at + 1}`,
          `until ping -c1 -W1 10.77.0.9 >/dev/null; do :; done; iperf3 -u -b 12M -l 1400 -c 10.77.0.9 -p 520${at + 1} -t 600 >/dev/null; sleep 600`,
        );
      }
      const senders = (sample: Served['samples'][number]) => sample.guests.slice(0, 3);
      await served.until('all three are backlogged for 8 s', () => backlogged(served, 3).length >= 8, 400);
      const shares = sharesOf(backlogged(served, 3), 3);
      for (const [at, weight] of [3, 2, 1].entries())
        expect(Math.abs((shares[at] ?? 0) - weight / 6)).toBeLessThan(0.02);
      served.kill('three');
      await served.until(
        'the others have 2:1',
        () => {
          const sample = served.samples.at(-1);
          const [three, two, one] = sample === undefined ? [] : senders(sample);
          return (
            three?.state === 'waiting' &&
            Math.abs((two?.share ?? 0) - 2 / 3) < 0.03 &&
            Math.abs((one?.share ?? 0) - 1 / 3) < 0.03
          );
        },
        90,
      );
      served.boot(
        'three',
        '10.77.0.1',
        'until ping -c1 -W1 10.77.0.9; do :; done; echo GUEST back; sleep 600',
      );
      await served.until(
        'a new machine attaches to the same socket',
        () => served.console('three').includes('GUEST back'),
        300,
      );
    } finally {
      expect(await served.end()).toBe(0);
    }
  });

  it('two with eight TCP flows each share the wire 3:1 of their backlogged time (iperf3)', {
    timeout: 900_000,
  }, async () => {
    if (!testbed.ok) return;
    const served = new Served(testbed, scenario({ three: 3, one: 1, sink: 1 }, 10e6), [
      '--protection',
      'cdna',
    ]);
    try {
      await served.until('serve is ready', () => served.errors.includes('way out'));
      served.boot('sink', '10.77.0.9', 'for p in 1 2; do iperf3 -s -p 520$p >/dev/null & done; sleep 900');
      for (const [at, name] of ['three', 'one'].entries()) {
        served.boot(
          name,
          `10.77.0.${at + 1}`,
          `until ping -c1 -W1 10.77.0.9 >/dev/null; do :; done; iperf3 -P 8 -c 10.77.0.9 -p 520${at + 1} -t 600 >/dev/null; sleep 900`,
        );
      }
      await served.until('both are backlogged for 15 s', () => backlogged(served, 2).length >= 15, 450);
      // In the first seconds one is in its slow start while the other is at full rate.
      const [three = 0] = sharesOf(backlogged(served, 2).slice(5), 2);
      expect(Math.abs(three - 3 / 4)).toBeLessThan(0.02);
    } finally {
      expect(await served.end()).toBe(0);
    }
  });
});
