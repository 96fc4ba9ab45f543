import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withComparison } from '../../../src/cli/readme-comparison.js';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

test('README shows the comparison as it is printed now; `npm run docs:readme` writes it', async () => {
  expect(README).toBe(await withComparison(README));
}, 240_000);
