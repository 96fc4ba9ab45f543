import { createHash } from 'node:crypto';
import { MODEL_VERSION } from '../machine/model-version.js';
import type { Scenario } from '../scenario/schema.js';

/** Everything that decides one run: plain data that can go to a thread or to another machine. */
export interface RunJob {
  /** Checked, with defaults filled in; `protection`, `discipline`, `seed` and times are in it. */
  readonly scenario: DecidedScenario;
  /** Where relative paths of captures start. */
  readonly directory: string;
  /** Attacks that are tried in place of a run of the scenario's traffic; none for a run. */
  readonly attacks?: readonly string[];
}

/** A scenario in which nothing is left to defaults of the caller. */
export type DecidedScenario = Scenario &
  Required<Pick<Scenario, 'protection' | 'discipline' | 'seed' | 'warmUpNs' | 'durationNs'>>;

/** What files that a scenario names contain, by the name in the scenario: hashes of captures and modules. */
export type ContentHashes = Readonly<Record<string, string>>;

/**
 * The key of a run: 32 hexadecimal digits that are the same for the same model, settings (with defaults filled in)
 * and content of files, whatever the scenario is called and wherever it lies.
 */
export function runKey(job: RunJob, contents: ContentHashes): string {
  const { $schema: _schema, name: _name, ...settings } = job.scenario;
  const decided = { model: MODEL_VERSION, settings, contents, attacks: job.attacks ?? null };
  return createHash('sha256').update(canonical(decided)).digest('hex').slice(0, 32);
}

/** JSON with the keys of each object in order; what is undefined is left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
    return `{${fields.join()}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
