import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { z } from 'zod';
import type { DOCUMENT_SCHEMAS } from './document-schema-list.js';

export type DocumentPath = (typeof DOCUMENT_SCHEMAS)[number]['path'];
export type Document = Readonly<Record<string, unknown>>;

/** A file of the project as text. */
export function storedText(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

const schemas = new Map<DocumentPath, z.ZodType>();

/** A schema of the project; making it takes longer than most documents take to be held to it. */
function schemaAt(path: DocumentPath): z.ZodType {
  const known = schemas.get(path);
  if (known !== undefined) return known;
  const made = z.fromJSONSchema(JSON.parse(storedText(path)) as Parameters<typeof z.fromJSONSchema>[0]);
  schemas.set(path, made);
  return made;
}

/** The document is what the schema says; of another format, without a key, or with a wrong value in it it is not. */
export function expectDescribed(path: DocumentPath, document: Document, wrong: Document): void {
  const schema = schemaAt(path);
  expect(schema.safeParse(document).error?.issues.slice(0, 3)).toBeUndefined();
  expect(schema.safeParse({ ...document, format: 1 }).success).toBe(false);
  const { version: _version, ...lacking } = document;
  expect(schema.safeParse(lacking).success).toBe(false);
  expect(schema.safeParse({ ...document, ...wrong }).success).toBe(false);
}
