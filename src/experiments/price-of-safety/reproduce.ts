import type { CheckedStatement } from '../checked-statement.js';
import type { ComparedFigure } from '../reference-figure.js';
import { BALLOON_APPROACHES, type BalloonPoint } from './balloon.js';
import { SETTINGS } from './bench.js';
import { type BesideFigure, besideOurs, priceFigures, priceStatements } from './findings.js';
import {
  approachesOf,
  LOADS,
  type LoadPoint,
  type MeasuredPrice,
  type PricePoint,
  pricePoints,
  SEEDS,
} from './measure.js';

export interface PriceOfSafetyResult {
  readonly experiment: 'price-of-safety';
  readonly seed: number;
  readonly seeds: number;
  readonly points: readonly PricePoint[];
  readonly loads: readonly LoadPoint[];
  readonly balloon: readonly BalloonPoint[];
  readonly figures: readonly ComparedFigure[];
  readonly beside: readonly BesideFigure[];
  readonly statements: readonly CheckedStatement[];
}

/** What `measurePrice` is asked for. */
export function priceTasks(seed: number) {
  return SETTINGS.flatMap((setting) =>
    approachesOf(setting).map((approach) => ({ setting, approach, seed })),
  );
}

/** What `measureLoad` is asked for. */
export function loadTasks(seed: number) {
  return LOADS.map((framesPerSecond) => ({ framesPerSecond, seed }));
}

/** What `measureBalloon` is asked for. */
export function balloonTasks(seed: number) {
  return BALLOON_APPROACHES.map((approach) => ({ approach, seed, seeds: SEEDS }));
}

/** Puts together what came of all. */
export function priceOfSafetyResult(
  seed: number,
  measured: readonly MeasuredPrice[],
  loads: readonly (readonly LoadPoint[])[],
  balloon: readonly BalloonPoint[],
): PriceOfSafetyResult {
  const points = pricePoints(measured);
  return {
    experiment: 'price-of-safety',
    seed,
    seeds: SEEDS,
    points,
    loads: loads.flat(),
    balloon,
    figures: priceFigures(measured),
    beside: besideOurs(points),
    statements: priceStatements(points, balloon),
  };
}
