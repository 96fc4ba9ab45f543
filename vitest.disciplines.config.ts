import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The quick tests of disciplines, for their mutants: contract, papers, exact orders. */
export default defineConfig((environment) => {
  const { resolve, test } = base(environment);
  return {
    resolve,
    test: {
      ...test,
      env: { CDNA_TESTS: 'whole' },
      include: ['test/scheduler/disciplines/**/*.test.ts', 'test/scheduler/oracles/exact-order.test.ts'],
      exclude: ['**/guarantees.test.ts', '**/intentions.test.ts', '**/judges.test.ts', '**/*.long.test.ts'],
      reporters: ['default'],
    },
  };
});
