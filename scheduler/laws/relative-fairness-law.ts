import type { BoundMember } from '../discipline.js';
import { type BacklogAccount, BacklogAccounts } from './backlog-accounts.js';
import type { LinkWatcher } from './virtual-link.js';

/** Upper bound on |S_i/w_i - S_j/w_j|, bytes per unit of weight. */
export type RelativeFairnessBound = (i: BoundMember, j: BoundMember) => number;

/** Reports a violated law; does not return. */
export type Breaker = (law: string, message: string) => never;

interface Account extends BacklogAccount {
  servedBytes: number;
  /** It had been idle, after being served, before it became backlogged this time. */
  returned: boolean;
}

interface Range {
  /** Of S_i w_j - S_j w_i, whole numbers, so that nothing is lost to rounding. */
  least: number;
  most: number;
}

// Bounds are quotients; this is the tolerance for their rounding.
const SLACK = 1 + 1e-9;

/**
 * Shares follow weights: |S_i/w_i - S_j/w_j| stays within the bound over every interval during which both
 * contexts are backlogged throughout.
 *
 * A test has to define the interval before it can be right or wrong: it begins at any instant after
 * both have become backlogged and ends at any instant up to the one at which either gets its last frame
 * granted (that frame counts), loses its backlog or leaves. A frame counts in full, at the instant at which it
 * is granted. All such intervals are checked, since the largest gap over intervals is the range of the
 * running difference.
 */
export class RelativeFairnessLaw extends BacklogAccounts<Account> implements LinkWatcher {
  readonly #bound: RelativeFairnessBound;
  readonly #broken: Breaker;
  readonly #ranges = new Map<string, Range>();

  constructor(bound: RelativeFairnessBound, broken: Breaker) {
    super();
    this.#bound = bound;
    this.#broken = broken;
  }

  protected opened(account: BacklogAccount): Account {
    return { ...account, servedBytes: 0, returned: false };
  }

  arrived(context: number, bytes: number, first: boolean): void {
    const account = this.noteArrival(context, bytes);
    if (account === undefined || !first) return;
    account.backlogged = true;
    account.returned = account.servedBytes > 0;
    for (const [other, { backlogged }] of this.accounts) {
      if (!backlogged || other === context) continue;
      const difference = this.#difference(Math.min(context, other), Math.max(context, other));
      this.#ranges.set(key(context, other), { least: difference, most: difference });
    }
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    const account = this.accounts.get(context);
    if (account === undefined) return;
    account.servedBytes += bytes;
    for (const [other, { backlogged }] of this.accounts) {
      if (backlogged && other !== context)
        this.#compare(Math.min(context, other), Math.max(context, other), nowNs);
    }
    account.backlogged = more;
  }

  withdrawn(context: number): void {
    const account = this.accounts.get(context);
    if (account !== undefined) account.backlogged = false;
  }

  #difference(i: number, j: number): number {
    const left = this.accounts.get(i);
    const right = this.accounts.get(j);
    if (left === undefined || right === undefined) return 0;
    return left.servedBytes * right.weight - right.servedBytes * left.weight;
  }

  #compare(i: number, j: number, nowNs: number): void {
    const left = this.accounts.get(i);
    const right = this.accounts.get(j);
    const range = this.#ranges.get(key(i, j));
    if (left === undefined || right === undefined || range === undefined) return;
    const bound = this.#bound(left, right);
    if (!Number.isFinite(bound)) return;
    const difference = this.#difference(i, j);
    range.least = Math.min(range.least, difference);
    range.most = Math.max(range.most, difference);
    const gap = (range.most - range.least) / (left.weight * right.weight);
    this.noteCheck(gap, bound);
    if (gap <= bound * SLACK) return;
    const ahead = difference === range.most ? left : right;
    const [aheadContext, behindContext] = ahead === left ? [i, j] : [j, i];
    this.#broken(
      ahead.returned ? 'an idle context gains nothing' : 'shares follow weights',
      `at ${nowNs} ns context ${aheadContext} (weight ${ahead.weight}) is ${gap.toFixed(3)} bytes per unit of weight ` +
        `ahead of context ${behindContext} (weight ${(ahead === left ? right : left).weight}) over an interval in ` +
        `which both were backlogged, the bound is ${bound.toFixed(3)}`,
    );
  }
}

function key(i: number, j: number): string {
  return i < j ? `${i} ${j}` : `${j} ${i}`;
}
