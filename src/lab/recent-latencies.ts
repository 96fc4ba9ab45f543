import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';

/** What is shown before the first frame. */
export const NO_LATENCIES = { p50Ns: 0, p99Ns: 0 } as const;

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

  /** Median and 99th percentile of the last frames, ns; undefined before the first. */
  of(key: Key): { readonly p50Ns: number; readonly p99Ns: number } | undefined {
    const number: number = key;
    const ring = this.#rings[number];
    if (ring === undefined) return undefined;
    const count = Math.min(KEPT, present(this.#counts[number]));
    const sorted = ring.slice(0, count).sort();
    const at = (share: number) => present(sorted[Math.min(count - 1, Math.floor(count * share))]);
    return { p50Ns: at(0.5), p99Ns: at(0.99) };
  }
}
