import { describe, expect } from 'vitest';
import { makeProtection } from '../../host/protection/approaches.js';
import { runScenario } from '../../src/machine/run.js';
import { plans } from '../arbitraries/scenarios.js';
import { LawBook } from './law-book.js';

const laws = new LawBook('runs that judge themselves');

// What a run says of itself is judged from its own counters; a false alarm in it would be one for every user.
describe('a run judges itself, and', () => {
  laws.law(
    'no law is broken, whatever guests, rings, card, cable, cores, approach and discipline it has',
    plans({ maxNs: 500_000 }),
    24,
    ({ scenario, approach, discipline, seed, durationNs }, substance) => {
      const protection = makeProtection(approach.name);
      const plan = { scenario, protection, discipline, seed, durationNs };
      const result = runScenario({ ...plan, directory: '.', captures: new Map() });
      for (const { law, held, detail } of result.laws) expect(held, `${law}: ${detail}`).toBe(true);
      const asks = scenario.guests.some(({ traffic }) => traffic.kind === 'request');
      expect(result.laws.some(({ law }) => law === 'requests')).toBe(asks);
      if (asks && result.framesTransmitted > 10) substance();
    },
  );
});

laws.close();
