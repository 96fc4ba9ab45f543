import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from './journal.js';
import { isFinal } from './outcome.js';
import type { Shard } from './shard.js';

const JOURNAL = /^journal(\.\d+-of-\d+)?\.ndjson$/u;

/** The file in which a sweep, or one shard of it, keeps what is finished. */
export function journalPath(folder: string, shard?: Shard): string {
  return join(folder, shard === undefined ? 'journal.ndjson' : `journal.${shard.part}-of-${shard.of}.ndjson`);
}

/** Journals of shards, and of whole sweeps, in a folder, by name. */
export function journalsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => JOURNAL.test(name))
    .toSorted()
    .map((name) => join(folder, name));
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
