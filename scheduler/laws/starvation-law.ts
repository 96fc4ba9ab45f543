import type { BoundMember, Share } from '../discipline.js';
import type { Breaker, RelativeFairnessBound } from './relative-fairness-law.js';
import type { LinkWatcher } from './virtual-link.js';

/** Upper bound on the total bytes granted to `others` while one context waits with a frame at its head. */
export type StarvationBound = (waiting: BoundMember, others: readonly BoundMember[]) => number;

/**
 * What a gap bound implies for waiting. While i waits and j stays backlogged, j receives at most w_j times the gap
 * bound. A context that becomes idle and returns may add one frame: the one served as it becomes idle.
 */
export function starvationFromGap(gap: RelativeFairnessBound): StarvationBound {
  return (waiting, others) => {
    let bytes = 0;
    for (const other of others) bytes += other.weight * gap(waiting, other) + other.maxFrameBytes;
    return bytes;
  };
}

interface CpuAccount extends BoundMember {
  readonly weight: number;
  maxFrameBytes: number;
  backlogged: boolean;
  /** Bytes granted to others since it began to wait for its next frame, and which contexts they were. */
  othersBytes: number;
  readonly others: Set<CpuAccount>;
}

/**
 * No context starves: while a context waits for its next frame, the others together receive no more than the bound.
 * The wait begins when the context becomes backlogged or has a frame granted, and ends with the next grant.
 * A context that leaves and rejoins counts as another one.
 */
export class StarvationLaw implements LinkWatcher {
  readonly #bound: StarvationBound;
  readonly #broken: Breaker;
  readonly #accounts = new Map<number, CpuAccount>();
  /** Largest frame of each context so far. It survives leaving: service received in advance may still be charged. */
  readonly #largest = new Map<number, number>();
  #checks = 0;
  #largestRatio = 0;

  constructor(bound: StarvationBound, broken: Breaker) {
    this.#bound = bound;
    this.#broken = broken;
  }

  /** Number of comparisons. */
  get checks(): number {
    return this.#checks;
  }

  /** Longest wait observed, as a fraction of its bound. */
  get largestRatio(): number {
    return this.#largestRatio;
  }

  joined(context: number, share: Share): void {
    this.#accounts.set(context, {
      weight: share.weight,
      maxFrameBytes: this.#largest.get(context) ?? 0,
      backlogged: false,
      othersBytes: 0,
      others: new Set(),
    });
  }

  left(context: number): void {
    this.#accounts.delete(context);
  }

  arrived(context: number, bytes: number, first: boolean): void {
    const account = this.#accounts.get(context);
    if (account === undefined) return;
    account.maxFrameBytes = Math.max(account.maxFrameBytes, bytes);
    this.#largest.set(context, account.maxFrameBytes);
    if (first) beginWait(account, true);
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    const served = this.#accounts.get(context);
    if (served === undefined) return;
    for (const [waitingContext, waiting] of this.#accounts) {
      if (waiting === served || !waiting.backlogged) continue;
      waiting.othersBytes += bytes;
      waiting.others.add(served);
      const bound = this.#bound(waiting, [...waiting.others]);
      if (!Number.isFinite(bound)) continue;
      this.#checks += 1;
      this.#largestRatio = Math.max(this.#largestRatio, waiting.othersBytes / bound);
      if (waiting.othersBytes <= bound * (1 + 1e-9)) continue;
      this.#broken(
        'no context starves',
        `at ${nowNs} ns context ${waitingContext} (weight ${waiting.weight}) still waits after others received ` +
          `${waiting.othersBytes} bytes, the bound is ${bound.toFixed(3)}`,
      );
    }
    beginWait(served, more);
  }

  withdrawn(context: number): void {
    const account = this.#accounts.get(context);
    if (account !== undefined) beginWait(account, false);
  }
}

function beginWait(account: CpuAccount, backlogged: boolean): void {
  account.backlogged = backlogged;
  account.othersBytes = 0;
  account.others.clear();
}
