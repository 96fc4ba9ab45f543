import { MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import { exponential, naturalLog } from './elementary-functions.js';
import type { RandomStream } from './random-stream.js';
import { checkWhole, TrafficError } from './traffic-source.js';

/** Lengths of time, drawn one after the other: how long a burst lasts, how long a client thinks. Whole ns. */
export interface Durations {
  /** The next duration, ns: a whole number from 0 to `MAX_TIME_NS`. */
  next(): number;
}

/** Constant. */
export function fixedDurations(name: string, durationNs: number): Durations {
  checkWhole(name, 'durationNs', durationNs, 0, MAX_TIME_NS);
  return { next: () => durationNs };
}

/** Memoryless, with the given mean: -mean ln U. */
export function exponentialDurations(name: string, meanNs: number, random: RandomStream): Durations {
  checkWhole(name, 'meanNs', meanNs, 0, MAX_TIME_NS);
  return { next: () => wholeNs(-meanNs * naturalLog(random.unit())) };
}

/**
 * Heavy-tailed, with the given mean: Pareto of the given shape, scale U^(-1/shape). Below a shape of 2 the
 * variance is infinite; sums of on/off sources with such durations are self-similar (Willinger, Taqqu,
 * Sherman, Wilson, "Self-similarity through high-variability", IEEE/ACM ToN 5(1), 1997, section II).
 *
 * @param shape above 1, or there would be no mean.
 */
export function paretoDurations(
  name: string,
  meanNs: number,
  shape: number,
  random: RandomStream,
): Durations {
  checkWhole(name, 'meanNs', meanNs, 0, MAX_TIME_NS);
  if (!(shape > 1 && shape <= 100))
    throw new TrafficError(name, 'shape', shape, 'a number above 1, up to 100');
  const scaleNs = (meanNs * (shape - 1)) / shape;
  return { next: () => wholeNs(scaleNs * exponential(-naturalLog(random.unit()) / shape)) };
}

function wholeNs(ns: number): number {
  return Math.min(Math.round(ns), MAX_TIME_NS);
}
