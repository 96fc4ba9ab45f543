import type { KeyedJob } from './executor.js';
import { SweepError } from './sweep-error.js';

/** One of several parts of a study that are run apart, from 1 to `of`. */
export interface Shard {
  readonly part: number;
  readonly of: number;
}

/** Reads `17/256`. @throws SweepError */
export function parseShard(text: string): Shard {
  const match = /^(?<part>\d{1,6})\/(?<of>\d{1,6})$/u.exec(text);
  const [part, of] = [Number(match?.groups?.part), Number(match?.groups?.of)];
  if (match === null || part < 1 || part > of) {
    throw new SweepError(
      `--shard is "${text}", expected PART/PARTS with PART from 1 to PARTS, such as 17/256`,
    );
  }
  return { part, of };
}

/** How many of so many jobs a part has. */
export function jobCountOf({ part, of }: Shard, jobs: number): number {
  return jobs < part ? 0 : Math.floor((jobs - part) / of) + 1;
}

/** Every `of`-th job, so that slow points are shared out. */
export function* jobsOfShard(jobs: Iterable<KeyedJob>, { part, of }: Shard): Generator<KeyedJob> {
  let at = 0;
  for (const job of jobs) {
    at += 1;
    if (at % of === part % of) yield job;
  }
}
