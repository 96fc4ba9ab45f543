import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { checkScenario } from './check.js';
import { importDefault, MODULE_EXTENSIONS, ModuleProblem, reasonOf } from './import-module.js';
import { ScenarioError } from './scenario-error.js';
import type { Scenario } from './schema.js';

export { checkScenario } from './check.js';

/** A scenario and where its relative paths start. */
export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly directory: string;
  /** The file as the user named it. */
  readonly source: string;
}

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
 * @param kind what the file is expected to hold
 * @throws ScenarioError that names the file and why it cannot be read.
 */
export async function readInput(path: string, kind: InputKind = 'scenario'): Promise<unknown> {
  const file = resolve(path);
  const extension = extname(file);
  if (extension !== '.json' && !MODULE_EXTENSIONS.includes(extension)) {
    throw new ScenarioError(
      `${path}: is not a ${kind} by its name, expected .json or one of ${MODULE_EXTENSIONS.join(', ')}`,
    );
  }
  return extension === '.json' ? await readJson(path, file, kind) : await importModule(path, file, kind);
}

/** What a file may be that has a schema of its own. */
export type InputKind = 'scenario' | 'study';

async function readJson(path: string, file: string, kind: InputKind): Promise<unknown> {
  let text: string;
  try {
    text = decodeText(await readFile(file));
  } catch (error) {
    throw new ScenarioError(`${path}: cannot be read (${reasonOf(error)}), expected a ${kind} file`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`${path}: is not JSON (${reasonOf(error)})`);
  }
}

async function importModule(path: string, file: string, kind: InputKind): Promise<unknown> {
  let scenario: unknown;
  try {
    scenario = await importDefault(file);
  } catch (error) {
    if (error instanceof ModuleProblem) throw new ScenarioError(`${path}: ${error.message}`);
    throw error;
  }
  if (scenario === undefined) {
    throw new ScenarioError(
      `${path}: has no default export, expected "export default ${kind === 'study' ? 'defineStudy' : 'defineScenario'}({ ... })"`,
    );
  }
  return scenario;
}

/** UTF-8, or UTF-16 as its byte order mark says; Windows editors write either. */
function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  // Takes a byte order mark away.
  return new TextDecoder('utf-8').decode(bytes);
}
