import { present } from '../../../scheduler/present.js';
import { type Estimate, estimate, holm, twoSidedProbability } from '../statistics.js';
import type { Cell, MetricCells } from './cells.js';
import { type Dimension, labelOf } from './layout.js';

/** At most this chance that any difference of a metric is called larger than noise and is not. */
export const ERROR_PROBABILITY = 0.05;

/** What can be said of a difference. */
export type Verdict = 'larger' | 'smaller' | 'within noise' | 'equal' | 'untested';

/** Two values of a variable compared at one place of all others. */
export interface Difference {
  readonly metric: string;
  /** The place: values of the other variables. */
  readonly place: string;
  readonly one: string;
  readonly other: string;
  /** Of `one` less `other`, over the seeds that both have. */
  readonly estimate: Estimate;
  /** Mean of `other` over those seeds. */
  readonly base: number;
  /** Two-sided, of the paired t test; undefined with fewer than two common seeds. */
  readonly p: number | undefined;
  /** The same, corrected for all comparisons of the metric. */
  readonly corrected: number | undefined;
  readonly verdict: Verdict;
}

interface Untested extends Omit<Difference, 'corrected' | 'verdict'> {
  /** Whether both sides have the same value with every seed. */
  readonly isEqual: boolean;
}

/**
 * Compares lines with each other at each place; without lines, neighbours along the axis. Each is a paired t test over
 * the seeds that both sides have, since these share what is random; all of a metric are corrected together by Holm.
 */
export function differencesOf(
  { metric, lines, panels, cells }: MetricCells,
  along: Dimension | undefined,
): Difference[] {
  const pairs: Untested[] = [];
  for (const panel of panels) {
    const inside = cells.filter((cell) => cell.panel === panel);
    const overs = [...new Set(inside.map(({ over }) => over))].sort(
      (one, other) => (one ?? 0) - (other ?? 0),
    );
    if (lines.length > 1) {
      for (const over of overs) {
        const here = inside.filter((cell) => cell.over === over);
        const place = [panel, over === undefined ? '' : placeOf(along, over)]
          .filter((part) => part !== '')
          .join(', ');
        for (const [at, one] of here.entries()) {
          for (const other of here.slice(at + 1)) {
            pairs.push(compare(metric.name, place, one, other, other.line, one.line));
          }
        }
      }
      continue;
    }
    const ordered = inside.toSorted((one, other) => (one.over ?? 0) - (other.over ?? 0));
    for (const [at, one] of ordered.entries()) {
      const next = ordered[at + 1];
      if (next === undefined) continue;
      const label = ({ over }: Cell) => placeOf(along, over);
      pairs.push(compare(metric.name, panel, one, next, label(next), label(one)));
    }
  }
  const tested = pairs.filter(({ p }) => p !== undefined);
  const corrected = holm(tested.map(({ p }) => p ?? 1));
  const correctedOf = new Map(tested.map((pair, at) => [pair, corrected[at] ?? 1]));
  return pairs.map((pair) => {
    const { isEqual: _isEqual, ...difference } = pair;
    const corrected = correctedOf.get(pair);
    return { ...difference, corrected, verdict: verdictOf(pair, corrected) };
  });
}

function placeOf(along: Dimension | undefined, over: number | undefined): string {
  return along === undefined ? '' : `${along.name} ${labelOf(along, over)}`;
}

/** `later` less `earlier`: the first of the study is what the others are compared with. */
function compare(
  metric: string,
  place: string,
  earlier: Cell,
  later: Cell,
  one: string,
  other: string,
): Untested {
  const seeds = [...earlier.bySeed.keys()].filter((seed) => later.bySeed.has(seed));
  const bases = seeds.map((seed) => present(earlier.bySeed.get(seed)));
  const values = seeds.map((seed, at) => present(later.bySeed.get(seed)) - present(bases[at]));
  const names = { metric, place, one, other };
  if (seeds.length === 0) {
    const none = { count: 0, mean: Number.NaN, halfWidth: undefined, coefficientOfVariation: undefined };
    return { ...names, estimate: none, base: Number.NaN, p: undefined, isEqual: false };
  }
  const found = estimate(values);
  return {
    ...names,
    estimate: found,
    base: estimate(bases).mean,
    p: probabilityOf(values, found),
    isEqual: values.every((value) => value === 0),
  };
}

function probabilityOf(values: readonly number[], { count, mean }: Estimate): number | undefined {
  if (count < 2) return undefined;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  // The same difference with every seed: nothing random is in it.
  if (variance === 0) return mean === 0 ? 1 : 0;
  return twoSidedProbability(mean / Math.sqrt(variance / count), count - 1);
}

function verdictOf({ estimate: { mean }, p, isEqual }: Untested, corrected: number | undefined): Verdict {
  if (p === undefined || corrected === undefined) return 'untested';
  // A mean of 0 does not say it: differences of two seeds may cancel.
  if (isEqual) return 'equal';
  if (corrected > ERROR_PROBABILITY) return 'within noise';
  return mean > 0 ? 'larger' : 'smaller';
}
