import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withFigures } from './performance-page.js';
import { type BenchDocument, progressLine, runBench } from './run.js';

// Writes the tables of docs/performance.md: `npm run docs:performance`, of what it runs, or of stored `--json` documents.
const { values } = parseArgs({
  options: {
    from: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
  },
});
const path = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
let page = readFileSync(path, 'utf8');
if (values.from.length === 0) {
  const request = { quick: values.quick, only: values.only, progress: progressLine };
  page = withFigures(page, await runBench(request));
}
for (const file of values.from)
  page = withFigures(page, JSON.parse(readFileSync(file, 'utf8')) as BenchDocument);
writeFileSync(path, page);
