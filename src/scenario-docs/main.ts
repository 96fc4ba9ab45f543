import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { scenarioTables, withTables } from './field-tables.js';

// Writes the tables of docs/scenarios.md: `npm run docs:scenarios`.
const path = fileURLToPath(new URL('../../docs/scenarios.md', import.meta.url));
writeFileSync(path, withTables(readFileSync(path, 'utf8'), scenarioTables()));
process.stderr.write(`wrote ${path}\n`);
