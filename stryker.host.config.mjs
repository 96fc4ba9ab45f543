import all from './stryker.config.mjs';

// Files of host/ against the tests that MUTATE_TESTS names: a lower bound of their score, in minutes per file.
// MUTATE_TESTS='test/host/iommu' npm run mutate:host -- -m host/iommu/amdvi/walker.ts
export default {
  ...all,
  vitest: { configFile: 'vitest.host.config.ts' },
  mutate: ['host/protection/**/*.ts', 'host/iommu/**/*.ts', '!**/index.ts'],
  incremental: false,
  concurrency: 1,
  // Static mutants (initial values, constants) need every test; they are left to `npm run mutate`.
  ignoreStatic: true,
  // The time-out is for endless loops; on a busy machine a test that is only slow must not count as one.
  timeoutMS: 30_000,
  jsonReporter: { fileName: 'reports/mutants/host.json' },
};
