import all from './stryker.config.mjs';

// One file of each kind, in a few minutes: a discipline, the books of ownership that a set-up gate asks, a table walker.
export default {
  ...all,
  mutate: [
    'scheduler/disciplines/deficit-round-robin.ts',
    'host/protection/cdna/*.ts',
    'host/iommu/table-walker.ts',
  ],
  incremental: false,
  jsonReporter: { fileName: 'reports/mutants/quick.json' },
};
