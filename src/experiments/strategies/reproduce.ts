import type { CheckedStatement } from '../checked-statement.js';
import type { ComparedFigure } from '../reference-figure.js';
import { strategyFigures, strategyStatements } from './findings.js';
import {
  APPROACHES,
  type MeasuredStrategy,
  PERCENTS,
  SEEDS,
  type StrategyPoint,
  strategyPoints,
} from './measure.js';
import { WORKLOADS } from './workloads.js';

export interface StrategiesResult {
  readonly experiment: 'strategies';
  readonly seed: number;
  readonly seeds: number;
  /** What each point's `latency_us` are percentiles at. */
  readonly percents: readonly number[];
  readonly points: readonly StrategyPoint[];
  readonly figures: readonly ComparedFigure[];
  readonly statements: readonly CheckedStatement[];
}

/** What `measureStrategy` is asked for. */
export function strategyTasks(seed: number) {
  return WORKLOADS.flatMap(({ name }) => APPROACHES.map((approach) => ({ workload: name, approach, seed })));
}

/** Puts together what came of it. */
export function strategiesResult(seed: number, measured: readonly MeasuredStrategy[]): StrategiesResult {
  const points = strategyPoints(measured);
  return {
    experiment: 'strategies',
    seed,
    seeds: SEEDS,
    percents: PERCENTS,
    points,
    figures: strategyFigures(measured),
    statements: strategyStatements(points),
  };
}
