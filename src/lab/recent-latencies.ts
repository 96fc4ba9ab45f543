import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';

/** Percentiles that are told. */
export const PERCENTILES = ['p50', 'p90', 'p99'] as const;
export type Percentile = (typeof PERCENTILES)[number];
/** Latency at each percentile, ns. */
export type Latencies = Readonly<Record<Percentile, number>>;

/** Latencies kept per context: what a percentile of the last moments is taken of. */
const KEPT = 512;

/**
 * The last latencies of each context, or of whatever else has a small number, for percentiles that move with the run.
 * Nothing of a result is taken from here.
 */
export class RecentLatencies<Key extends number = ContextId> {
  readonly #rings: (Float64Array | undefined)[] = [];
  readonly #counts: number[] = [];

  /** @param latencyNs from the driver to the last bit on the wire, ns */
  record(key: Key, latencyNs: number): void {
    const number: number = key;
    let ring = this.#rings[number];
    if (ring === undefined) {
      ring = new Float64Array(KEPT);
      this.#rings[number] = ring;
      this.#counts[number] = 0;
    }
    const count = present(this.#counts[number]);
    ring[count % KEPT] = latencyNs;
    this.#counts[number] = count + 1;
  }

  /** Percentiles of the last frames; undefined before the first. */
  of(key: Key): Latencies | undefined {
    const number: number = key;
    const ring = this.#rings[number];
    if (ring === undefined) return undefined;
    const count = Math.min(KEPT, present(this.#counts[number]));
    const sorted = ring.slice(0, count).sort();
    const at = (share: number) => present(sorted[Math.min(count - 1, Math.floor(count * share))]);
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
  }
}
