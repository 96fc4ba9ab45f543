import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import type { RunResult } from '../../../src/machine/run-result.js';
import { tsharkInstalled } from '../../support/tshark.js';
import { WHOLE } from '../../support/whole.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

// Inputs on which something once went wrong, run whole.

const scratch = scratchFolder();

async function run(...args: string[]): Promise<RunResult> {
  const { code, out, err } = await invoke('run', ...args, '--json');
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  const [result] = (JSON.parse(out) as { runs: RunResult[] }).runs;
  if (result === undefined) throw new Error('no run');
  return result;
}

const names = APPROACHES.map(({ name }) => name);

test.each(WHOLE ? names : ['driver-domain', 'iommu:single-use'])(
  'CPU time of all domains and idle time are the time of the cores, with one core full: %s',
  async (protection) => {
    const { cpu, durationNs } = await run(
      'test/fixtures/cases/cpu-over-100.json',
      '--protection',
      protection,
    );
    const busyNs = cpu.domains.reduce((sum, domain) => sum + domain.busyNs, 0);
    expect(cpu.cores).toBe(1);
    expect(busyNs + cpu.idleFraction * durationNs).toBeCloseTo(durationNs, 0);
    const fractions = cpu.domains.reduce((sum, { fraction }) => sum + fraction, cpu.idleFraction);
    expect(fractions).toBeCloseTo(1, 9);
    expect(cpu.idleFraction).toBeLessThan(0.05);
  },
);

describe('a capture with frames that segmentation offload made', () => {
  const scenarioOf = (capture: string, unfit?: string) => {
    const path = scratch.path('offload.json');
    const traffic = { kind: 'replay', capture: resolve(`test/fixtures/captures/${capture}`), unfit };
    writeFileSync(path, JSON.stringify({ guests: [{ traffic }], durationNs: 20_000_000 }));
    return path;
  };

  test('of 64 KB is refused with the number of the packet unless the scenario says what becomes of it', async () => {
    const { code, err } = await invoke('run', scenarioOf('tso64k.pcap.gz'));
    expect(code).toBe(2);
    expect(err).toMatch(/tso64k\.pcap\.gz.* packet \d+.*unfit/u);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  // Its packet is no TCP, so there are no segments to make of it.
  test.each(['drop', 'split'])(
    'of 64 KB that are no TCP is left out and counted: unfit %s',
    async (unfit) => {
      const { guests } = await run(scenarioOf('tso64k.pcap.gz', unfit));
      expect(guests[0]?.capture).toMatchObject({ frames: 2, unfit: 1, split: 0 });
    },
  );

  test('of 3 KB is a jumbo frame, and is played as it is', async () => {
    expect((await run(scenarioOf('gro.pcap'))).guests[0]?.capture).toMatchObject({
      frames: 2,
      unfit: 0,
      split: 0,
    });
  });
});

test('a wire of 100 Mb/s is a wire', async () => {
  const path = scratch.path('slow-wire.json');
  const guests = [{ name: 'g', traffic: { kind: 'greedy' } }];
  writeFileSync(path, JSON.stringify({ guests, nic: { rateBps: 100_000_000 }, durationNs: 20_000_000 }));
  expect((await run(path)).wireBusyFraction).toBeGreaterThan(0.99);
});

test.runIf(tsharkInstalled)(
  'the header of a capture has seed and command, and a guest behind a driver domain an interface of its own',
  async () => {
    const path = scratch.path('headed.pcapng');
    const call = [
      'scenarios/four-guests.json',
      '--protection',
      'driver-domain',
      '--seed',
      '3',
      '--window',
      '1ms',
    ];
    const { guests } = await run(...call, '--pcapng', path);
    const { stdout } = spawnSync('capinfos', [path], { encoding: 'utf8' });
    expect(stdout).toMatch(
      /^Capture comment: +seed 3; cdna-nic run scenarios\/four-guests\.json .*--seed 3/mu,
    );
    const names = [...stdout.matchAll(/^ +Name = (.*)$/gmu)].map(([, name]) => name);
    expect(names).toEqual(['driver domain', ...guests.map(({ name }) => name), 'no context']);
  },
);
