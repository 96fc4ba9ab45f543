import { expect, test } from 'vitest';
import { DeficitRoundRobin } from '../../scheduler/index.js';
import { makeProtection, RUN_DEFAULTS, type ScenarioInput, simulate } from '../../src/index.js';

const CAPTURES = new URL('../../captures/', import.meta.url).pathname;
const TWO: ScenarioInput = { guests: [{ traffic: { kind: 'greedy' } }, { traffic: { kind: 'greedy' } }] };

test('what is left out comes from the scenario, and then from the defaults', async () => {
  const durationNs = 200_000;
  const bare = await simulate({ ...TWO, durationNs });
  expect([bare.protection, bare.discipline, bare.seed, bare.durationNs]).toEqual([
    RUN_DEFAULTS.protection,
    RUN_DEFAULTS.discipline,
    RUN_DEFAULTS.seed,
    durationNs,
  ]);
  const said = { ...TWO, durationNs, protection: 'none', discipline: 'prr', seed: 5 };
  const scenario = await simulate(said);
  expect([scenario.protection, scenario.discipline, scenario.seed]).toEqual(['none', 'prr', 5]);
  const options = await simulate(said, {
    protection: 'dev',
    discipline: 'qfq',
    seed: 6,
    durationNs: 100_000,
  });
  expect([options.protection, options.discipline, options.seed, options.durationNs]).toEqual([
    'dev',
    'qfq',
    6,
    100_000,
  ]);
});

test('an approach and a discipline of your own take the place of names', async () => {
  let made = 0;
  const named = await simulate(TWO, { durationNs: 500_000 });
  const own = await simulate(TWO, {
    durationNs: 500_000,
    protection: makeProtection('cdna'),
    discipline: () => {
      made += 1;
      return new DeficitRoundRobin();
    },
  });
  // One for what goes out, one for what comes in.
  expect(made).toBe(2);
  expect(own.fingerprint).toBe(named.fingerprint);
});

test('paths of a scenario that is no file start where they are told to', async () => {
  const scenario: ScenarioInput = { guests: [{ traffic: { kind: 'replay', capture: 'bulk.pcap' } }] };
  const { guests } = await simulate(scenario, { directory: CAPTURES, durationNs: 1_000_000 });
  expect(guests[0]?.framesTransmitted).toBeGreaterThan(5);
  await expect(simulate(scenario, { directory: '/nowhere' })).rejects.toThrow(/\/nowhere\/bulk\.pcap/u);
});

test('the machine is shown before it runs, and the guests are on it', async () => {
  let seen: string[] = [];
  await simulate(TWO, {
    durationNs: 100_000,
    prepare: ({ kernel, guests }) => {
      seen = [String(kernel.nowNs), ...guests.map(({ name }) => name)];
    },
  });
  expect(seen).toEqual(['0', 'guest0', 'guest1']);
});

test('what cannot be is refused by name', async () => {
  await expect(simulate(TWO, { protection: 'hope' })).rejects.toThrow(
    /protection is "hope", expected one of/u,
  );
  await expect(simulate(TWO, { discipline: 'luck' })).rejects.toThrow(/discipline is "luck"/u);
  await expect(simulate({ guests: [] })).rejects.toThrow(/guests is \[\]/u);
  await expect(simulate('/no/such.json')).rejects.toThrow(/no such file/u);
});
