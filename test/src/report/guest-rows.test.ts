import { describe, expect, test } from 'vitest';
import { belowShareText } from '../../../src/report/guest-rows.js';
import { runText } from '../../../src/report/run-text.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { simulate } from '../../../src/simulate.js';

const heading = (scenario: Parameters<typeof checkScenario>[0], durationNs: number) => ({
  loaded: { scenario: checkScenario(scenario), source: 'a test' },
  discipline: 'drr',
  seed: 1,
  warmUpNs: 0,
  durationNs,
});

describe('the guests of a run as text', () => {
  test('one below its share comes first, and is named', async () => {
    const scenario = {
      guests: [
        { name: 'served', weight: 8, traffic: { kind: 'greedy' as const, frameBytes: 1514 } },
        { name: 'starved', traffic: { kind: 'greedy' as const, frameBytes: 1514 } },
      ],
    };
    const run = await simulate(scenario, { protection: 'none', discipline: 'prr', durationNs: 4_000_000 });
    const rows = runText(heading(scenario, 4e6), run).split('\n');
    expect(rows.findIndex((row) => row.startsWith('served'))).toBeLessThan(
      rows.findIndex((row) => row.startsWith('starved')),
    );
    // Packet round-robin knows no weights: half of the wire where 8/9 are due.
    expect(belowShareText(run, 3)).toMatch(/^served 0\.5\d$/u);
  });

  test('forty guests fit a screen: the worst, percentiles, the best', async () => {
    const scenario = { guests: [{ count: 40, memoryMegabytes: 8, traffic: { kind: 'greedy' as const } }] };
    const run = await simulate(scenario, { protection: 'none', durationNs: 1_000_000 });
    const text = runText(heading(scenario, 1e6), run);
    expect(text.split('\n').length).toBeLessThan(35);
    const named = text.match(/^guest\d+ /gmu) ?? [];
    expect(named).toHaveLength(8);
    expect(new Set(named).size).toBe(8);
    expect(text).toMatch(/^50 % have at most/mu);
    expect(text).toMatch(/^CPU .*, 40 guests \d/mu);
  });
});
