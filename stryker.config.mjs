// Mutants of what decides fairness and protection: `npm run mutate`. docs/mutants.md has the scores and the survivors.
/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  packageManager: 'npm',
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutate.config.ts' },
  mutate: [
    'scheduler/**/*.ts',
    'host/protection/**/*.ts',
    'host/iommu/**/*.ts',
    'host/bus/**/*.ts',
    // What is only re-exported, and the catalogue's texts, decide nothing.
    '!**/index.ts',
    '!**/catalogue.ts',
  ],
  // Texts are for people; a test that held every letter of them would only repeat them.
  mutator: { excludedMutations: ['StringLiteral'] },
  plugins: ['@stryker-mutator/*', './scripts/stryker-ignore-invariants.mjs'],
  ignorers: ['invariants'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 10_000,
  timeoutFactor: 3,
  ignorePatterns: ['dist', 'out', 'docs', 'captures', 'reports', '.cache'],
  tempDirName: '.stryker-tmp',
  incremental: true,
  incrementalFile: 'reports/mutants/incremental.json',
  reporters: ['clear-text', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: true },
  jsonReporter: { fileName: 'reports/mutants/mutants.json' },
};
