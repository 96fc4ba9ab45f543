import * as hdr from 'hdr-histogram-js';

/** A latency distribution in nanoseconds, three digits of precision. */
export interface LatencySummary {
  readonly count: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
}

/** A point of a distribution: so many percent took at most so long. */
export interface LatencyPoint {
  readonly percent: number;
  readonly ns: number;
}

/** Where a curve is looked at: evenly at first, then where the tail is. */
const CURVE_PERCENTS = [
  0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97.5, 98, 99, 99.25, 99.5, 99.75, 99.9,
  99.95, 99.99, 100,
];

/** Records latencies, ns. */
export class LatencyRecorder {
  readonly #histogram = hdr.build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2 ** 40,
    numberOfSignificantValueDigits: 3,
    autoResize: true,
    useWebAssembly: false,
  });

  record(latencyNs: number): void {
    this.#histogram.recordValue(latencyNs);
  }

  /** Undefined when nothing was recorded. */
  summary(): LatencySummary | undefined {
    const histogram = this.#histogram;
    if (histogram.totalCount === 0) return undefined;
    return {
      count: histogram.totalCount,
      meanNs: Math.round(histogram.mean),
      p50Ns: this.#percentile(50),
      p99Ns: this.#percentile(99),
      p999Ns: this.#percentile(99.9),
      maxNs: histogram.maxValue,
    };
  }

  /** The whole distribution as a curve that never falls; empty when nothing was recorded. */
  curve(): LatencyPoint[] {
    if (this.#histogram.totalCount === 0) return [];
    return CURVE_PERCENTS.map((percent) => ({ percent, ns: this.#percentile(percent) }));
  }

  /** The histogram answers with the end of a bucket, which may lie beyond the largest value that it was given. */
  #percentile(percent: number): number {
    return Math.min(this.#histogram.getValueAtPercentile(percent), this.#histogram.maxValue);
  }
}
