import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COSTS } from '../../../host/cpu/costs.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { NIC_PARAMETERS } from '../../../nic/parameters.js';
import { PCIE_PARAMETERS } from '../../../nic/pcie-link.js';
import { DISCIPLINES } from '../../../scheduler/disciplines/index.js';
import { bundledScenario } from '../../../src/scenario/bundled.js';
import { scenarioJsonSchema } from '../../../src/scenario/json-schema.js';
import { loadScenario } from '../../../src/scenario/load.js';

const SCENARIOS = new URL('../../../scenarios/', import.meta.url);

test('scenarios/scenario.schema.json is current; `npm run schema` writes it', () => {
  expect(readFileSync(new URL('scenario.schema.json', SCENARIOS), 'utf8')).toBe(scenarioJsonSchema());
});

test('it lets the short way of writing through: nothing but guests is required', () => {
  const schema = JSON.parse(scenarioJsonSchema()) as {
    required: string[];
    additionalProperties: boolean;
    properties: { guests: { items: { required?: string[] } } };
  };
  expect(schema.required).toEqual(['guests']);
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.guests.items.required ?? []).toEqual([]);
});

test('every shipped scenario loads, and names the schema that editors check it with', async () => {
  const files = readdirSync(SCENARIOS).filter((name) => !name.endsWith('.schema.json'));
  expect(files).toContain('four-guests.json');
  for (const name of files) {
    const { scenario } = await loadScenario(new URL(name, SCENARIOS).pathname);
    expect(scenario.$schema, name).toBe('./scenario.schema.json');
  }
});

test('the bundled one has a voice call beside greedy guests, on one port of 4 Gb/s', async () => {
  const { scenario, source } = await bundledScenario();
  expect(source).toBe('scenarios/voice-and-greedy.json');
  expect(scenario.guests.map(({ name }) => name)).toEqual(['voice', 'web', 'bulk', 'greedy']);
  expect(scenario.nic?.rateBps).toBe(4e9);
});

test('ranges of the card, its link and the costs are those of the tables that check them', () => {
  const { properties } = JSON.parse(scenarioJsonSchema()) as {
    properties: Record<string, { properties: Record<string, Record<string, unknown>>; anyOf?: object[] }>;
  };
  const nic = properties.nic?.properties ?? {};
  for (const { name, least, most } of NIC_PARAMETERS) {
    if (name === 'requesterBase' || name === 'managementRequesterId') continue;
    expect(nic[name], name).toMatchObject({ type: 'integer', minimum: least, maximum: most });
  }
  const pcie = (nic.pcie as unknown as { properties: Record<string, object> }).properties;
  expect(Object.keys(pcie)).toEqual(Object.keys(PCIE_PARAMETERS));
  expect(pcie.lanes).toMatchObject({ enum: [1, 2, 4, 8, 16] });
  expect(pcie.dataLinkEfficiency).toMatchObject({ minimum: 0, maximum: 1 });
  const costs = properties.host?.properties.costs as { properties: object; additionalProperties: boolean };
  expect(Object.keys(costs.properties)).toEqual(Object.keys(COSTS));
  expect(costs.additionalProperties).toBe(false);
});

test('an editor knows the names of approaches and disciplines, and what a composed or own one looks like', () => {
  const { properties } = JSON.parse(scenarioJsonSchema()) as {
    properties: Record<string, { anyOf: { enum?: string[]; pattern?: string }[] }>;
  };
  const accepts = (field: string, name: string) =>
    properties[field]?.anyOf.some(
      (one) =>
        one.enum?.includes(name) === true ||
        (one.pattern !== undefined && new RegExp(one.pattern, 'u').test(name)),
    );
  for (const { name } of APPROACHES) expect(accepts('protection', name), name).toBe(true);
  for (const { name } of DISCIPLINES) {
    expect(accepts('discipline', name), name).toBe(true);
    expect(accepts('discipline', `limited:minimum:${name}/${name}`), name).toBe(true);
  }
  for (const name of ['./mine.ts', '../mine.mjs', '/mine.js'])
    expect(accepts('discipline', name), name).toBe(true);
  for (const name of ['iomu', 'cdna,none', 'mine.ts', ''])
    expect(accepts('protection', name), name).toBe(false);
  for (const name of ['rr', 'drr/', 'limited:', 'drr//drr'])
    expect(accepts('discipline', name), name).toBe(false);
});
