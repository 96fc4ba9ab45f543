import type { ContextId } from '../branded.js';
import type { BoundMember } from '../discipline.js';
import { type BacklogAccount, BacklogAccounts, type Breaker, requireBound } from './backlog-accounts.js';
import type { RelativeFairnessBound } from './relative-fairness-law.js';
import type { LinkWatcher } from './virtual-link.js';

/** Upper bound on the total bytes granted to `others` while one context waits with a frame at its head. */
export type StarvationBound = (waiting: BoundMember, others: readonly BoundMember[]) => number;

/**
 * What a relative fairness bound implies for waiting. While i waits and j stays backlogged, j receives at most w_j
 * times the bound. A context that becomes idle and returns may add one frame: the one served as it becomes idle.
 */
export function starvationFromGap(gap: RelativeFairnessBound): StarvationBound {
  return (waiting, others) => {
    let bytes = 0;
    for (const other of others) bytes += other.weight * gap(waiting, other) + other.maxFrameBytes;
    return bytes;
  };
}

interface Account extends BacklogAccount {
  /** Bytes granted to others since it began to wait for its next frame, and which contexts they were. */
  othersBytes: number;
  readonly others: Set<Account>;
  /** The bound for them, and the state of the frames that it was computed for. */
  bound: number;
  boundVersion: number;
}

/**
 * No context starves: while a context waits for its next frame, the others together receive no more than the bound.
 * The wait begins when the context becomes backlogged or has a frame granted, and ends with the next grant.
 * A context that leaves and rejoins counts as another one.
 */
export class StarvationLaw extends BacklogAccounts<Account> implements LinkWatcher {
  readonly #bound: StarvationBound;
  readonly #broken: Breaker;
  /** Counts the changes of the largest frames: a bound stays as it is between two of them. */
  #version = 0;

  constructor(bound: StarvationBound, broken: Breaker) {
    super();
    this.#bound = bound;
    this.#broken = broken;
  }

  arrived(context: ContextId, bytes: number, first: boolean): void {
    const before = this.accounts.get(context)?.maxFrameBytes;
    const account = this.noteArrival(context, bytes);
    if (account?.maxFrameBytes !== before) this.#version += 1;
    if (account !== undefined && first) beginWait(account, true);
  }

  granted(context: ContextId, bytes: number, more: boolean, nowNs: number): void {
    const served = this.accounts.get(context);
    if (served === undefined) return;
    for (const waiting of this.accounts.values()) {
      if (waiting === served || !waiting.backlogged) continue;
      waiting.othersBytes += bytes;
      if (!waiting.others.has(served) || waiting.boundVersion !== this.#version) {
        waiting.others.add(served);
        waiting.boundVersion = this.#version;
        const bound = this.#bound(waiting, [...waiting.others]);
        waiting.bound = requireBound(bound, 'the bound on the bytes of others', this.#broken);
      }
      if (this.holds(waiting.othersBytes, waiting.bound)) continue;
      this.#broken(
        'no context starves',
        `at ${nowNs} ns context ${waiting.context} (weight ${waiting.weight}) still waits after others received ` +
          `${waiting.othersBytes} bytes, the bound is ${waiting.bound.toFixed(3)}`,
      );
    }
    beginWait(served, more);
  }

  withdrawn(context: ContextId): void {
    const account = this.accounts.get(context);
    if (account !== undefined) beginWait(account, false);
  }

  protected override opened(account: BacklogAccount): Account {
    return { ...account, othersBytes: 0, others: new Set(), bound: 0, boundVersion: -1 };
  }
}

function beginWait(account: Account, backlogged: boolean): void {
  account.backlogged = backlogged;
  account.othersBytes = 0;
  account.others.clear();
}
