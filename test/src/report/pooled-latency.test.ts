import { expect, test } from 'vitest';
import { formatRunDocument } from '../../../src/report/run-document.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';

/** Latency of all guests together, as the document of a run has it. */
async function pooled(guests: ScenarioInput['guests']) {
  const scenario = checkScenario({ guests });
  const result = await simulate({ guests }, { durationNs: 500_000 });
  expect(result.latencyNs.transmit?.count).toBeGreaterThan(10);
  const document = formatRunDocument({
    ...{ command: 'run', repeat: '', seed: 1, source: '', notes: [] },
    ...{ scenario, results: [result] },
  });
  const [run] = (JSON.parse(document) as { runs: [Pick<typeof result, 'latencyNs' | 'latencyCurves'>] }).runs;
  return { run, result };
}

test('a document has latencies over all guests where they have the same load', async () => {
  const { run, result } = await pooled([{ count: 3, traffic: { kind: 'poisson', wireRateBps: 3e8 } }]);
  expect(run.latencyNs.transmit).toEqual(result.latencyNs.transmit);
  expect(run.latencyCurves).toEqual(result.latencyCurves);
});

test.for<[string, ScenarioInput['guests']]>([
  ['traffic', [{ traffic: { kind: 'greedy' } }, { traffic: { kind: 'poisson', wireRateBps: 1e8 } }]],
  ['weight', [{ traffic: { kind: 'greedy' } }, { traffic: { kind: 'greedy' }, weight: 7 }]],
  ['what they are sent', [{ traffic: { kind: 'greedy' } }, { receive: { kind: 'greedy' } }]],
])('and none where guests differ by %s: they would be those of no guest', async ([, guests]) => {
  const { run } = await pooled(guests);
  expect(run.latencyNs).toEqual({ transmit: null, receive: null });
  expect(run.latencyCurves).toEqual({ transmit: [], receive: [] });
});
