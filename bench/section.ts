import type { Stopwatch } from './measure.js';

/** One line of a bench table. The keys contain the units, as everywhere. */
export type Row = Readonly<Record<string, string | number | null>>;

/** What a section gets from the bench that runs it. */
export interface BenchContext {
  /** Few repetitions: to check that everything runs; the figures are not reliable. */
  readonly quick: boolean;
  /** Times work, each repetition beside the floor: `timingColumns` gives the columns, ratio included. */
  readonly stopwatch: Stopwatch;
  /** Says on stderr what is being measured. */
  progress(text: string): void;
}

/** One topic of the bench: a file in bench/sections that exports one of these. */
export interface Section {
  /** As `npm run bench -- --only NAME` spells it, and the key in the JSON. */
  readonly name: string;
  readonly title: string;
  run(context: BenchContext): readonly Row[] | Promise<readonly Row[]>;
}
