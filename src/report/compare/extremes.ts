import type { RunResult } from '../../machine/run-result.js';

/** A run by the name of its approach, and what was looked for. */
interface Extreme {
  readonly name: string;
  readonly value: number;
}

/** The runs with the least and the most of something. */
export function extremes(
  runs: readonly RunResult[],
  of: (run: RunResult) => number,
): { readonly least: Extreme; readonly most: Extreme } {
  const values = runs.map((run) => ({ name: run.protection, value: of(run) }));
  const sorted = values.toSorted((one, other) => one.value - other.value);
  const none = { name: '-', value: 0 };
  return { least: sorted[0] ?? none, most: sorted.at(-1) ?? none };
}
