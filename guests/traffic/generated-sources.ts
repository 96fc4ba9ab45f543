import { type EventKernel, MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import { type Arrivals, checkRate, constantArrivals, onOffArrivals, poissonArrivals } from './arrivals.js';
import { BorrowedFrame } from './borrowed-frame.js';
import { type Durations, exponentialDurations, fixedDurations, paretoDurations } from './durations.js';
import type { FrameIdentity } from './frame-pattern.js';
import { type FrameSizes, IMIX, mixedSizes, wireBytes } from './frame-sizes.js';
import { FrameStream } from './frame-stream.js';
import { RandomStream } from './random-stream.js';
import { type FrameScore, TimedSource } from './timed-source.js';
import { checkWhole, type PullSource } from './traffic-source.js';

const MAX_BURSTS_A_FRAME = 1000;

/** Options common to all generated sources. */
export interface StreamOptions extends FrameIdentity {
  readonly kernel: EventKernel;
  /** Its own: sizes have a state. */
  readonly sizes: FrameSizes;
  /** Virtual time of the start, ns, if that is later than the subscription. Default 0. */
  readonly startNs?: number;
  /** Virtual time from which on nothing is sent. Default: no end. */
  readonly endNs?: number;
  /** How many frames are sent at most. Default: no limit. */
  readonly frameLimit?: number;
}

/** Frames back to back at `wireRateBps` (see `Arrivals` for what a rate counts). */
export function constantRate(options: StreamOptions & { readonly wireRateBps: number }): TimedSource {
  return generated(options, constantArrivals(options.name, options.wireRateBps));
}

/** Constant rate, with the sizes of the Internet mix. */
export function imix(
  options: Omit<StreamOptions, 'sizes'> & { readonly wireRateBps: number; readonly seed: number },
): TimedSource {
  return constantRate({ ...options, sizes: mixedSizes(options.name, IMIX, options.seed) });
}

/** Frames at independent, exponentially distributed gaps. */
export function poisson(
  options: StreamOptions & { readonly wireRateBps: number; readonly seed: number },
): TimedSource {
  const { name, wireRateBps, sizes, seed } = options;
  return generated(options, poissonArrivals(name, wireRateBps, sizes.meanWireBytes, new RandomStream(seed)));
}

/** What the on/off sources share. The mean rate is peakWireRateBps x meanOnNs / (meanOnNs + meanOffNs). */
export interface BurstOptions extends StreamOptions {
  readonly peakWireRateBps: number;
  /** Mean length of a burst, ns, at least a thousandth of what the longest frame takes at the peak rate. */
  readonly meanOnNs: number;
  /** Mean silence between two, ns. */
  readonly meanOffNs: number;
}

/** Bursts and silences that are all alike (`fixed`) or memoryless (`exponential`, which takes the seed). */
export function onOff(
  options: BurstOptions & { readonly lengths: 'fixed' | 'exponential'; readonly seed: number },
): TimedSource {
  const { name, lengths, seed } = options;
  const random = new RandomStream(seed);
  return bursts(options, (meanNs) =>
    lengths === 'fixed' ? fixedDurations(name, meanNs) : exponentialDurations(name, meanNs, random),
  );
}

/**
 * Bursts and silences with Pareto lengths. With a shape below 2, traffic of many such sources is bursty on every
 * time scale, as real networks' is (see `paretoDurations`).
 */
export function heavyTailed(
  options: BurstOptions & { readonly shape: number; readonly seed: number },
): TimedSource {
  const { name, shape, seed } = options;
  const random = new RandomStream(seed);
  return bursts(options, (meanNs) => paretoDurations(name, meanNs, shape, random));
}

/** As many frames as are asked for: a guest that would use the whole link. */
export function greedy(options: Omit<StreamOptions, 'kernel' | 'startNs' | 'endNs'>): PullSource {
  return new GreedySource(options);
}

/** Frames of a stream as they are asked for. */
class GreedySource implements PullSource {
  readonly kind = 'pull' as const;
  readonly name: string;
  readonly #stream: FrameStream;
  readonly #limit: number | undefined;
  readonly #loan: BorrowedFrame;

  constructor(options: Omit<StreamOptions, 'kernel' | 'startNs' | 'endNs'>) {
    this.name = options.name;
    this.#stream = new FrameStream(options, options.sizes);
    this.#limit = options.frameLimit === undefined ? undefined : checkLimit(options);
    this.#loan = new BorrowedFrame(options.name);
  }

  pull(): BorrowedFrame | undefined {
    if (this.#limit !== undefined && this.#stream.sequence >= this.#limit) return undefined;
    return this.#loan.lend(this.#stream.next());
  }
}

function bursts(options: BurstOptions, lengths: (meanNs: number) => Durations): TimedSource {
  const { name, peakWireRateBps, meanOnNs, meanOffNs } = options;
  checkRate(name, 'peakWireRateBps', peakWireRateBps);
  // A frame that spans very many bursts would take as many draws.
  const leastOnNs = Math.ceil(
    (wireBytes(options.sizes.maxBytes) * 8e9) / peakWireRateBps / MAX_BURSTS_A_FRAME,
  );
  checkWhole(name, 'meanOnNs', meanOnNs, leastOnNs, MAX_TIME_NS);
  checkWhole(name, 'meanOffNs', meanOffNs, 0, MAX_TIME_NS);
  const [on, off] = [lengths(meanOnNs), lengths(meanOffNs)];
  return generated(options, onOffArrivals(name, { peakWireRateBps, on, off }));
}

function generated(options: StreamOptions, arrivals: Arrivals): TimedSource {
  const { name, kernel, startNs = 0, endNs = MAX_TIME_NS } = options;
  checkWhole(name, 'startNs', startNs, 0, MAX_TIME_NS);
  checkWhole(name, 'endNs', endNs, 0, MAX_TIME_NS);
  const stream = new FrameStream(options, options.sizes);
  return new TimedSource(
    name,
    kernel,
    new GeneratedScore(stream, arrivals, endNs, checkLimit(options)),
    startNs,
  );
}

function checkLimit({ name, frameLimit }: { readonly name: string; readonly frameLimit?: number }): number {
  if (frameLimit === undefined) return Number.POSITIVE_INFINITY;
  return checkWhole(name, 'frameLimit', frameLimit, 0, Number.MAX_SAFE_INTEGER);
}

/** Frames of a stream at the times of an arrival process. Started again, it goes on with its numbers. */
class GeneratedScore implements FrameScore {
  readonly #stream: FrameStream;
  readonly #arrivals: Arrivals;
  readonly #endNs: number;
  readonly #limit: number;
  #lastWireBytes = 0;

  constructor(stream: FrameStream, arrivals: Arrivals, endNs: number, limit: number) {
    this.#stream = stream;
    this.#arrivals = arrivals;
    this.#endNs = endNs;
    this.#limit = limit;
  }

  start(fromNs: number): number {
    return this.#within(this.#arrivals.start(fromNs));
  }

  take(): Uint8Array {
    const frame = this.#stream.next();
    this.#lastWireBytes = wireBytes(frame.length);
    return frame;
  }

  nextNs(): number {
    return this.#within(this.#arrivals.next(this.#lastWireBytes));
  }

  #within(timeNs: number): number {
    return timeNs < this.#endNs && this.#stream.sequence < this.#limit ? timeNs : Number.POSITIVE_INFINITY;
  }
}
