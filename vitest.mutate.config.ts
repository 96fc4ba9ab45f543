import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that mutants of scheduler/ and host/ have to fail: those of the same layers, without the long ones. */
export default defineConfig((environment) => {
  const { resolve, test } = base(environment);
  return {
    resolve,
    test: {
      ...test,
      env: { CDNA_TESTS: 'whole' },
      include: ['test/scheduler/**/*.test.ts', 'test/host/**/*.test.ts'],
      reporters: ['default'],
    },
  };
});
