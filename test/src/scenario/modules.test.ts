import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadScenario } from '../../../src/scenario/load.js';
import { ScenarioError } from '../../../src/scenario/scenario-error.js';
import { scratchFolder } from '../report/scratch-folder.js';

const scratch = scratchFolder();
const plain = `export default { guests: [{ traffic: { kind: 'greedy' as const } }] };\n`;

/** What a file is refused for. */
async function refusal(path: string): Promise<string> {
  const error = await loadScenario(path).catch((cause: unknown) => cause);
  if (!(error instanceof ScenarioError)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error.message.replace(path, 'FILE');
}

test.for(['plain.ts', 'plain.mts', 'plain.cts'])('%s beside no package.json', async (name) => {
  const path = scratch.path(name);
  writeFileSync(path, plain);
  const { scenario, directory, source } = await loadScenario(path);
  expect(scenario.guests[0]?.traffic.kind).toBe('greedy');
  expect([directory, source]).toEqual([scratch.path(''), path]);
});

test('a TypeScript module with "type": "module" beside it', async () => {
  mkdirSync(scratch.path('typed'));
  writeFileSync(scratch.path('typed/package.json'), '{ "type": "module" }');
  writeFileSync(scratch.path('typed/plain.ts'), plain);
  expect((await loadScenario(scratch.path('typed/plain.ts'))).scenario.guests).toHaveLength(1);
});

test('a module that exports nothing, does not parse, throws, or is wrong', async () => {
  const said = async (name: string, text: string) => {
    writeFileSync(scratch.path(name), text);
    return refusal(scratch.path(name));
  };
  expect(await said('empty.mjs', 'export const scenario = 1;')).toBe(
    'FILE: has no default export, expected "export default defineScenario({ ... })"',
  );
  expect(await said('broken.ts', 'export default {')).toMatch(/^FILE: cannot be loaded \(.+\)$/u);
  expect(await said('throws.mjs', 'throw new Error("not today");')).toBe(
    'FILE: cannot be loaded (not today)',
  );
  expect(await said('wrong.mjs', 'export default { guests: 3 };')).toBe('FILE: guests is 3, expected a list');
});
