import type { ContextId } from '../branded.js';
import type { BoundMember, Share } from '../discipline.js';
import { countOf } from '../tally.js';

/** What a law knows of a context that takes part. */
export interface BacklogAccount extends BoundMember {
  readonly context: ContextId;
  readonly weight: number;
  maxFrameBytes: number;
  backlogged: boolean;
}

/** The accounts of the contexts that take part, and how near a law came to its bound. */
export abstract class BacklogAccounts<Account extends BacklogAccount> {
  protected readonly accounts = new Map<number, Account>();
  /** Largest frame of each context so far. It survives leaving: service received in advance may still be charged. */
  readonly #largest = new Map<number, number>();
  #checks = 0;
  #uncompared = 0;
  #largestRatio = 0;

  /** Number of comparisons. */
  get checks(): number {
    return this.#checks;
  }

  /** How often there was nothing to compare with, since the bound was infinite. */
  get uncompared(): number {
    return this.#uncompared;
  }

  /** Largest value observed, as a fraction of its bound. */
  get largestRatio(): number {
    return this.#largestRatio;
  }

  joined(context: ContextId, share: Share): void {
    const maxFrameBytes = countOf(this.#largest, context);
    this.accounts.set(
      context,
      this.opened({ context, weight: share.weight, maxFrameBytes, backlogged: false }),
    );
  }

  left(context: ContextId): void {
    this.accounts.delete(context);
  }

  /** A frame arrived; returns the account of a context that takes part. */
  protected noteArrival(context: ContextId, bytes: number): Account | undefined {
    const account = this.accounts.get(context);
    if (account === undefined || bytes <= account.maxFrameBytes) return account;
    account.maxFrameBytes = bytes;
    this.#largest.set(context, bytes);
    return account;
  }

  /** Compares a value with its bound, and notes how near it came. False if the value exceeds the bound. */
  protected holds(value: number, bound: number): boolean {
    if (bound === Number.POSITIVE_INFINITY) {
      this.#uncompared += 1;
      return true;
    }
    this.#checks += 1;
    const ratio = value === 0 ? 0 : value / bound;
    if (ratio > this.#largestRatio) this.#largestRatio = ratio;
    // Bounds are quotients; this is the tolerance for their rounding.
    return value <= bound * (1 + 1e-9);
  }

  /** The account of a context that joins, with what the law keeps besides. */
  protected abstract opened(account: BacklogAccount): Account;
}

/** Reports a violated law; does not return. */
export type Breaker = (law: string, message: string) => never;

/** A bound as stated. NaN and negative numbers bound nothing, and comparing with them would pass or fail without a word. */
export function requireBound(bound: number, what: string, broken: Breaker): number {
  if (bound >= 0) return bound;
  return broken('a bound is a number', `${what} is ${bound}, expected a number >= 0, or Infinity for none`);
}
