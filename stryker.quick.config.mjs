import all from './stryker.config.mjs';

// One file of each kind against its quick tests, in minutes: a discipline, CDNA's set-up gate, what walks tables.
export default {
  ...all,
  vitest: { configFile: 'vitest.quick-mutants.config.ts' },
  mutate: [
    'scheduler/disciplines/deficit-round-robin.ts',
    'host/protection/cdna/*.ts',
    'host/iommu/table-walker.ts',
  ],
  incremental: false,
  // Static mutants (initial values, constants) need every test; they are left to `npm run mutate`.
  ignoreStatic: true,
  jsonReporter: { fileName: 'reports/mutants/quick.json' },
};
