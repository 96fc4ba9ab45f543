import type { BoundMember, Share } from '../discipline.js';

/** What a law knows of a context that takes part. */
export interface BacklogAccount extends BoundMember {
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
  #largestRatio = 0;

  /** Number of comparisons. */
  get checks(): number {
    return this.#checks;
  }

  /** Largest value observed, as a fraction of its bound. */
  get largestRatio(): number {
    return this.#largestRatio;
  }

  joined(context: number, share: Share): void {
    this.accounts.set(
      context,
      this.opened({
        weight: share.weight,
        maxFrameBytes: this.#largest.get(context) ?? 0,
        backlogged: false,
      }),
    );
  }

  left(context: number): void {
    this.accounts.delete(context);
  }

  /** A frame arrived; returns the account of a context that takes part. */
  protected noteArrival(context: number, bytes: number): Account | undefined {
    const account = this.accounts.get(context);
    if (account === undefined) return undefined;
    account.maxFrameBytes = Math.max(account.maxFrameBytes, bytes);
    this.#largest.set(context, account.maxFrameBytes);
    return account;
  }

  /** Compares a value with its bound, and notes how near it came. */
  protected noteCheck(value: number, bound: number): void {
    this.#checks += 1;
    this.#largestRatio = Math.max(this.#largestRatio, value / bound);
  }

  /** The account of a context that joins, with what the law keeps besides. */
  protected abstract opened(account: BacklogAccount): Account;
}
