import type { Metric } from '../report/metrics/metric.js';
import type { Spread } from '../report/metrics/spread.js';
import { mean, spreadOf } from '../sweep/statistics.js';
import { rounded, roundedSpread } from './rounded.js';

/**
 * One quantity of a run. A point of an experiment is what several seeds gave of each quantity of a table, under the
 * key that it has there; tables, plots and text follow from the same row.
 */
export interface Measure<Run> extends Omit<Metric<never>, 'id' | 'of'> {
  /** @param base the run with the same seed that this one is compared with */
  readonly of: (run: Run, base: Run) => number | undefined;
  /** Of the seeds only the mean is kept. */
  readonly mean?: true;
  /** There are runs that have none of it. */
  readonly optional?: true;
}

export type Measures<Run> = Readonly<Record<string, Measure<Run>>>;

/** What several seeds gave of a table of measures. */
export type PointOf<Table> = {
  readonly [Id in keyof Table as Table[Id] extends { readonly optional: true }
    ? never
    : Id]: Table[Id] extends {
    readonly mean: true;
  }
    ? number
    : Spread;
} & {
  readonly [Id in keyof Table as Table[Id] extends { readonly optional: true } ? Id : never]?: Spread;
};

/** Gathers what runs gave, one per seed. A measure that some run has nothing of is left out. */
export function gather<Run, Table extends Measures<Run>>(
  table: Table,
  runs: readonly Run[],
  bases: readonly Run[] = runs,
): PointOf<Table> {
  const entries = Object.entries<Measure<Run>>(table).flatMap(([id, measure]) => {
    const values = runs.flatMap((run, index) => measure.of(run, bases[index] ?? run) ?? []);
    if (values.length < runs.length || runs.length === 0) return [];
    return [[id, measure.mean === true ? rounded(mean(values)) : roundedSpread(spreadOf(values))] as const];
  });
  return Object.fromEntries(entries) as PointOf<Table>;
}

/** The measures as metrics of the points that were gathered. */
export function metricsOf<Run, Table extends Measures<Run>>(
  table: Table,
): { readonly [Id in keyof Table]: Metric<Partial<Record<keyof Table, number | Spread>>> } {
  const entries = Object.entries<Measure<Run>>(table).map(([id, { of: _of, ...about }]) => [
    id,
    { ...about, id, of: (point: Readonly<Record<string, number | Spread>>) => point[id] },
  ]);
  return Object.fromEntries(entries) as {
    readonly [Id in keyof Table]: Metric<Partial<Record<keyof Table, number | Spread>>>;
  };
}
