import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { DOCUMENT_SCHEMAS, documentSchema } from '../../support/document-schemas.js';
import { invoke } from '../cli/invoke.js';

const stored = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test.for(DOCUMENT_SCHEMAS)(
  '$path is current; `npm run schema:documents` writes it',
  { timeout: 300_000 },
  (document) => {
    expect(stored(document.path)).toBe(documentSchema(document));
  },
);

test('what run and compare print is what the schema says, and what it does not say is refused', async () => {
  const [{ path }] = DOCUMENT_SCHEMAS;
  const schema = z.fromJSONSchema(JSON.parse(stored(path)) as Parameters<typeof z.fromJSONSchema>[0]);
  for (const args of [
    ['run', '--duration', '2ms'],
    ['compare', '--duration', '1ms', '--protection', 'none,driver-domain,iommu:deferred'],
  ]) {
    const { out } = await invoke(...args, '--json');
    const document = JSON.parse(out) as { format: number; runs: { seed: unknown }[] };
    expect(schema.safeParse(document).error?.issues.slice(0, 3)).toBeUndefined();
    expect(schema.safeParse({ ...document, format: 1 }).success).toBe(false);
    const [run] = document.runs;
    expect(schema.safeParse({ ...document, runs: [{ ...run, seed: 'one' }] }).success).toBe(false);
  }
});
