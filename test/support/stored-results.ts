import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPROACHES } from '../../host/protection/approaches.js';
import { simulate } from '../../src/simulate.js';

/** What a run came to: its fingerprint, and a hash of everything else that it reports. */
export interface StoredResult {
  readonly fingerprint: string;
  readonly result: string;
}

/** Stored results by scenario, then by `approach discipline`. */
export type StoredTable = Readonly<Record<string, Readonly<Record<string, StoredResult>>>>;

const root = fileURLToPath(new URL('../..', import.meta.url));
const tablePath = join(root, 'test/fixtures/stored-results.json');

/** Scenarios of the table, each with the virtual time that is run of it. */
export const STORED_SCENARIOS: readonly { readonly path: string; readonly durationNs: number }[] = [
  { path: 'scenarios/four-guests.json', durationNs: 6_000_000 },
  { path: 'scenarios/reclaim.json', durationNs: 3_000_000 },
  { path: 'examples/scenarios/imix-and-requests.ts', durationNs: 3_000_000 },
  { path: 'test/fixtures/scenarios/switched.json', durationNs: 3_000_000 },
  { path: 'test/fixtures/scenarios/small-and-jumbo.json', durationNs: 1_500_000 },
  { path: 'test/fixtures/scenarios/amdvi.json', durationNs: 2_000_000 },
];

/** One discipline of each family: rounds, exact time stamps, and two levels under a limit. */
export const STORED_DISCIPLINES = ['drr', 'wf2q+', 'limited:sfq'] as const;

export const STORED_APPROACHES: readonly string[] = APPROACHES.map(({ name }) => name);

export function readStoredTable(): StoredTable {
  return JSON.parse(readFileSync(tablePath, 'utf8')) as StoredTable;
}

export const storedTablePath = tablePath;
export const modelRecordPath: string = join(root, 'test/fixtures/model-version.json');

/** What goes with the stored table, so that neither changes without the other. */
export interface ModelRecord {
  /** The model version that the table is of, and a digest of the table. */
  readonly version: number;
  readonly digest: string;
  /** Why reports of that version have moved whose fingerprints have not: all that happened is the same, and told otherwise. */
  readonly reports: readonly string[];
}

export function readModelRecord(): ModelRecord {
  return JSON.parse(readFileSync(modelRecordPath, 'utf8')) as ModelRecord;
}

export function digestOf(table: StoredTable): string {
  return createHash('sha256').update(JSON.stringify(table)).digest('hex').slice(0, 16);
}

/** Runs one row of the table. */
export async function runStored(
  path: string,
  approach: string,
  discipline: string,
  durationNs: number,
): Promise<StoredResult> {
  const result = await simulate(join(root, path), {
    protection: approach,
    discipline,
    warmUpNs: 0,
    durationNs,
  });
  return { fingerprint: result.fingerprint, result: hashOf(result) };
}

/**
 * A hash that no renaming changes: of an object only the sorted values count, not its keys, and of the values
 * only numbers, truth values and what holds them; words are left out, and so is a list of nothing but words.
 */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(normalised(value)).digest('hex').slice(0, 16);
}

function normalised(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(normalised).join()}]`;
  if (value !== null && typeof value === 'object') {
    const values = Object.values(value).filter((one) => !isListOfWords(one));
    return `{${values.map(normalised).toSorted().join()}}`;
  }
  return '';
}

function isListOfWords(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
}
