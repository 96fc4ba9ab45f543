import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COSTS } from '../../../host/index.js';
import { DEFAULT_NIC, DEFAULT_PCIE } from '../../../nic/index.js';
import { scenarioJsonSchema } from '../../../src/scenario/json-schema.js';
import { invoke } from '../cli/invoke.js';

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

test('every key of a result is explained', async () => {
  const { out } = await invoke('compare', '--duration', '2ms', '--json', '--protection', 'none,cdna');
  const keys = new Set<string>();
  // Names of reasons and of what an approach counts are the parts' own.
  const open = new Set(['drops', 'faults', 'protectionDetails', 'scenario']);
  const visit = (value: unknown) => {
    if (Array.isArray(value)) for (const entry of value) visit(entry);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        keys.add(key);
        if (!open.has(key)) visit(inner);
      }
    }
  };
  visit(JSON.parse(out));
  expect(keys.size).toBeGreaterThan(60);
  expect([...keys].filter((name) => !CODE.has(name))).toEqual([]);
});

test('costs and defaults are those of the machine', () => {
  for (const [name, { cycles, per }] of Object.entries(COSTS)) {
    expect(TEXT).toContain(`| \`${name}\` | ${cycles} | ${per} |`);
  }
  const { pcie: _, requesterBase: __, managementRequesterId: ___, contexts: ____, ...nic } = DEFAULT_NIC;
  for (const [name, value] of Object.entries({ ...nic, ...DEFAULT_PCIE })) {
    expect(TEXT).toContain(`\`${name}\` | ${value} |`);
  }
});
