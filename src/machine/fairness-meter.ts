import type { ContextId } from '../../scheduler/branded.js';
import type { BoundMember, Discipline, Share } from '../../scheduler/discipline.js';
import { present } from '../../scheduler/present.js';

/** Pairs are measured among the first so many contexts; n contexts have n(n-1)/2 pairs. */
export const MEASURED_CONTEXTS = 64;

/** What the meter has seen. */
export interface FairnessReport {
  /** Largest |S_i/w_i - S_j/w_j| over any interval in which both stayed backlogged, bytes per unit of weight. */
  readonly largestGapBytes: number;
  /** The pair that it belongs to, or undefined if no two were ever backlogged together. */
  readonly pair: readonly [number, number] | undefined;
  /** The discipline's bound for that pair, or for the worst pair that there was; undefined where it promises none. */
  readonly boundBytes: number | undefined;
  /** Pairs that broke their own bound. */
  readonly broken: number;
  /** Contexts among which pairs were measured, and how many there were. */
  readonly measuredContexts: number;
  readonly contexts: number;
}

type Settled = Pick<FairnessReport, 'largestGapBytes' | 'pair' | 'boundBytes' | 'broken'>;

const NOTHING_SETTLED: Settled = { largestGapBytes: 0, pair: undefined, boundBytes: undefined, broken: 0 };

/**
 * A discipline with a measuring glass over it: passes every call on and keeps, for each pair of contexts, how
 * far their normalised service has drifted apart while both were backlogged. The gap over any interval is the
 * distance between the highest and lowest value that the difference has had, so one number a pair is kept up
 * and no interval is missed.
 */
export class FairnessMeter implements Discipline {
  readonly name: string;
  readonly #inner: Discipline;
  readonly #weights = new Float64Array(MEASURED_CONTEXTS);
  readonly #maxFrame = new Float64Array(MEASURED_CONTEXTS);
  readonly #backlogged = new Uint8Array(MEASURED_CONTEXTS);
  readonly #seen: ContextId[] = [];
  // For i < j: the difference of normalised service since both became backlogged, and its extremes.
  readonly #difference = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #low = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #high = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly #gap = new Float64Array(MEASURED_CONTEXTS * MEASURED_CONTEXTS);
  readonly nextEligibleNs?: (nowNs: number) => number;
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly starve?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly #joined = new Set<ContextId>();
  /** What was found of pairs with a weight that has changed since. */
  #settled: Settled = NOTHING_SETTLED;

  constructor(inner: Discipline) {
    this.#inner = inner;
    this.name = inner.name;
    if (inner.nextEligibleNs !== undefined)
      this.nextEligibleNs = (nowNs) => inner.nextEligibleNs?.(nowNs) ?? Infinity;
    if (inner.arrived !== undefined) {
      this.arrived = (context, bytes, nowNs) => inner.arrived?.(context, bytes, nowNs);
    }
    if (inner.starve !== undefined) {
      this.starve = (context, bytes, nowNs) => {
        inner.starve?.(context, bytes, nowNs);
        this.#count(context, bytes);
        // What is not fetched cannot be chosen: for the meter the interval of this pair ends here.
        if (context < MEASURED_CONTEXTS) this.#backlogged[context] = 0;
      };
    }
  }

  join(context: ContextId, share: Share): void {
    this.#inner.join(context, share);
    this.#joined.add(context);
    if (context >= MEASURED_CONTEXTS) return;
    if (this.#seen.includes(context) && this.#weights[context] !== share.weight) this.#settle(context);
    this.#weights[context] = share.weight;
    if (!this.#seen.includes(context)) this.#seen.push(context);
  }

  leave(context: ContextId, nowNs: number): void {
    this.#inner.leave(context, nowNs);
    if (context < MEASURED_CONTEXTS) this.#backlogged[context] = 0;
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#inner.activate(context, headBytes, nowNs);
    this.#noteFrame(context, headBytes);
    if (context >= MEASURED_CONTEXTS || this.#backlogged[context] === 1) return;
    this.#backlogged[context] = 1;
    for (const other of this.#seen) {
      if (other === context || this.#backlogged[other] === 0) continue;
      const pair = pairOf(context, other);
      this.#difference[pair] = 0;
      this.#low[pair] = 0;
      this.#high[pair] = 0;
    }
  }

  select(nowNs: number): ContextId {
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#inner.served(context, bytes, nextHeadBytes, nowNs);
    this.#count(context, bytes);
    this.#noteFrame(context, nextHeadBytes);
    if (nextHeadBytes === 0 && context < MEASURED_CONTEXTS) this.#backlogged[context] = 0;
  }

  /** A frame that waits counts for the bound as one that was served: others may be ahead by what it takes. */
  #noteFrame(context: ContextId, bytes: number): void {
    if (context < MEASURED_CONTEXTS && bytes > present(this.#maxFrame[context]))
      this.#maxFrame[context] = bytes;
  }

  #count(context: ContextId, bytes: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    const step = bytes / present(this.#weights[context]);
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

  withdraw(context: ContextId, nowNs: number): void {
    this.#inner.withdraw(context, nowNs);
    if (context < MEASURED_CONTEXTS) this.#backlogged[context] = 0;
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    this.#inner.checkInvariants();
  }

  /** Forgets what was measured: from now on intervals begin here. Contexts that are backlogged stay so. */
  restart(): void {
    this.#difference.fill(0);
    this.#low.fill(0);
    this.#high.fill(0);
    this.#gap.fill(0);
    this.#settled = NOTHING_SETTLED;
  }

  /** The weight of a context changes: what its pairs have shown so far is judged by the old one. */
  #settle(context: ContextId): void {
    let { largestGapBytes, pair, boundBytes, broken } = this.#settled;
    for (const other of this.#seen) {
      if (other === context) continue;
      const [i, j] = context < other ? [context, other] : [other, context];
      const gap = present(this.#gap[pairOf(i, j)]);
      this.#gap[pairOf(i, j)] = 0;
      const bound = this.#inner.relativeFairnessBoundBytes(this.#account(i), this.#account(j));
      if (gap > bound * (1 + 1e-9)) broken += 1;
      if (gap <= largestGapBytes) continue;
      largestGapBytes = gap;
      pair = [i, j];
      boundBytes = Number.isFinite(bound) ? bound : undefined;
    }
    this.#settled = { largestGapBytes, pair, boundBytes, broken };
  }

  report(): FairnessReport {
    let { largestGapBytes, pair, boundBytes, broken } = this.#settled;
    for (const i of this.#seen) {
      for (const j of this.#seen) {
        if (i >= j) continue;
        const gap = present(this.#gap[pairOf(i, j)]);
        if (gap === 0) continue;
        const bound = this.#inner.relativeFairnessBoundBytes(this.#account(i), this.#account(j));
        if (gap > bound * (1 + 1e-9)) broken += 1;
        if (gap <= largestGapBytes) continue;
        largestGapBytes = gap;
        pair = [i, j];
        boundBytes = Number.isFinite(bound) ? bound : undefined;
      }
    }
    return {
      largestGapBytes,
      pair,
      boundBytes,
      broken,
      measuredContexts: this.#seen.length,
      contexts: this.#joined.size,
    };
  }

  #account(context: ContextId): BoundMember {
    return { weight: present(this.#weights[context]), maxFrameBytes: present(this.#maxFrame[context]) };
  }
}

function pairOf(one: number, other: number): number {
  return one < other ? one * MEASURED_CONTEXTS + other : other * MEASURED_CONTEXTS + one;
}

/** Jain's index of a set of shares: 1 when all are alike, 1/n when one has everything. */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
