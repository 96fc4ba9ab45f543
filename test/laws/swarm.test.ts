import { describe, expect, test } from 'vitest';
import { propertySeed } from '../support/seed.js';
import { WHOLE } from '../support/whole.js';
import { describeSwarm, drawSwarm, runSwarm, type SwarmOutcome } from './swarm.js';

/** Seeds of a quick run; `npm run test:all` takes more (swarm.long.test.ts). */
const SEEDS = WHOLE ? 30 : 12;

describe('the whole machine, drawn anew by each seed', () => {
  const outcomes: SwarmOutcome[] = [];

  test.for(Array.from({ length: SEEDS }, (_, index) => (propertySeed + index) >>> 0))(
    'seed %i: every invariant holds, and all comes to rest',
    (seed) => {
      outcomes.push(runSwarm(drawSwarm(seed)));
    },
  );

  test('attacks were played, faults were raised, and many approaches and disciplines were drawn', () => {
    const played = outcomes.filter(({ notPlayed }) => notPlayed === undefined);
    expect(played.length).toBeGreaterThan(SEEDS / 8);
    expect(outcomes.filter(({ faults }) => faults > 0).length).toBeGreaterThan(0);
    expect(new Set(outcomes.map(({ options }) => options.plan.approach.name)).size).toBeGreaterThan(5);
    expect(new Set(outcomes.map(({ options }) => options.plan.discipline)).size).toBeGreaterThan(5);
  });

  test('a seed draws the same options and comes to the same number of events', () => {
    const [first] = outcomes;
    if (first === undefined) throw new Error('no seed has run');
    const again = runSwarm(drawSwarm(first.options.seed));
    expect(describeSwarm(again.options)).toBe(describeSwarm(first.options));
    expect(again.events).toBe(first.events);
  });

  test('a violation is reported with the seed and the options that reproduce it', () => {
    const options = drawSwarm(propertySeed);
    const broken = { ...options, beforeNs: Number.NaN };
    expect(() => runSwarm(broken)).toThrow(new RegExp(`^seed ${propertySeed}: `, 'u'));
  });
});
