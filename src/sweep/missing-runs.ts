import type { Journal } from './journal.js';
import type { Plan, PlannedRun } from './plan.js';
import { settingsText } from './plan.js';
import { SweepError } from './sweep-error.js';

/** More shards than these are not named one by one. */
const MOST_NAMED = 12;

/**
 * Requires every run of a study, and the attacks of each, in a journal.
 * @param shards number of parts that the study was run in, where that is known
 * @param remedy how to get the rest
 * @throws SweepError that says how many are missing, of which shards, and which is the first
 */
export function requireEveryRun(
  plan: Plan,
  journal: Journal,
  shards: number | undefined,
  remedy: string,
): void {
  let first: PlannedRun | undefined;
  let missing = 0;
  let all = 0;
  // Shards are dealt jobs, of which a run with attacks has two.
  let place = 0;
  const parts = new Set<number>();
  for (const run of plan.runs()) {
    all += 1;
    let isMissing = false;
    for (const job of [run, plan.attacksOf(run)]) {
      if (job === undefined) continue;
      if (journal.outcome(job.key) === undefined) {
        isMissing = true;
        if (shards !== undefined) parts.add((place % shards) + 1);
      }
      place += 1;
    }
    if (!isMissing) continue;
    missing += 1;
    first ??= run;
  }
  if (first === undefined) return;
  const settings = settingsText(plan.variables, first.point.values);
  const from = shards === undefined ? '' : ` (of ${shardNames(parts, shards)})`;
  throw new SweepError(
    `${plan.study.where}: ${missing} of ${all} runs are missing${from}, the first is ${settings}, seed = ${first.seed}; ` +
      `expected every run: ${remedy}`,
  );
}

function shardNames(parts: ReadonlySet<number>, of: number): string {
  const named = [...parts].toSorted((one, other) => one - other).slice(0, MOST_NAMED);
  const more = parts.size > named.length ? ` and ${parts.size - named.length} more` : '';
  return `${parts.size === 1 ? 'shard' : 'shards'} ${named.join(', ')}${more} of ${of}`;
}
