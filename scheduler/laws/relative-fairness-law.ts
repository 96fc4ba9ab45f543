import type { ContextId } from '../branded.js';
import type { BoundMember } from '../discipline.js';
import { type BacklogAccount, BacklogAccounts, type Breaker, requireBound } from './backlog-accounts.js';
import type { LinkWatcher } from './virtual-link.js';

/** Upper bound on |S_i/w_i - S_j/w_j|, bytes per unit of weight. */
export type RelativeFairnessBound = (i: BoundMember, j: BoundMember) => number;

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

/** Context numbers are below this, so two of them make one key. */
const NUMBERS = 2 ** 20;

/**
 * Shares follow weights: |S_i/w_i - S_j/w_j| stays within the bound over every interval during which both
 * contexts are backlogged throughout.
 *
 * A test has to define the interval before it can be right or wrong: it begins at any instant after
 * both have become backlogged and ends at any instant up to the one at which either gets its last frame
 * granted (that frame counts), loses its backlog or leaves. A frame counts in full, at the instant at which it
 * is granted. All such intervals are checked, since the largest gap over intervals is the range of the
 * running difference. The bound counts the frames that wait as well as those that were served.
 */
export class RelativeFairnessLaw extends BacklogAccounts<Account> implements LinkWatcher {
  readonly #bound: RelativeFairnessBound;
  readonly #broken: Breaker;
  readonly #ranges = new Map<number, Range>();

  constructor(bound: RelativeFairnessBound, broken: Breaker) {
    super();
    this.#bound = bound;
    this.#broken = broken;
  }

  arrived(context: ContextId, bytes: number, first: boolean): void {
    const account = this.noteArrival(context, bytes);
    if (account === undefined || !first) return;
    account.backlogged = true;
    account.returned = account.servedBytes > 0;
    for (const other of this.accounts.values()) {
      if (!other.backlogged || other === account) continue;
      const difference = differenceOf(...inOrder(account, other));
      this.#ranges.set(key(account, other), { least: difference, most: difference });
    }
  }

  granted(context: ContextId, bytes: number, more: boolean, nowNs: number): void {
    const account = this.accounts.get(context);
    if (account === undefined) return;
    account.servedBytes += bytes;
    for (const other of this.accounts.values()) {
      if (other.backlogged && other !== account) this.#compare(...inOrder(account, other), nowNs);
    }
    account.backlogged = more;
  }

  withdrawn(context: ContextId): void {
    const account = this.accounts.get(context);
    if (account !== undefined) account.backlogged = false;
  }

  protected override opened(account: BacklogAccount): Account {
    return { ...account, servedBytes: 0, returned: false };
  }

  #compare(left: Account, right: Account, nowNs: number): void {
    const range = this.#ranges.get(key(left, right));
    if (range === undefined) return;
    const bound = requireBound(this.#bound(left, right), 'the bound on |S_i/w_i - S_j/w_j|', this.#broken);
    const difference = differenceOf(left, right);
    if (difference < range.least) range.least = difference;
    if (difference > range.most) range.most = difference;
    const gap = (range.most - range.least) / (left.weight * right.weight);
    if (this.holds(gap, bound)) return;
    const [ahead, behind] = difference === range.most ? [left, right] : [right, left];
    this.#broken(
      ahead.returned ? 'an idle context gains nothing' : 'shares follow weights',
      `at ${nowNs} ns context ${ahead.context} (weight ${ahead.weight}) is ${gap.toFixed(3)} bytes per unit of weight ` +
        `ahead of context ${behind.context} (weight ${behind.weight}) over an interval in ` +
        `which both were backlogged, the bound is ${bound.toFixed(3)}`,
    );
  }
}

function inOrder(one: Account, other: Account): [Account, Account] {
  return one.context < other.context ? [one, other] : [other, one];
}

function key(one: Account, other: Account): number {
  return Math.min(one.context, other.context) * NUMBERS + Math.max(one.context, other.context);
}

function differenceOf(left: Account, right: Account): number {
  return left.servedBytes * right.weight - right.servedBytes * left.weight;
}
