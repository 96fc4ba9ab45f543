import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';

/** Pairs are measured among the first so many contexts; n contexts have n(n-1)/2 pairs. */
export const MEASURED_CONTEXTS = 64;

/**
 * How far the normalised service of each pair of contexts has drifted apart while both were backlogged. The gap over any
 * interval is the distance between the highest and lowest value that the difference has had, so one number per pair is
 * kept up and no interval is missed.
 */
export class PairGaps {
  readonly #backlogged = new Uint8Array(MEASURED_CONTEXTS);
  // For i < j: the difference of normalised service since both became backlogged, and its extremes.
  readonly #difference = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #low = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #high = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #gap = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #seen: readonly ContextId[];

  /** @param seen the contexts that take part, a list that may grow. */
  constructor(seen: readonly ContextId[]) {
    this.#seen = seen;
  }

  isBacklogged(context: ContextId): boolean {
    return this.#backlogged[context] === 1;
  }

  /** A context has become backlogged: the intervals of its pairs begin. */
  begin(context: ContextId): void {
    if (this.#backlogged[context] === 1) return;
    this.#backlogged[context] = 1;
    for (const other of this.#seen) {
      if (other === context || this.#backlogged[other] === 0) continue;
      const pair = pairOf(context, other);
      this.#difference[pair] = 0;
      this.#low[pair] = 0;
      this.#high[pair] = 0;
    }
  }

  /** A context is backlogged no longer: the intervals of its pairs end. */
  end(context: ContextId): void {
    this.#backlogged[context] = 0;
  }

  /** A context was granted so many bytes per unit of its weight. */
  count(context: ContextId, step: number): void {
    const seen = this.#seen;
    for (let index = 0; index < seen.length; index += 1) {
      const other = present(seen[index]);
      if (other === context || this.#backlogged[other] === 0) continue;
      const pair = pairOf(context, other);
      const value = present(this.#difference[pair]) + (context < other ? step : -step);
      this.#difference[pair] = value;
      if (value > present(this.#high[pair])) this.#high[pair] = value;
      if (value < present(this.#low[pair])) this.#low[pair] = value;
      const gap = present(this.#high[pair]) - present(this.#low[pair]);
      if (gap > present(this.#gap[pair])) this.#gap[pair] = gap;
    }
  }

  /** The largest gap of a pair so far. */
  gap(one: ContextId, other: ContextId): number {
    return present(this.#gap[pairOf(one, other)]);
  }

  /** Forgets the largest gap of a pair. */
  clear(one: ContextId, other: ContextId): void {
    this.#gap[pairOf(one, other)] = 0;
  }

  /** Forgets what was measured: intervals begin now. Contexts that are backlogged stay so. */
  restart(): void {
    this.#difference.fill(0);
    this.#low.fill(0);
    this.#high.fill(0);
    this.#gap.fill(0);
  }
}

function pairOf(one: ContextId, other: ContextId): number {
  return one < other ? one * MEASURED_CONTEXTS + other : other * MEASURED_CONTEXTS + one;
}
