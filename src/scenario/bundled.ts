import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvariantViolation } from '../../scheduler/errors.js';
import { type LoadedScenario, loadScenario } from './load.js';

/** Path of the scenario inside the package. */
const BUNDLED = join('scenarios', 'voice-and-greedy.json');

/**
 * The scenario that runs when none is named: a voice call beside greedy guests on a
 * wire of 4 Gb/s, which some approaches cannot fill. It is called by its path in the
 * package, wherever that is installed, so that reports are the same everywhere.
 */
export async function bundledScenario(): Promise<LoadedScenario> {
  return { ...(await loadScenario(join(packageFolder(), BUNDLED))), source: BUNDLED };
}

/** Where a scenario of the package lies, by its file's name. */
export function bundledPath(name: string): string {
  return join(packageFolder(), 'scenarios', name);
}

/** The folder of this package: sources and build lie at different depths below it. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, BUNDLED))) {
    const parent = dirname(folder);
    if (parent === folder) throw new InvariantViolation(`${BUNDLED} is missing from the package`);
    folder = parent;
  }
  return folder;
}

/** The version of this package, from its package.json. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8'));
  return String((manifest as { version?: unknown }).version);
}
