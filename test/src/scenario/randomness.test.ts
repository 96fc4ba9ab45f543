import { expect, test } from 'vitest';
import { checkScenario } from '../../../src/scenario/load.js';
import { isRandom, NOTHING_RANDOM } from '../../../src/scenario/randomness.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';
import { either, some } from '../../support/whole.js';
import { invoke } from '../cli/invoke.js';

type Traffic = NonNullable<ScenarioInput['guests'][number]['traffic']>;
const bulk = 'captures/bulk.pcap';
const mix = [
  { bytes: 60, count: 2 },
  { bytes: 1514, count: 1 },
];

const KINDS: [name: string, traffic: Traffic, random: boolean][] = [
  ['greedy', { kind: 'greedy' }, false],
  ['greedy, a mix of sizes', { kind: 'greedy', frameBytes: mix }, true],
  ['greedy, imix', { kind: 'greedy', frameBytes: 'imix' }, true],
  ['constant', { kind: 'constant', wireRateBps: 1e8 }, false],
  ['poisson', { kind: 'poisson', wireRateBps: 1e8 }, true],
  ['on-off, exponential', { kind: 'on-off', peakWireRateBps: 5e8 }, true],
  ['on-off, fixed', { kind: 'on-off', peakWireRateBps: 5e8, lengths: 'fixed' }, false],
  ['pareto', { kind: 'pareto', peakWireRateBps: 5e8 }, true],
  ['request', { kind: 'request' }, false],
  ['request with time to think', { kind: 'request', thinkNs: 20_000 }, true],
  ['replay', { kind: 'replay', capture: bulk }, false],
];

const DURATION_NS = either(2e6, 1e6);

async function isMovedBySeeds(scenario: ScenarioInput): Promise<boolean> {
  const first = (await simulate(scenario, { seed: 1, durationNs: DURATION_NS })).fingerprint;
  for (const seed of some([2, 3, 4])) {
    if ((await simulate(scenario, { seed, durationNs: DURATION_NS })).fingerprint !== first) return true;
  }
  return false;
}

test.for(KINDS)(
  '%s that starts at a given time: whether it is random is what two seeds show',
  async ([, traffic, random]) => {
    const scenario = { guests: [{ count: 3, traffic: { ...traffic, startNs: 0 } }] };
    expect(isRandom(checkScenario(scenario))).toBe(random);
    expect(await isMovedBySeeds(scenario)).toBe(random);
  },
);

test.for([...KINDS, ['replay in a loop', { kind: 'replay', capture: bulk, loop: true }, true] as const])(
  '%s whose start is left open: the seed decides on it, in both directions',
  async ([, traffic]) => {
    const scenario = { guests: [{ count: 3, traffic }] };
    expect(isRandom(checkScenario(scenario))).toBe(true);
    expect(await isMovedBySeeds(scenario)).toBe(true);
    if (traffic.kind === 'request' || traffic.kind === 'replay') return;
    expect(await isMovedBySeeds({ guests: [{ count: 3, receive: traffic }] })).toBe(true);
  },
);

test('a balloon asks guests by chance', () => {
  expect(isRandom(checkScenario({ guests: [{}], balloon: { pages: 1 } }))).toBe(true);
});

const STILL = 'test/fixtures/scenarios/nothing-random.json';

test('text and JSON say that nothing is random where it is so', async () => {
  const { out } = await invoke('run', STILL, '--duration', '1ms');
  expect(out).toContain(`note: ${NOTHING_RANDOM}\n`);
  const json = await invoke('run', STILL, '--duration', '1ms', '--json');
  expect((JSON.parse(json.out) as { notes: string[] }).notes).toEqual([NOTHING_RANDOM]);
});
