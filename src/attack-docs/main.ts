import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playMatrix, WHOLE_MATRIX } from '../attack/matrix.js';
import { withThreats } from './threats-tables.js';

// Plays every attack on every approach and writes the tables of docs/threats.md: `npm run docs:threats`.
const path = fileURLToPath(new URL('../../docs/threats.md', import.meta.url));
writeFileSync(path, withThreats(readFileSync(path, 'utf8'), [...playMatrix(WHOLE_MATRIX)]));
process.stderr.write(`wrote ${path}\n`);
