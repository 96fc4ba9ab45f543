import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXPERIMENTS } from '../experiments/index.js';
import { withAnswers, withResult } from './result-part.js';

// Writes what the stored results say into the READMEs of the experiments and docs/experiments.md:
// `npm run docs:experiments`.
const root = new URL('../../', import.meta.url);
const rewrite = (path: string, change: (text: string) => string) => {
  const file = fileURLToPath(new URL(path, root));
  writeFileSync(file, change(readFileSync(file, 'utf8')));
  process.stderr.write(`wrote ${path}\n`);
};
for (const experiment of EXPERIMENTS)
  rewrite(`src/experiments/${experiment.name}/README.md`, (text) => withResult(text, experiment));
rewrite('docs/experiments.md', (text) => withAnswers(text, EXPERIMENTS));
