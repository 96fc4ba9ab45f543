import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvariantViolation } from '../../scheduler/errors.js';

// Apart from what loads scenarios: the command line asks for the version before it knows what else it needs.

/** Path of the scenario inside the package that runs when none is named. */
export const BUNDLED = join('scenarios', 'voice-and-greedy.json');

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
