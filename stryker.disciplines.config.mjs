import all from './stryker.config.mjs';

// The disciplines against their quick tests alone: a lower bound of their score, in minutes per file.
export default {
  ...all,
  vitest: { configFile: 'vitest.disciplines.config.ts' },
  mutate: ['scheduler/disciplines/*.ts', '!**/index.ts', '!**/catalogue.ts'],
  incremental: false,
  concurrency: 1,
  // Static mutants (initial values, constants) need every test; they are left to `npm run mutate`.
  ignoreStatic: true,
  jsonReporter: { fileName: 'reports/mutants/disciplines.json' },
};
