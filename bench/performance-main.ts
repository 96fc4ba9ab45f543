import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withFigures } from './performance-page.js';
import { type BenchDocument, progressLine, runBench } from './run.js';

// Writes the tables of docs/performance.md: `npm run docs:performance`, of what it runs, or of a stored `--json`.
const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
  },
});
const path = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const document =
  values.from === undefined
    ? await runBench({ quick: values.quick, only: values.only, progress: progressLine })
    : (JSON.parse(readFileSync(values.from, 'utf8')) as BenchDocument);
writeFileSync(path, withFigures(readFileSync(path, 'utf8'), document));
