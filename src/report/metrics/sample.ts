import { estimate } from '../../sweep/statistics.js';
import { type Metric, metricText } from './metric.js';

/** What several seeds gave for one number, in the unit of its metric. */
export interface SampleStatistics {
  /** Runs that have a value. */
  readonly count: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  /** Half the width of the 95 % confidence interval of the mean (Student's t); `null` with fewer than two values. */
  readonly halfWidth95: number | null;
}

/** A metric over subjects of one kind, one per seed; undefined where none has a value. */
export function sampleOf<Subject>(
  metric: Metric<Subject>,
  subjects: readonly Subject[],
): SampleStatistics | undefined {
  const values = subjects.flatMap((subject) => {
    const value = metric.of(subject);
    const number = typeof value === 'number' ? value : value?.mean;
    return number === undefined || !Number.isFinite(number) ? [] : [number];
  });
  if (values.length === 0) return undefined;
  const { count, mean, halfWidth } = estimate(values);
  return {
    count,
    mean,
    least: Math.min(...values),
    most: Math.max(...values),
    halfWidth95: halfWidth ?? null,
  };
}

/** The same as text, in the unit in which the metric is shown: mean, interval, range. */
export interface SampleText {
  readonly mean: string;
  readonly interval: string;
  readonly range: string;
}

export function sampleText<Subject>(metric: Metric<Subject>, subjects: readonly Subject[]): SampleText {
  const sample = sampleOf(metric, subjects);
  if (sample === undefined) return { mean: '-', interval: '-', range: '-' };
  const text = (value: number) => metricText({ ...metric, of: () => value, isOfFew: undefined }, undefined);
  const { mean, least, most, halfWidth95 } = sample;
  const [low, high] = [text(least), text(most)];
  return {
    mean: text(mean),
    interval: halfWidth95 === null ? '-' : `±${text(halfWidth95)}`,
    range: low === high ? low : `${low} to ${high}`,
  };
}
