import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { estimate } from '../../../src/sweep/statistics.js';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

test('DuckDB reads the Parquet and CSV tables as they are, and computes the mean that the sweep computes', async () => {
  const folder = emptyFolder();
  const out = join(folder, 'out');
  await cli('sweep', studyFile(folder, STUDY), '--out', out, '--formats', 'parquet,csv,ndjson');
  const rows = readFileSync(join(out, 'runs.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { protection: string; load: number; goodputBps: number });
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const file of ['runs.parquet', 'runs.csv', 'runs.ndjson']) {
    const reader = await connection.runAndReadAll(
      `SELECT protection, load, avg(goodputBps) AS mean, count(*) AS seeds FROM '${join(out, file)}' GROUP BY ALL ORDER BY min(point)`,
    );
    for (const { protection, load, mean, seeds } of reader.getRowObjects()) {
      const ours = rows.filter((row) => row.protection === protection && row.load === Number(load));
      expect(ours).toHaveLength(Number(seeds));
      expect(Number(mean)).toBeCloseTo(estimate(ours.map(({ goodputBps }) => goodputBps)).mean, 3);
    }
    expect(reader.getRowObjects()).toHaveLength(6);
  }
  const types = await connection.runAndReadAll(`DESCRIBE SELECT * FROM '${join(out, 'guests.parquet')}'`);
  const byName = new Map(
    types.getRowObjects().map(({ column_name, column_type }) => [column_name, column_type]),
  );
  expect([byName.get('point'), byName.get('load'), byName.get('guest')]).toEqual([
    'BIGINT',
    'DOUBLE',
    'VARCHAR',
  ]);
  connection.closeSync();
});
