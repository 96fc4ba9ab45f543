import { expect, test } from 'vitest';
import { runText } from '../../../src/report/run-text.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { simulate } from '../../../src/simulate.js';

test('a run of 4,096 guests fits a screen', async () => {
  const scenario = {
    guests: [{ count: 4096, memoryMegabytes: 8, traffic: { kind: 'greedy' as const } }],
    nic: { rateBps: 100_000_000_000 },
  };
  const run = await simulate(scenario, { protection: 'none', durationNs: 1_000_000 });
  expect(run.guests).toHaveLength(4096);
  const loaded = { scenario: checkScenario(scenario), source: 'a test' };
  const text = runText({ loaded, discipline: 'drr', seed: 1, warmUpNs: 0, durationNs: 1e6 }, run);
  const lines = text.split('\n');
  expect(lines.length).toBeLessThan(40);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(180);
  expect(text).toMatch(/^CPU .* 4,096 guests \d/mu);
  // 1 ms is too short for all of them to start: those that sent nothing are the worst, and named.
  expect(text).toMatch(/^guest\d+ +0\.0 +0\.000/mu);
});
