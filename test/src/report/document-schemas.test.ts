import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { EXPERIMENTS } from '../../../src/experiments/index.js';
import { type Document, expectDescribed, storedText } from '../../support/described.js';
import { DOCUMENT_SCHEMAS } from '../../support/document-schema-list.js';
import { invoke } from '../cli/invoke.js';
import { emptyFolder, STUDY, studyFile } from '../sweep/study-lab.js';

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

test('what sweep prints is what its schemas say, and so is what serve prints per second', async () => {
  const folder = emptyFolder();
  const out = join(folder, 'out');
  const study = studyFile(folder, { ...STUDY, seeds: 2 });
  const dry = await printed('sweep', study, '--dry-run', '--out', out);
  expectDescribed('scenarios/sweep-dry-run-document.schema.json', dry, { first: [{ point: 'one' }] });
  const swept = await printed('sweep', study, '--out', out, '--formats', 'csv');
  expectDescribed('scenarios/sweep-document.schema.json', swept, { failed: 'none' });
  const merged = await printed('sweep', 'merge', study, out, '--out', out, '--formats', 'csv');
  expectDescribed('scenarios/sweep-document.schema.json', merged, { command: 'compare' });
  const report = await printed('sweep', 'report', study, '--out', out);
  expectDescribed('scenarios/sweep-report-document.schema.json', report, { differences: [{ metric: 1 }] });
  expect([dry.command, swept.command, merged.command, report.command]).toEqual([
    'sweep --dry-run',
    'sweep',
    'sweep merge',
    'sweep report',
  ]);
  const { out: lines } = await invoke(
    'serve',
    '--json',
    '--duration',
    '20ms',
    '--dir',
    join(folder, 'sockets'),
  );
  const samples = lines.trimEnd().split('\n');
  expect(samples.length).toBeGreaterThan(0);
  for (const line of samples)
    expectDescribed('scenarios/serve-document.schema.json', JSON.parse(line) as Document, { guests: [{}] });
});

test('every schema is exported by the package', () => {
  const { exports } = JSON.parse(storedText('package.json')) as { exports: Record<string, unknown> };
  const schemas = Object.values(exports).filter((path) => typeof path === 'string');
  expect(schemas).toEqual(expect.arrayContaining(DOCUMENT_SCHEMAS.map(({ path }) => `./${path}`)));
});
