import { writeFileSync } from 'node:fs';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import {
  digestOf,
  modelRecordPath,
  readModelRecord,
  readStoredTable,
  runStored,
  STORED_APPROACHES,
  STORED_DISCIPLINES,
  STORED_SCENARIOS,
  type StoredResult,
  storedTablePath,
} from './stored-results.js';

// Stores what every scenario of the table comes to, under every approach and three disciplines: `npm run store:results`.
// A row that moves needs a higher MODEL_VERSION than the one of the stored table; rows that are new do not. Words after
// `--` pick scenarios by their paths; the rows of others stay as they are stored.
const picked = process.argv.slice(2);
const before = readStoredTable();
const { version } = readModelRecord();
const table: Record<string, Record<string, StoredResult>> = {};
const moved: string[] = [];
for (const { path, durationNs } of STORED_SCENARIOS) {
  const rows: Record<string, StoredResult> = {};
  if (picked.length > 0 && !picked.some((word) => path.includes(word))) {
    table[path] = { ...before[path] };
    continue;
  }
  for (const approach of STORED_APPROACHES) {
    for (const discipline of STORED_DISCIPLINES) {
      const row = `${approach} ${discipline}`;
      const result = await runStored(path, approach, discipline, durationNs);
      rows[row] = result;
      const stored = before[path]?.[row];
      if (stored !== undefined && JSON.stringify(stored) !== JSON.stringify(result))
        moved.push(`${path} ${row}`);
    }
  }
  table[path] = rows;
  process.stdout.write(`${path}: ${Object.keys(rows).length} rows\n`);
}
if (moved.length > 0 && MODEL_VERSION <= version) {
  process.stderr.write(
    `${moved.length} rows moved (${moved[0]}, ...): MODEL_VERSION is ${MODEL_VERSION}, expected ${version + 1} in src/machine/model-version.ts; nothing was stored\n`,
  );
  process.exitCode = 1;
} else {
  writeFileSync(storedTablePath, `${JSON.stringify(table, undefined, 2)}\n`);
  writeFileSync(
    modelRecordPath,
    `${JSON.stringify({ version: MODEL_VERSION, digest: digestOf(table) }, undefined, 2)}\n`,
  );
  process.stdout.write(`${moved.length} rows moved\n`);
}
