import { type DocumentHead, jsonDocument } from '../report/json-document.js';
import type { DryRun } from './dry-run.js';
import type { Difference } from './report/differences.js';

/** What `sweep --json` and `sweep merge --json` print; scenarios/sweep-document.schema.json is made from this type. */
export interface SweepDocumentJson extends DocumentHead<'sweep' | 'sweep merge'> {
  readonly points: number;
  readonly runs: number;
  /** Runs that could not be done. */
  readonly failed: number;
  /** Seeds of each point. */
  readonly seeds: readonly number[];
  /** Paths of the files that were written. */
  readonly written: readonly string[];
}

/** What `sweep --dry-run --json` prints; scenarios/sweep-dry-run-document.schema.json is made from this type. */
export interface DryRunDocumentJson extends DocumentHead<'sweep --dry-run'>, Omit<DryRun, 'first'> {
  /** The first rows: the settings of their runs. */
  readonly first: readonly {
    readonly point: number;
    /** Value of each variable. */
    readonly values: readonly unknown[];
    readonly seed: number;
    /** Key of the run in the journal. */
    readonly key: string;
  }[];
}

/** What `sweep report --json` prints; scenarios/sweep-report-document.schema.json is made from this type. */
export interface SweepReportDocumentJson extends DocumentHead<'sweep report'> {
  /** The answer, a paragraph each. */
  readonly answer: readonly string[];
  readonly differences: readonly Difference[];
  /** Paths of the files that were written. */
  readonly written: readonly string[];
}

type Fields<Document> = Omit<Document, keyof DocumentHead<string>>;

/** A finished sweep as a JSON document. */
export function sweepDocument(
  command: SweepDocumentJson['command'],
  fields: Fields<SweepDocumentJson>,
): string {
  return jsonDocument(command, { ...fields });
}

/** A dry run as a JSON document. */
export function dryRunDocument({ first, ...counts }: DryRun): string {
  const rows = first.map(({ point, seed, key }) => ({
    point: point.index,
    values: point.values,
    seed,
    key,
  }));
  const fields: Fields<DryRunDocumentJson> = { ...counts, first: rows };
  return jsonDocument('sweep --dry-run', { ...fields });
}

/** The report of a sweep as a JSON document. */
export function sweepReportDocument(fields: Fields<SweepReportDocumentJson>): string {
  return jsonDocument('sweep report', { ...fields });
}
