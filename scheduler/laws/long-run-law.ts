import type { ContextId } from '../branded.js';
import type { Share } from '../discipline.js';
import type { Breaker } from './backlog-accounts.js';
import type { LinkWatcher } from './virtual-link.js';

interface Account {
  readonly weight: number;
  bytes: number;
  backlogged: boolean;
}

/**
 * Long-run shares follow weights: over a long interval in which the same contexts are backlogged throughout,
 * |S_i/S_j - w_i/w_j| <= tolerance * w_i/w_j. It does not depend on the bound that a discipline states, so it detects a
 * bound that is too wide to say anything. It holds whenever `until` is called.
 */
export class LongRunLaw implements LinkWatcher {
  readonly #tolerance: number;
  readonly #broken: Breaker;
  readonly #accounts = new Map<number, Account>();
  #frames = 0;

  constructor(tolerance: number, broken: Breaker) {
    this.#tolerance = tolerance;
    this.#broken = broken;
  }

  joined(context: ContextId, share: Share): void {
    this.#accounts.set(context, { weight: share.weight, bytes: 0, backlogged: false });
    this.#restart();
  }

  left(context: ContextId): void {
    this.#accounts.delete(context);
    this.#restart();
  }

  arrived(context: ContextId, _bytes: number, first: boolean): void {
    if (first) this.#change(context, true);
  }

  granted(context: ContextId, bytes: number, more: boolean): void {
    const account = this.#accounts.get(context);
    if (account === undefined) return;
    account.bytes += bytes;
    this.#frames += 1;
    if (!more) this.#change(context, false);
  }

  withdrawn(context: ContextId): void {
    this.#change(context, false);
  }

  /** Judges the interval that ends now, if `frames` were granted in it. Returns the number of comparisons. */
  judge(frames: number): number {
    if (this.#frames < frames) return 0;
    let checks = 0;
    const backlogged = [...this.#accounts].filter(([, account]) => account.backlogged);
    for (const [i, left] of backlogged) {
      for (const [j, right] of backlogged) {
        if (i >= j) continue;
        checks += 1;
        const got = left.bytes / right.bytes;
        const due = left.weight / right.weight;
        if (Math.abs(got - due) <= this.#tolerance * due) continue;
        this.#broken(
          'long-run shares follow weights',
          `over ${this.#frames} frames context ${i} (weight ${left.weight}) received ${left.bytes} bytes and context ` +
            `${j} (weight ${right.weight}) ${right.bytes}, both backlogged: a ratio of ${got.toFixed(4)}, due is ${due.toFixed(4)}`,
        );
      }
    }
    return checks;
  }

  #change(context: ContextId, backlogged: boolean): void {
    const account = this.#accounts.get(context);
    if (account === undefined) return;
    account.backlogged = backlogged;
    this.#restart();
  }

  /** Another set of contexts is backlogged: another interval. */
  #restart(): void {
    this.#frames = 0;
    for (const account of this.#accounts.values()) account.bytes = 0;
  }
}
