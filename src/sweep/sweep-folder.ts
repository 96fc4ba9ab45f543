import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from './journal.js';
import { isFinal } from './outcome.js';
import type { Shard } from './shard.js';
import { SweepError } from './sweep-error.js';

const JOURNAL = /^journal(\.\d+-of-\d+)?\.ndjson$/u;

/** The file in which a sweep, or one shard of it, keeps what is finished. */
export function journalPath(folder: string, shard?: Shard): string {
  return join(folder, shard === undefined ? 'journal.ndjson' : `journal.${shard.part}-of-${shard.of}.ndjson`);
}

/** Journals of shards, and of whole sweeps, in a folder, by name. */
export function journalsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => JOURNAL.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

/** Into how many shards a study was divided, by the names of its journals; undefined where they do not say one number. */
export function shardsOf(paths: readonly string[]): number | undefined {
  const counts = new Set(paths.flatMap((path) => /-of-(?<of>\d+)\.ndjson$/u.exec(path)?.groups?.of ?? []));
  const [only] = counts;
  return counts.size === 1 ? Number(only) : undefined;
}

/** @throws SweepError that names what is no folder */
export function requireFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new SweepError(`sweep merge: "${path}" is no folder, expected one with journals of a sweep`);
}

/** Tables that a sweep writes, whatever their format. */
const TABLE = /^(runs|guests|attacks|dictionary)\.(parquet|csv|ndjson)$/u;

/**
 * Refuses a folder that has files with the names of tables and no journal beside them: they are not of a sweep, and would
 * be written over.
 * @throws SweepError that names the file
 */
export function refuseForeignTables(folder: string): void {
  if (!existsSync(folder) || journalsIn(folder).length > 0) return;
  const foreign = readdirSync(folder).find((name) => TABLE.test(name));
  if (foreign === undefined) return;
  throw new SweepError(
    `--out is "${folder}", which has ${foreign} and no journal of a sweep, expected an empty folder or one of a sweep`,
  );
}

/** Takes over what other journals have and this one lacks; returns how many. */
export function mergeJournals(into: Journal, paths: readonly string[]): number {
  let taken = 0;
  for (const path of paths) {
    if (path === into.path) continue;
    const from = Journal.read(path);
    for (const key of from.keys()) {
      const outcome = from.outcome(key);
      if (into.has(key) || outcome === undefined) continue;
      if (!isFinal(outcome) && into.outcome(key) !== undefined) continue;
      into.add(key, outcome);
      taken += 1;
    }
    from.close();
  }
  return taken;
}
