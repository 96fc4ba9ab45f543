import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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
