import { createHash } from 'node:crypto';
import type { Scenario } from '../scenario/schema.js';
import type { ContentHashes } from './file-hash.js';
import { RESULT_VERSION } from './result-version.js';

/** A scenario in which nothing is left to defaults of the caller. */
export interface DecidedScenario
  extends Omit<Scenario, 'protection' | 'discipline' | 'seed' | 'warmUpNs' | 'durationNs'> {
  readonly protection: string;
  readonly discipline: string;
  readonly seed: number;
  readonly warmUpNs: number;
  readonly durationNs: number;
}

/** Everything that decides one run: plain data that can go to a thread or to another machine. */
export interface RunJob {
  readonly kind: 'run';
  /** Checked, with defaults filled in. */
  readonly scenario: DecidedScenario;
  /** Where relative paths of captures and modules start. */
  readonly directory: string;
  /** Of every capture and module that the scenario names. */
  readonly contents: ContentHashes;
}

/** Attacks on one approach, on the machine of the attack matrix. */
export interface AttackJob {
  readonly kind: 'attacks';
  readonly protection: string;
  readonly iommu: Scenario['iommu'];
  readonly seed: number;
  readonly attacks: readonly string[];
}

export type Job = RunJob | AttackJob;

/**
 * The key of a job: 32 hexadecimal digits that are the same for the same model, settings (with defaults filled in)
 * and content of files, whatever the scenario is called and wherever it lies.
 */
export function jobKey(job: Job): string {
  const contents = job.kind === 'run' ? job.contents : {};
  const decided = { version: RESULT_VERSION, settings: settingsOf(job), contents };
  return createHash('sha256').update(canonical(decided)).digest('hex').slice(0, 32);
}

function settingsOf(job: Job): unknown {
  if (job.kind === 'attacks') return job;
  const { $schema: _schema, name: _name, ...settings } = job.scenario;
  return settings;
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
