import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, test } from 'vitest';
import { estimate } from '../../../src/sweep/statistics.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { cli } from './study-lab.js';

const ROOT = new URL('../../../', import.meta.url);
const DOC = readFileSync(new URL('docs/sweeps.md', ROOT), 'utf8');
const STUDY = 'examples/studies/price-of-small-frames.json';

/** The first piece of code in docs/sweeps.md in a language. */
function code(language: string): string {
  return (
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'mu').exec(DOC)?.[1] ?? expect.fail(language)
  );
}

/** A Python that has pandas and matplotlib, such as the one of the distribution. */
const python = ['/usr/bin/python3', 'python3'].find(
  (name) => spawnSync(name, ['-c', 'import pandas, matplotlib']).status === 0,
);
const hasR = spawnSync('Rscript', ['-e', 'library(lattice)']).status === 0;
for (const [there, what] of [
  [python !== undefined, 'pandas (apt-get install python3-pandas python3-matplotlib)'],
  [hasR, 'R with lattice (apt-get install r-base-core r-cran-lattice)'],
] as const) {
  if (!there) process.stderr.write(`\n*** no ${what}: that part of docs/sweeps.md is SKIPPED ***\n\n`);
}

describe('the walk through one study in docs/sweeps.md', () => {
  const scratch = scratchFolder();
  const means = new Map<string, number>();

  beforeAll(async () => {
    const study = new URL(STUDY, ROOT).pathname;
    const { code: exit } = await cli(
      'sweep',
      study,
      '--out',
      scratch.path('price'),
      '--formats',
      'parquet,csv,ndjson',
    );
    expect(exit).toBe(0);
    const groups = new Map<string, number[]>();
    for (const line of readFileSync(scratch.path('price/runs.ndjson'), 'utf8').trimEnd().split('\n')) {
      const row = JSON.parse(line) as Record<'protection' | 'frameBytes', string> & {
        hypervisorFraction: number;
      };
      const key = `${row.protection} ${row.frameBytes}`;
      groups.set(key, [...(groups.get(key) ?? []), row.hypervisorFraction]);
    }
    for (const [key, values] of groups) means.set(key, estimate(values).mean);
  }, 300_000);

  test('shows the study that lies in examples', () => {
    const {
      $schema: _schema,
      name: _name,
      ...study
    } = JSON.parse(readFileSync(new URL(STUDY, ROOT), 'utf8')) as Record<string, unknown>;
    expect(JSON.parse(code('json'))).toEqual(study);
  });

  test('comes to the means of the sweep in DuckDB', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const reader = await connection.runAndReadAll(
      code('sql').replace("'price/", `'${scratch.path('price')}/`),
    );
    expect(reader.getRowObjects()).toHaveLength(means.size);
    for (const { protection, frameBytes, mean } of reader.getRowObjects()) {
      expect(Number(mean)).toBeCloseTo(means.get(`${protection} ${frameBytes}`) ?? -1, 12);
    }
    connection.closeSync();
  });

  test.skipIf(python === undefined)(
    'comes to the same in pandas, with a plot',
    () => {
      const script = `import matplotlib\nmatplotlib.use('Agg')\n${code('python')}\nprint(means.unstack().dropna().to_csv(header=False))\n`;
      const out = execFileSync(python ?? '', ['-c', script], { cwd: scratch.path('.'), encoding: 'utf8' });
      const rows = out.trim().split('\n');
      expect(rows).toHaveLength(means.size);
      for (const row of rows) {
        const [protection, frameBytes, mean] = row.split(',');
        expect(Number(mean)).toBeCloseTo(means.get(`${protection} ${frameBytes}`) ?? -1, 12);
      }
      expect(statSync(scratch.path('price.png')).size).toBeGreaterThan(5000);
    },
    60_000,
  );

  test.skipIf(!hasR)(
    'comes to the same in R, with a plot',
    () => {
      // A plot that is not assigned is drawn into Rplots.pdf.
      const script = `${code('r')}\noptions(digits = 15)\nwrite.csv(means, row.names = FALSE)\n`;
      const out = execFileSync('Rscript', ['-e', script], { cwd: scratch.path('.'), encoding: 'utf8' });
      const rows = out.slice(out.indexOf('"protection"')).trim().split('\n').slice(1);
      expect(rows).toHaveLength(means.size);
      for (const row of rows) {
        const [protection, frameBytes, mean] = row.replaceAll('"', '').split(',');
        expect(Number(mean)).toBeCloseTo(means.get(`${protection} ${frameBytes}`) ?? -1, 12);
      }
      expect(existsSync(join(scratch.path('.'), 'Rplots.pdf'))).toBe(true);
    },
    60_000,
  );
});
