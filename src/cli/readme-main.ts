import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../scenario/package-folder.js';
import { withComparison } from './readme-comparison.js';

// Writes the comparison that README shows: `npm run docs:readme`.
const path = join(packageFolder(), 'README.md');
writeFileSync(path, await withComparison(readFileSync(path, 'utf8')));
