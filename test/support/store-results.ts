import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import {
  digestOf,
  type ModelRecord,
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
// A row that moves needs a higher MODEL_VERSION than the one of the stored table; rows that are new do not. Where the
// fingerprint of a row stays and its report alone moves, a reason will do: `--reports 'a sentence'`. Words after
// `--` pick scenarios by their paths; the rows of others stay as they are stored.
const { values, positionals: picked } = parseArgs({
  options: { reports: { type: 'string' } },
  allowPositionals: true,
});
const before = readStoredTable();
const { version, reports } = readModelRecord();
const table: Record<string, Record<string, StoredResult>> = {};
const moved: string[] = [];
const retold: string[] = [];
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
      if (stored === undefined || JSON.stringify(stored) === JSON.stringify(result)) continue;
      (stored.fingerprint === result.fingerprint ? retold : moved).push(`${path} ${row}`);
    }
  }
  table[path] = rows;
  process.stdout.write(`${path}: ${Object.keys(rows).length} rows\n`);
}
const isRaised = MODEL_VERSION > version;
const reason = values.reports;
if (moved.length > 0 && !isRaised) {
  process.stderr.write(
    `${moved.length} rows moved (${moved[0]}, ...): MODEL_VERSION is ${MODEL_VERSION}, expected ${version + 1} in src/machine/model-version.ts; nothing was stored\n`,
  );
  process.exitCode = 1;
} else if (retold.length > 0 && !isRaised && reason === undefined) {
  process.stderr.write(
    `reports of ${retold.length} rows moved (${retold[0]}, ...): expected --reports and why, or a MODEL_VERSION of ${version + 1}; nothing was stored\n`,
  );
  process.exitCode = 1;
} else {
  const kept = isRaised ? [] : reports;
  const record: ModelRecord = {
    version: MODEL_VERSION,
    digest: digestOf(table),
    reports: reason === undefined || retold.length === 0 ? kept : [...kept, reason],
  };
  writeFileSync(storedTablePath, `${JSON.stringify(table, undefined, 2)}\n`);
  writeFileSync(modelRecordPath, `${JSON.stringify(record, undefined, 2)}\n`);
  process.stdout.write(`${moved.length} rows moved, reports of ${retold.length} more\n`);
}
