import all from './stryker.config.mjs';

// A sample of the mutants of whole folders, drawn by a seed, against the tests of the same layers.
// What lived in an earlier run, against further tests: MUTATE_LIVED_IN=REPORT.json.
// MUTATE_ONE_OF=20 MUTATE_SEED=1 MUTATE_TESTS='test/host' npm run mutate:sample -- -m 'host/iommu/**/*.ts,!**/index.ts'
export default {
  ...all,
  vitest: { configFile: 'vitest.host.config.ts' },
  plugins: [...all.plugins, './scripts/stryker-sample.mjs'],
  checkers: ['sample'],
  incremental: false,
  // Static mutants (initial values, constants) need every test; they are left to `npm run mutate`.
  ignoreStatic: true,
  // The time-out is for endless loops; on a busy machine a test that is only slow must not count as one.
  timeoutMS: 60_000,
  dryRunTimeoutMinutes: 30,
  jsonReporter: { fileName: process.env.MUTATE_REPORT ?? 'reports/mutants/sample.json' },
};
