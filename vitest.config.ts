import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Counting what is executed makes tests a few times slower. */
const SLOWER = process.argv.includes('--coverage') ? 4 : 1;
/** Tests that take minutes, or repeat what a command checks by itself: `npm run test:all` runs them too. */
const LONG_TESTS = 'test/**/*.long.test.ts';

export default defineConfig(({ mode }) => ({
  resolve: {
    alias: [
      { find: /^cdna-nic$/, replacement: at('./src/index.ts') },
      { find: /^cdna-nic\/(scheduler|nic|host|guests)$/, replacement: at('./$1/index.ts') },
      { find: /^cdna-nic\/scheduler\/laws$/, replacement: at('./scheduler/laws/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    // `--mode all` is npm run test:all; a long test by its name needs it as well.
    exclude: mode === 'all' ? [] : [LONG_TESTS],
    // test/support/whole.ts
    env: { CDNA_TESTS: mode === 'all' ? 'whole' : 'short' },
    setupFiles: ['./test/support/setup.ts'],
    reporters: ['default', './test/support/plain-count-reporter.ts'],
    // Against what never ends. A machine that runs other work is ten times slower, and nothing here is an assertion about time.
    testTimeout: 120_000 * SLOWER,
    hookTimeout: 300_000 * SLOWER,
    maxWorkers: 2,
    // One module graph per worker in place of one per file: tests share no mutable module state.
    isolate: false,
    coverage: {
      provider: 'v8',
      include: ['scheduler/**/*.ts', 'nic/**/*.ts', 'host/**/*.ts', 'guests/**/*.ts', 'src/**/*.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportsDirectory: 'out/coverage',
    },
  },
}));
