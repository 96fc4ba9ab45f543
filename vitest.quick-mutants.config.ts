import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The quick tests of what `mutate:quick` changes: deficit round robin, CDNA's set-up gate, and what walks tables. */
export default defineConfig((environment) => {
  const { resolve, test } = base(environment);
  return {
    resolve,
    test: {
      ...test,
      include: [
        'test/scheduler/disciplines/{contract,round-robins,starved}.test.ts',
        'test/scheduler/oracles/exact-order.test.ts',
        'test/host/iommu/**/*.test.ts',
        'test/host/protection/cdna/*.test.ts',
      ],
      exclude: ['**/*.long.test.ts'],
      reporters: ['default'],
    },
  };
});
