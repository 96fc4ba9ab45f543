import type { RunResult } from '../machine/run-result.js';
import { packageVersion } from '../scenario/bundled.js';
import type { Scenario } from '../scenario/schema.js';

/** What one call of `compare` or `run` found. */
export interface RunDocument {
  readonly command: 'compare' | 'run';
  /** The command line that gives the same again. */
  readonly repeat: string;
  readonly seed: number;
  readonly scenario: Scenario;
  /** The scenario's file as the user named it. */
  readonly source: string;
  readonly results: readonly RunResult[];
}

/**
 * The JSON document of a call; docs/scenarios.md explains its keys. Nothing in it depends on when or where the
 * call was made, so two of the same are equal byte for byte. What there is not is `null`.
 */
export function formatRunDocument(document: RunDocument): string {
  const { command, repeat, seed, scenario, source, results } = document;
  const shown = {
    tool: 'cdna-nic',
    version: packageVersion(),
    command,
    repeat,
    seed,
    scenario: { source, ...scenario },
    runs: results,
  };
  return `${JSON.stringify(shown, (_key, value: unknown) => (value === undefined ? null : value), 2)}\n`;
}
