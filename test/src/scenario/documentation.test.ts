import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scenarioJsonSchema } from '../../../src/scenario/json-schema.js';
import { scenarioTables, withTables } from '../../../src/scenario-docs/field-tables.js';

const TEXT = readFileSync(new URL('../../../docs/scenarios.md', import.meta.url), 'utf8');
/** Every word that stands in code. */
const CODE = new Set(
  [...TEXT.matchAll(/`([^`\n]+)`/gu)].flatMap((match) => match[1]?.match(/[\w$+-]+/gu) ?? []),
);

test('every field of a scenario is explained', () => {
  const fields = new Set<string>();
  const visit = (schema: unknown) => {
    if (typeof schema !== 'object' || schema === null) return;
    const properties = (schema as { properties?: object }).properties;
    for (const name of Object.keys(properties ?? {})) fields.add(name);
    for (const part of Object.values(schema)) visit(part);
  };
  visit(JSON.parse(scenarioJsonSchema()));
  expect(fields.size).toBeGreaterThan(70);
  expect([...fields].filter((name) => !CODE.has(name))).toEqual([]);
});

test('every key of a result is explained', () => {
  const keys = new Set<string>();
  // Names of reasons and of what an approach counts are the parts' own.
  const open = new Set(['drops', 'faults', 'protectionDetails', 'scenario']);
  const visit = (schema: unknown) => {
    if (typeof schema !== 'object' || schema === null) return;
    const { properties = {}, ...others } = schema as { properties?: object };
    for (const [key, inner] of Object.entries(properties)) {
      keys.add(key);
      if (!open.has(key)) visit(inner);
    }
    for (const part of Object.values(others)) visit(part);
  };
  // What a document may have is what its schema has, which is made from the types that it is printed from.
  visit(
    JSON.parse(readFileSync(new URL('../../../scenarios/run-document.schema.json', import.meta.url), 'utf8')),
  );
  expect(keys.has('attacks')).toBe(true);
  expect(keys.size).toBeGreaterThan(60);
  expect([...keys].filter((name) => !CODE.has(name))).toEqual([]);
});

test('the tables are current: `npm run docs:scenarios` writes them', () => {
  expect(TEXT).toBe(withTables(TEXT, scenarioTables()));
});

test('the tables have ranges and defaults of every kind', () => {
  const tables = scenarioTables();
  const line = (table: string, field: string) =>
    tables[table]?.split('\n').find((row) => row.startsWith(`| \`${field}\` |`));
  // A default of the schema, one of a component, one in words; a range of times, a choice, a range without its end.
  expect(line('guest', 'weight')).toMatch(/^\| `weight` \| 1 \| 1 to 65,535 \| \S/u);
  expect(line('nic', 'interruptGapNs')).toMatch(/\| 5 us \| 0 to 1 s \| \S/u);
  expect(line('guest', 'core')).toMatch(/\| round-robin \| 0 to 1,023 \| \S/u);
  expect(line('pcie', 'readCompletionBoundaryBytes')).toMatch(/\| 64 \| 64 or 128 \| \S/u);
  expect(line('traffic fields', 'shape')).toMatch(/\| 1.5 \| above 1 to 10 \| \S/u);
  expect(line('costs', 'copyByte')).toBe('| `copyByte` | 0.5 | byte copied by a CPU | assumed |');
  // No field without a meaning.
  for (const table of Object.values(tables)) expect(table).not.toMatch(/\| \|$/mu);
});

test('a place without a table is refused, and a table without a place', () => {
  const tables = { one: '| a |' };
  expect(withTables('<!-- table: one -->\n<!-- /table -->\n', tables)).toBe(
    '<!-- table: one -->\n\n| a |\n\n<!-- /table -->\n',
  );
  expect(() => withTables('', tables)).toThrow('no <!-- table: one -->');
  expect(() => withTables('<!-- table: one --><!-- /table --><!-- table: two -->', tables)).toThrow(
    'there is no table "two"',
  );
});
