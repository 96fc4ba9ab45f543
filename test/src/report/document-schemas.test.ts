import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { EXPERIMENTS } from '../../../src/experiments/index.js';
import { type Document, expectDescribed, storedText } from '../../support/described.js';
import { DOCUMENT_SCHEMAS } from '../../support/document-schemas.js';
import { invoke } from '../cli/invoke.js';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/iommu-tables/${name}`, import.meta.url));

async function printed(...args: string[]): Promise<Document> {
  const { out } = await invoke(...args, '--json');
  return JSON.parse(out) as Document;
}

test('what attack prints is what its schema says', async () => {
  const document = await printed(
    ...['attack', '--attacks', 'foreign-page-read,jumbo-hog,ring-base', '--protection', 'none,cdna'],
  );
  expectDescribed('scenarios/attack-document.schema.json', document, { cells: [{ attack: 'x' }] });
});

test('what fairness prints is what its schema says', async () => {
  const document = await printed(
    ...['fairness', '--contexts', '3', '--duration', '1ms', '--disciplines', 'drr,fifo'],
    ...['--workloads', 'greedy,churn'],
  );
  expectDescribed('scenarios/fairness-document.schema.json', document, { linkBps: '1 Gb/s' });
});

test.for([
  ['linux-vtd-tables.json.gz', '--check'],
  ['linux-vtd-tables.json.gz'],
  ['linux-amdvi-tables.json.gz', '--check'],
])('what tables prints of %s is what its schema says', async ([name = '', ...options]) => {
  const document = await printed('tables', fixture(name), ...options);
  expectDescribed('scenarios/tables-document.schema.json', document, { kind: 'smmu' });
});

test.for(EXPERIMENTS)('the stored result of $name is what the schema of reproduce says', ({ storedUrl }) => {
  const document = JSON.parse(readFileSync(storedUrl, 'utf8')) as Document;
  const path = 'scenarios/reproduce-document.schema.json';
  expectDescribed(path, document, { experiment: 'another' });
  // Of several experiments the document is a list.
  const { experiment: _name, ...head } = document;
  expectDescribed(path, { ...head, results: [document, document] }, { results: [{ seed: 1 }] });
});

test('every schema is exported by the package', () => {
  const { exports } = JSON.parse(storedText('package.json')) as { exports: Record<string, unknown> };
  const schemas = Object.values(exports).filter((path) => typeof path === 'string');
  expect(schemas).toEqual(expect.arrayContaining(DOCUMENT_SCHEMAS.map(({ path }) => `./${path}`)));
});
