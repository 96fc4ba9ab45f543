import { MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import { SerialLine } from '../../scheduler/serial-line.js';
import type { Durations } from './durations.js';
import { naturalLog } from './elementary-functions.js';
import type { RandomStream } from './random-stream.js';
import { checkWhole } from './traffic-source.js';

/**
 * When the frames of a source are sent. Times are whole ns of virtual time and never go back.
 *
 * Rates are `wireRateBps`: what the frames occupy of the wire, with padding, FCS, preamble and inter-frame gap.
 * It is what contexts compete for, and a source of 300 Mb/s takes 30 % of a 1 Gb/s wire whatever its sizes.
 */
export interface Arrivals {
  /** Starts, for the first time or again after a stop: time of the first frame, `fromNs` or later. */
  start(fromNs: number): number;
  /** Time of the frame behind one that occupies `wireBytes`; infinite when there will be none. */
  next(wireBytes: number): number;
}

const MAX_RATE_BPS = 1e13;

/** @throws TrafficError unless it is a rate that a `SerialLine` can have. */
export function checkRate(name: string, field: string, rateBps: number): number {
  return checkWhole(name, field, rateBps, 1, MAX_RATE_BPS);
}

/**
 * Back to back at a constant rate: frame n is sent when a line of that rate would have carried the frames
 * before it, to the nanosecond (rounded up), for ever: nothing is lost to rounding.
 */
export function constantArrivals(name: string, wireRateBps: number): Arrivals {
  const line = new SerialLine(checkRate(name, 'wireRateBps', wireRateBps));
  return {
    start: (fromNs) => line.carry(0, fromNs),
    next: (wireBytes) => line.carry(wireBytes, 0),
  };
}

/**
 * Poisson: independent gaps with an exponential distribution. The rate is that of the mean frame, and the gaps
 * do not look at the sizes, so a gap may be shorter than the frame before it; the driver's queue evens that out.
 */
export function poissonArrivals(
  name: string,
  wireRateBps: number,
  meanWireBytes: number,
  random: RandomStream,
): Arrivals {
  checkRate(name, 'wireRateBps', wireRateBps);
  const meanGapNs = (meanWireBytes * 8e9) / wireRateBps;
  // Kept with its fraction, so that rounding does not slow the process down.
  let atNs = 0;
  const next = () => {
    atNs -= meanGapNs * naturalLog(random.unit());
    return Math.ceil(atNs);
  };
  return {
    start: (fromNs) => {
      atNs = Math.max(atNs, fromNs);
      return next();
    },
    next,
  };
}

/** Parameters of an on/off source. */
export interface OnOff {
  /** Rate within a burst. */
  readonly peakWireRateBps: number;
  readonly on: Durations;
  readonly off: Durations;
}

/**
 * Bursts at a constant peak rate, with silence between them; starts with a burst.
 *
 * A clock of its own runs only within bursts and sends at the peak rate by it. What a burst's end cuts off is
 * sent when the next one starts, so the mean rate is exactly peak x on / (on + off), whatever the frame sizes.
 */
export function onOffArrivals(name: string, { peakWireRateBps, on, off }: OnOff): Arrivals {
  const line = new SerialLine(checkRate(name, 'peakWireRateBps', peakWireRateBps));
  let silenceNs = Number.NEGATIVE_INFINITY;
  let burstEndNs = 0;
  const real = (onClockNs: number) => {
    while (onClockNs >= burstEndNs && silenceNs <= MAX_TIME_NS) {
      silenceNs += off.next();
      // A burst of no length would never end the search for the next one.
      burstEndNs += Math.max(1, on.next());
    }
    return onClockNs + silenceNs;
  };
  return {
    start: (fromNs) => {
      const onClockNs = line.freeAtNs;
      if (fromNs - onClockNs > silenceNs) {
        silenceNs = fromNs - onClockNs;
        burstEndNs = onClockNs + Math.max(1, on.next());
      }
      return real(onClockNs);
    },
    next: (wireBytes) => real(line.carry(wireBytes, 0)),
  };
}
