import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { invoke } from '../src/cli/invoke.js';
import { RecordedSession } from './support/recorded-session.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-neighbours-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly laws: readonly { readonly law: string; readonly held: boolean; readonly detail: string }[];
  readonly guests: readonly {
    readonly name: string;
    readonly fairShareGot: number | null;
    readonly wireBytesDue: number;
    readonly requests?: { readonly answered: number; readonly lost: number } | null;
  }[];
}

/** A session of one real guest beside emulated ones, as its replay reports it. */
async function replayOf(scenario: ScenarioInput, ms: number): Promise<Run> {
  const path = join(folder, 'session');
  const made = new RecordedSession(path, scenario, scenario.protection);
  made.boot(0);
  for (let step = 0; step < ms; step += 1) made.run(1_000_000);
  made.end();
  const { out, code } = await invoke('replay', path, '--json');
  expect(code).toBe(0);
  const [run] = (JSON.parse(out) as { runs: Run[] }).runs;
  if (run === undefined) throw new Error('nothing was replayed');
  return run;
}

const real = { name: 'real', attached: true, memoryMegabytes: 4 } as const;

describe('emulated guests beside a real one', () => {
  it.each(['none', 'cdna', 'driver-domain'])('ask and are judged as in a run (%s)', async (protection) => {
    const client = { kind: 'request' as const, outstanding: 2, timeoutNs: 2_000_000 };
    const run = await replayOf(
      {
        protection,
        guests: [
          real,
          { name: 'server' },
          { name: 'inside', traffic: { ...client, to: 'server' } },
          { name: 'outside', traffic: client },
        ],
      },
      6,
    );
    expect(run.laws.filter(({ held }) => !held)).toEqual([]);
    expect(run.laws.map(({ law }) => law)).toContain('requests');
    for (const name of ['inside', 'outside']) {
      const { requests } = run.guests.find((guest) => guest.name === name) ?? {};
      expect(requests?.answered, name).toBeGreaterThan(20);
      expect(requests?.lost, name).toBe(0);
    }
  });

  it('are due nothing while their traffic class is paused', async () => {
    const run = await replayOf(
      {
        protection: 'none',
        nic: { rateBps: 10_000_000_000, pfcClasses: 8 },
        host: { cores: 4, hertz: 1e11 },
        link: { pauses: [{ atNs: 2_000_000, trafficClass: 3, quanta: 65_535 }] },
        guests: [
          real,
          { name: 'paused', trafficClass: 3, traffic: { kind: 'greedy', startNs: 0 } },
          { name: 'open', traffic: { kind: 'greedy', startNs: 0 } },
        ],
      },
      8,
    );
    const PAUSED_NS = 65_535 * 51.2;
    const [, paused, open] = run.guests;
    const bytesPerNs = 10 / 8;
    // 8 ms, and 2 in which the real guest starts.
    const half = ((10e6 - PAUSED_NS) / 2) * bytesPerNs;
    expect(Math.abs((paused?.wireBytesDue ?? 0) / half - 1)).toBeLessThan(0.01);
    expect(Math.abs((open?.wireBytesDue ?? 0) / (half + PAUSED_NS * bytesPerNs) - 1)).toBeLessThan(0.01);
    for (const guest of [paused, open]) expect(Math.abs((guest?.fairShareGot ?? 0) - 1)).toBeLessThan(0.02);
  });
});
