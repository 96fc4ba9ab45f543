import { writeFileSync } from 'node:fs';
import {
  runStored,
  STORED_APPROACHES,
  STORED_DISCIPLINES,
  STORED_SCENARIOS,
  type StoredResult,
  storedTablePath,
} from './stored-results.js';

// Stores what every scenario of the table comes to, under every approach and three disciplines: `npm run store:results`.
const table: Record<string, Record<string, StoredResult>> = {};
for (const { path, durationNs } of STORED_SCENARIOS) {
  const rows: Record<string, StoredResult> = {};
  for (const approach of STORED_APPROACHES) {
    for (const discipline of STORED_DISCIPLINES) {
      rows[`${approach} ${discipline}`] = await runStored(path, approach, discipline, durationNs);
    }
  }
  table[path] = rows;
  process.stdout.write(`${path}: ${Object.keys(rows).length} rows\n`);
}
writeFileSync(storedTablePath, `${JSON.stringify(table, undefined, 2)}\n`);
