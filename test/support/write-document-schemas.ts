import { writeFileSync } from 'node:fs';
import { DOCUMENT_SCHEMAS } from './document-schema-list.js';
import { documentSchema } from './document-schemas.js';

// Writes the schemas of documents: `npm run schema:documents`.
for (const document of DOCUMENT_SCHEMAS) {
  writeFileSync(new URL(`../../${document.path}`, import.meta.url), documentSchema(document));
  process.stdout.write(`wrote ${document.path}\n`);
}
