import type { LetThrough } from '../attack/let-through.js';
import type { RunResult } from '../machine/run-result.js';
import type { Scenario } from '../scenario/schema.js';
import type { SeedStatistics } from './compare/seeds.js';
import { type DocumentHead, jsonDocument } from './json-document.js';
import { withoutPooledLatency } from './pooled-latency.js';

/** What one call of `compare` or `run` found. */
export interface RunDocument {
  readonly command: 'compare' | 'run';
  /** The command line that gives the same again. */
  readonly repeat: string;
  readonly seed: number;
  readonly scenario: Scenario;
  /** The scenario's file as the user named it. */
  readonly source: string;
  /** What the input was like where that matters: headers made up, packets left out, a tail cut off, changes that are never made. A sentence each. */
  readonly notes: readonly string[];
  readonly results: readonly RunResult[];
  /** What each approach lets through; only where attacks were played. */
  readonly attacks?: readonly LetThrough[];
  /** Mean, range and 95 % interval per figure; only where several seeds were run. */
  readonly statistics?: readonly SeedStatistics[];
}

/** What is printed of runs, by `compare`, `run` and `replay`. */
export interface RunFieldsJson {
  readonly repeat: string;
  readonly seed: number;
  /** The scenario with its defaults filled in, and `source`, its file; scenario.schema.json describes it. */
  readonly scenario: { readonly source: string; readonly guests: readonly unknown[] };
  readonly notes: readonly string[];
  /** One entry per approach and seed, the seeds of an approach one after the other. */
  readonly runs: readonly RunResult[];
}

/** The document as it is printed; scenarios/run-document.schema.json is made from this type. */
export interface RunDocumentJson extends DocumentHead<'compare' | 'run'>, RunFieldsJson {
  /** What each approach lets through; only where attacks were played. */
  readonly attacks?: readonly LetThrough[];
  /** Mean, range and 95 % interval per figure; only where several seeds were run. */
  readonly statistics?: readonly SeedStatistics[];
}

/**
 * The JSON document of a call; docs/scenarios.md explains its keys. Nothing in it depends on when or where the
 * call was made, so two of the same are equal byte for byte. Absent values are `null`.
 */
export function formatRunDocument(document: RunDocument): string {
  const { command, repeat, seed, scenario, source, notes, results, attacks, statistics } = document;
  return jsonDocument(command, {
    repeat,
    seed,
    scenario: { source, ...scenario },
    notes,
    runs: results.map((run) => withoutPooledLatency(run, scenario.guests)),
    ...(attacks === undefined ? {} : { attacks }),
    ...(statistics === undefined ? {} : { statistics }),
  });
}
