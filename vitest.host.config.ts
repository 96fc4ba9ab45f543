import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that mutants of some files of host/ have to fail: those in MUTATE_TESTS, folders or files, apart by spaces. */
const named = (process.env.MUTATE_TESTS ?? 'test/host').split(' ');

export default defineConfig((environment) => {
  const { resolve, test } = base(environment);
  return {
    resolve,
    test: {
      ...test,
      // Mutants are held to every draw of a property, unless MUTATE_DRAWS=short says that a lower bound will do.
      env: { CDNA_TESTS: process.env.MUTATE_DRAWS ?? 'whole' },
      include: named.map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.test.ts`)),
      exclude: ['**/*.long.test.ts'],
      // Coverage by test makes long properties longer; an endless loop is Stryker's to stop.
      testTimeout: 600_000,
      reporters: ['default'],
    },
  };
});
