import type { ContextId } from '../../scheduler/branded.js';
import type { BoundMember, Discipline, Share } from '../../scheduler/discipline.js';
import { present } from '../../scheduler/present.js';
import { MEASURED_CONTEXTS, PairGaps } from './pair-gaps.js';
import { PostedFairness, type PostedFrames, type PostedVerdict } from './posted-fairness.js';

export { MEASURED_CONTEXTS } from './pair-gaps.js';

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
 * far their normalised service has drifted apart while both were backlogged, from the arrival of their descriptors on.
 * With `judge` it also holds them to what they have posted, from the doorbell on.
 */
export class FairnessMeter implements Discipline {
  readonly name: string;
  readonly #inner: Discipline;
  readonly #weights = new Float64Array(MEASURED_CONTEXTS);
  readonly #maxFrame = new Float64Array(MEASURED_CONTEXTS);
  readonly #seen: ContextId[] = [];
  readonly #known = new PairGaps(this.#seen);
  #posted: PostedFairness | undefined;
  readonly nextEligibleNs?: (nowNs: number) => number;
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly starve?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #joined = new Set<ContextId>();
  /** What was found of pairs with a weight that has changed since. */
  #settled: Settled = NOTHING_SETTLED;

  constructor(inner: Discipline) {
    this.#inner = inner;
    this.name = inner.name;
    if (inner.nextEligibleNs !== undefined)
      this.nextEligibleNs = (nowNs) => inner.nextEligibleNs?.(nowNs) ?? Infinity;
    if (inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => inner.linkRateChanged?.(linkBps, nowNs);
    if (inner.arrived !== undefined) {
      this.arrived = (context, bytes, nowNs) => inner.arrived?.(context, bytes, nowNs);
    }
    if (inner.pause !== undefined) {
      this.pause = (context, nowNs) => {
        inner.pause?.(context, nowNs);
        this.#end(context);
      };
    }
    if (inner.starve !== undefined) {
      this.starve = (context, bytes, nowNs) => {
        inner.starve?.(context, bytes, nowNs);
        this.#count(context, bytes);
        // What is not fetched cannot be chosen: counted from the arrival of descriptors, the interval ends here.
        if (context < MEASURED_CONTEXTS) this.#known.end(context);
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
    this.#end(context);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#inner.activate(context, headBytes, nowNs);
    this.#noteFrame(context, headBytes);
    if (context < MEASURED_CONTEXTS) this.#known.begin(context);
    this.#posted?.ready(context, nowNs);
  }

  select(nowNs: number): ContextId {
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#inner.served(context, bytes, nextHeadBytes, nowNs);
    this.#count(context, bytes);
    this.#noteFrame(context, nextHeadBytes);
    if (nextHeadBytes === 0 && context < MEASURED_CONTEXTS) this.#known.end(context);
  }

  /** A frame that waits counts for the bound as one that was served: others may be ahead by what it takes. */
  #noteFrame(context: ContextId, bytes: number): void {
    if (context < MEASURED_CONTEXTS && bytes > present(this.#maxFrame[context]))
      this.#maxFrame[context] = bytes;
  }

  #count(context: ContextId, bytes: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    this.#known.count(context, bytes / present(this.#weights[context]));
    this.#posted?.granted(context, bytes);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#inner.withdraw(context, nowNs);
    this.#end(context);
  }

  /** Nothing of a context is to be granted any more, or not for now. */
  #end(context: ContextId): void {
    if (context < MEASURED_CONTEXTS) this.#known.end(context);
    this.#posted?.end(context);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    this.#inner.checkInvariants();
  }

  /** From now on contexts are also held to what they have posted on this card. */
  judge(card: PostedFrames): void {
    this.#posted = new PostedFairness(
      card,
      {
        boundBytes: (one, other) =>
          this.#inner.relativeFairnessBoundBytes(this.#account(one), this.#account(other)),
        weight: (context) => present(this.#weights[context]),
        maxFrameBytes: (context) => present(this.#maxFrame[context]),
      },
      this.#seen,
    );
  }

  /** A doorbell of a context has taken effect. */
  posted(context: ContextId, nowNs: number): void {
    this.#posted?.posted(context, nowNs);
  }

  /** Descriptors of a context have arrived. */
  fetched(context: ContextId): void {
    this.#posted?.fetched(context);
  }

  /**
   * Whether a context has had posted frames all the time since the window began. Undefined where that is not known:
   * without `judge`, and for contexts that are not measured.
   */
  hadFramesAlways(context: ContextId): boolean | undefined {
    return this.#posted?.hadFramesAlways(context);
  }

  /** Whether a context has run out of posted frames, each time because its ring was full; false where that is not known. */
  ranDryWithFullRing(context: ContextId): boolean {
    return this.#posted?.ranDryWithFullRing(context) === true;
  }

  /** How what was posted was served; undefined without `judge`. */
  postedVerdict(): PostedVerdict | undefined {
    return this.#posted?.verdict();
  }

  /** Forgets what was measured: from now on intervals begin here. Contexts that are backlogged stay so. */
  restart(): void {
    this.#known.restart();
    this.#posted?.restart();
    this.#settled = NOTHING_SETTLED;
  }

  /** The weight of a context changes: what its pairs have shown so far is judged by the old one. */
  #settle(context: ContextId): void {
    this.#posted?.settle(context);
    let { largestGapBytes, pair, boundBytes, broken } = this.#settled;
    for (const other of this.#seen) {
      if (other === context) continue;
      const [i, j] = context < other ? [context, other] : [other, context];
      const gap = this.#known.gap(i, j);
      this.#known.clear(i, j);
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
        const gap = this.#known.gap(i, j);
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

/** Jain's index of a set of shares: 1 when all are alike, 1/n when one has everything. */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
