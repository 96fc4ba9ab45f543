import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { datasheet } from '../../nic/datasheet.js';

// Writes docs/datasheet.md, wherever it is started from.
const path = fileURLToPath(new URL('../../docs/datasheet.md', import.meta.url));
writeFileSync(path, datasheet());
process.stderr.write(`wrote ${path}\n`);
