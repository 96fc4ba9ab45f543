import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { ScenarioError, scenarioErrorOf } from './scenario-error.js';
import { type Scenario, scenarioSchema } from './schema.js';

/** A scenario and where its relative paths start. */
export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly directory: string;
  /** The file as the user named it. */
  readonly source: string;
}

/** Endings of scenarios that are programs. */
const MODULES = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/**
 * Loads a scenario: JSON, or a TypeScript or JavaScript module whose default export is one.
 * @throws ScenarioError that names the file and what is wrong with it.
 */
export async function loadScenario(path: string): Promise<LoadedScenario> {
  const input = await readInput(path);
  return { scenario: checkScenario(input, path), directory: dirname(resolve(path)), source: path };
}

/**
 * Reads what a JSON file says, or what the default export of a module is, without checking it.
 * @throws ScenarioError that names the file and why it cannot be read.
 */
export async function readInput(path: string): Promise<unknown> {
  const file = resolve(path);
  const extension = extname(file);
  if (extension !== '.json' && !MODULES.includes(extension)) {
    throw new ScenarioError(
      `${path}: is not a scenario by its name, expected .json or one of ${MODULES.join(', ')}`,
    );
  }
  return extension === '.json' ? await readJson(path, file) : await importModule(path, file);
}

/** Checks what a scenario says. @throws ScenarioError */
export function checkScenario(input: unknown, where = 'scenario'): Scenario {
  const result = scenarioSchema.safeParse(input);
  if (!result.success) throw scenarioErrorOf(where, scenarioSchema, input, result.error);
  return result.data;
}

async function readJson(path: string, file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ScenarioError(`${path}: cannot be read (${reasonOf(error)}), expected a scenario file`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`${path}: is not JSON (${reasonOf(error)})`);
  }
}

async function importModule(path: string, file: string): Promise<unknown> {
  if (!existsSync(file))
    throw new ScenarioError(`${path}: cannot be read (no such file), expected a scenario file`);
  let module: { default?: unknown };
  try {
    module = (await tsImport(pathToFileURL(file).href, import.meta.url)) as { default?: unknown };
  } catch (error) {
    const reason = reasonOf(error);
    const hint = /Cannot find (module|package) 'cdna-nic/u.test(reason)
      ? '; expected cdna-nic to be installed where the scenario lies, or a scenario without that import'
      : '';
    throw new ScenarioError(`${path}: cannot be loaded (${reason})${hint}`);
  }
  const scenario = insideOf(module.default);
  if (scenario === undefined) {
    throw new ScenarioError(
      `${path}: has no default export, expected "export default defineScenario({ ... })"`,
    );
  }
  return scenario;
}

/** In a folder without "type": "module" a .ts file is CommonJS, and its default export arrives wrapped once more. */
function insideOf(exported: unknown): unknown {
  if (typeof exported !== 'object' || exported === null || !('__esModule' in exported)) return exported;
  return (exported as { default?: unknown }).default;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' ? 'no such file' : (error.message.split('\n')[0] ?? error.name);
}
