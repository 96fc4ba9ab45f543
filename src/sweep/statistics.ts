import { arctangent } from '../../guests/traffic/elementary-functions.js';
import { ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { Spread } from '../report/metrics/spread.js';

/** What several seeds gave for one number. */
export interface Estimate {
  readonly count: number;
  readonly mean: number;
  /** Half the width of the 95 % confidence interval of the mean (Student's t); undefined with fewer than two values. */
  readonly halfWidth: number | undefined;
  /** Standard deviation over the mean; undefined with fewer than two values or a mean of 0. */
  readonly coefficientOfVariation: number | undefined;
}

const CONFIDENCE = 0.95;

/** The sum over the number; 0 without values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Mean, least and most of what seeds gave. @param values one per seed, at least one */
export function spreadOf(values: readonly number[]): Spread {
  return { mean: mean(values), least: Math.min(...values), most: Math.max(...values) };
}

/** Mean, interval and variation of a sample. @param values at least one, finite */
export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  if (count === 0) throw new ParameterError('values is empty, expected at least one');
  // Welford's recurrence keeps the digits that a difference of sums of squares loses.
  let mean = 0;
  let squares = 0;
  for (const [index, value] of values.entries()) {
    const step = value - mean;
    mean += step / (index + 1);
    squares += step * (value - mean);
  }
  if (count < 2) return { count, mean, halfWidth: undefined, coefficientOfVariation: undefined };
  const deviation = Math.sqrt(squares / (count - 1));
  return {
    count,
    mean,
    halfWidth: (studentQuantile(count - 1, CONFIDENCE) * deviation) / Math.sqrt(count),
    coefficientOfVariation: mean === 0 ? undefined : deviation / Math.abs(mean),
  };
}

/**
 * The difference of two means with its 95 % interval: of pairs when both have the same seeds (common random numbers
 * cancel), by Welch's approximation otherwise. `larger than noise` when the interval does not hold 0.
 *
 * @param paired whether `one[i]` and `other[i]` come from the same seed
 */
export function difference(one: readonly number[], other: readonly number[], paired: boolean): Estimate {
  if (paired && one.length === other.length) {
    return estimate(one.map((value, index) => value - present(other[index])));
  }
  const [a, b] = [estimate(one), estimate(other)];
  const mean = a.mean - b.mean;
  const count = Math.min(a.count, b.count);
  if (count < 2) return { count, mean, halfWidth: undefined, coefficientOfVariation: undefined };
  const [varianceA, varianceB] = [squaredError(one, a.mean), squaredError(other, b.mean)];
  const variance = varianceA + varianceB;
  if (variance === 0) return { count, mean, halfWidth: 0, coefficientOfVariation: undefined };
  // Welch and Satterthwaite, with shares of the variance, which neither overflow nor vanish.
  const [shareA, shareB] = [varianceA / variance, varianceB / variance];
  const degrees = Math.max(
    1,
    Math.floor(1 / ((shareA * shareA) / (a.count - 1) + (shareB * shareB) / (b.count - 1))),
  );
  return {
    count,
    mean,
    halfWidth: studentQuantile(degrees, CONFIDENCE) * Math.sqrt(variance),
    coefficientOfVariation: undefined,
  };
}

/** Squared standard error of the mean. */
function squaredError(values: readonly number[], mean: number): number {
  const squares = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  return squares / (values.length - 1) / values.length;
}

/**
 * The value that |t| stays below with this probability, for Student's t with whole degrees of freedom, by bisection of
 * the distribution, which for whole degrees is a finite series (Abramowitz and Stegun, 26.7.3 and 26.7.4).
 */
export function studentQuantile(degrees: number, probability: number): number {
  if (!Number.isInteger(degrees) || degrees < 1) {
    throw new ParameterError(`degrees is ${degrees}, expected a whole number from 1`);
  }
  let [low, high] = [0, 1];
  while (centralProbability(high, degrees) < probability) high *= 2;
  for (let step = 0; step < 80; step += 1) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return high;
}

/** The probability that |t| is at least this, for Student's t: the p-value of a two-sided test. */
export function twoSidedProbability(t: number, degrees: number): number {
  if (!Number.isFinite(t)) return 0;
  return Math.max(0, 1 - centralProbability(Math.abs(t), degrees));
}

/**
 * p-values of several tests, corrected together (Holm, "A simple sequentially rejective multiple test procedure",
 * Scandinavian Journal of Statistics 6, 1979): those at most 5 % hold all together with an error of at most 5 %.
 */
export function holm(probabilities: readonly number[]): number[] {
  const corrected: number[] = Array.from({ length: probabilities.length }, () => 1);
  const order = [...probabilities.keys()].sort(
    (one, other) => (probabilities[one] ?? 1) - (probabilities[other] ?? 1),
  );
  let least = 0;
  for (const [rank, at] of order.entries()) {
    least = Math.max(least, Math.min(1, (order.length - rank) * (probabilities[at] ?? 1)));
    corrected[at] = least;
  }
  return corrected;
}

/** The probability that |t| is below `t`. */
function centralProbability(t: number, degrees: number): number {
  // Of the angle whose tangent is t over the root of the degrees: sine and cosine are quotients of roots.
  const square = degrees / (degrees + t * t);
  const sine = t / Math.sqrt(degrees + t * t);
  if (degrees % 2 === 0) {
    let [term, sum] = [1, 1];
    for (let power = 2; power <= degrees - 2; power += 2) {
      term *= (square * (power - 1)) / power;
      sum += term;
    }
    return sine * sum;
  }
  const angle = arctangent(t / Math.sqrt(degrees));
  if (degrees === 1) return (2 * angle) / Math.PI;
  const cosine = Math.sqrt(square);
  let [term, sum] = [cosine, cosine];
  for (let power = 3; power <= degrees - 2; power += 2) {
    term *= (square * (power - 1)) / power;
    sum += term;
  }
  return (2 / Math.PI) * (angle + sine * sum);
}
