import { expect, test } from 'vitest';
import { expectDescribed, storedText } from '../../support/described.js';
import { DOCUMENT_SCHEMAS } from '../../support/document-schema-list.js';
import { documentSchema } from '../../support/document-schemas.js';
import { invoke } from '../cli/invoke.js';

test.for(DOCUMENT_SCHEMAS)(
  '$path is current; `npm run schema:documents` writes it',
  { timeout: 300_000 },
  (document) => {
    expect(storedText(document.path)).toBe(documentSchema(document));
  },
);

test('what run and compare print is what the schema says, and what it does not say is refused', async () => {
  for (const args of [
    ['run', '--duration', '2ms'],
    ['compare', '--duration', '1ms', '--protection', 'none,driver-domain,iommu:deferred'],
  ]) {
    const { out } = await invoke(...args, '--json');
    const document = JSON.parse(out) as { runs: object[] };
    const [run] = document.runs;
    expectDescribed(
      'scenarios/run-document.schema.json',
      { ...document },
      { runs: [{ ...run, seed: 'one' }] },
    );
  }
});
