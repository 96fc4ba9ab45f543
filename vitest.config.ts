import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^cdna-nic$/, replacement: at('./src/index.ts') },
      { find: /^cdna-nic\/(scheduler|nic|host|guests)$/, replacement: at('./$1/index.ts') },
      { find: /^cdna-nic\/scheduler\/laws$/, replacement: at('./scheduler/laws/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['./test/support/setup.ts'],
    reporters: ['default', './test/support/plain-count-reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    isolate: false,
  },
});
