import { join } from 'node:path';
import { type LoadedScenario, loadScenario } from './load.js';
import { BUNDLED, packageFolder } from './package-folder.js';

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
