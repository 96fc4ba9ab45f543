import { test } from 'vitest';
import { propertySeed } from '../support/seed.js';
import { drawSwarm, runSwarm } from './swarm.js';

// The seeds behind those of swarm.test.ts. `CDNA_SEED=random npm run test:all` looks at others each time.
const SEEDS = 400;

test.for(Array.from({ length: SEEDS }, (_, index) => (propertySeed + 1_000 + index) >>> 0))(
  'seed %i: every invariant holds, and all comes to rest',
  (seed) => {
    runSwarm(drawSwarm(seed));
  },
);
