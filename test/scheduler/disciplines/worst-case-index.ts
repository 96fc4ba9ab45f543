import type { Guarantee } from './random-link.js';

/**
 * The worst-case fair index of J. Bennett and H. Zhang: over every interval in which context i is backlogged
 * throughout and which ends with a frame of i (that frame counted), i receives at least w_i/W of the bytes that
 * the link carries, minus alpha_i. An interval may begin at any instant of that time; a frame counts in full at
 * the instant at which it is granted. Under another definition (bits as they leave, any end) the published
 * alpha does not hold, so the choice is part of the test.
 */
export class WorstCaseIndex implements Guarantee {
  checks = 0;
  largestRatio = 0;
  readonly #weights: readonly number[];
  readonly #sum: number;
  readonly #alpha: (context: number, largestOfContext: number, largestOfAll: number) => number;
  readonly #served: number[];
  readonly #largest: number[];
  /** Least of w_i * S - W * S_i since i became backlogged. */
  readonly #least: number[];
  readonly #backlogged = new Set<number>();
  #total = 0;

  constructor(
    weights: readonly number[],
    alpha: (context: number, largestOfContext: number, largestOfAll: number) => number,
  ) {
    this.#weights = weights;
    this.#sum = weights.reduce((sum, weight) => sum + weight, 0);
    this.#alpha = alpha;
    this.#served = weights.map(() => 0);
    this.#largest = weights.map(() => 0);
    this.#least = weights.map(() => 0);
  }

  arrived(context: number, bytes: number, first: boolean): void {
    this.#largest[context] = Math.max(this.#largest[context] ?? 0, bytes);
    if (!first) return;
    this.#backlogged.add(context);
    this.#least[context] = this.#lag(context);
  }

  granted(context: number, bytes: number, more: boolean): void {
    this.#total += bytes;
    this.#served[context] = (this.#served[context] ?? 0) + bytes;
    const lag = this.#lag(context);
    const alpha = this.#alpha(context, this.#largest[context] ?? 0, Math.max(...this.#largest)) * this.#sum;
    const missing = lag - (this.#least[context] ?? 0);
    this.checks += 1;
    this.largestRatio = Math.max(this.largestRatio, missing / alpha);
    if (missing > alpha * (1 + 1e-9)) {
      throw new Error(
        `context ${context} lacks ${missing / this.#sum} bytes of its share, the bound is ${alpha / this.#sum}`,
      );
    }
    for (const other of this.#backlogged)
      this.#least[other] = Math.min(this.#least[other] ?? 0, this.#lag(other));
    if (!more) this.#backlogged.delete(context);
  }

  #lag(context: number): number {
    return (this.#weights[context] ?? 0) * this.#total - this.#sum * (this.#served[context] ?? 0);
  }
}
