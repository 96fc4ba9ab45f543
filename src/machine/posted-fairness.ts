import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';
import { MEASURED_CONTEXTS, PairGaps } from './pair-gaps.js';

/** What is asked of the card whose grants are judged. */
export interface PostedFrames {
  /** What the wire can carry between two instants, bytes. */
  wireBytes(fromNs: number, toNs: number): number;
  /** What may be granted and not have left, bytes of the wire. */
  readonly fifoBytes: number;
  /** Whether a context has posted a frame that no grant has taken. */
  hasPosted(context: ContextId): boolean;
  /** Whether its frames may not go now: they count from the instant from which they may. */
  isPaused?(context: ContextId): boolean;
  /** Whether its guest has a frame that its ring has no space for: every slot has a frame that has not left, or is not said to have. */
  isRingFull?(context: ContextId): boolean;
}

/** A gap that was measured from the doorbell on, and what is added to the bound of the discipline. */
export interface PostedVerdict {
  /** Sum of the three that follow: 0 when the law held. */
  readonly broken: number;
  /** Pairs that broke their bound with the addend. */
  readonly brokenPairs: number;
  /** The same of the time before the window, and before weights changed. */
  readonly brokenBefore: number;
  /** 1 when contexts missed their shares of a long window. */
  readonly brokenShares: number;
  /**
   * The gap, bytes per unit of weight, of the pair that is closest to what it is allowed or furthest beyond it; of pairs
   * without a bound the largest. Absent if no two had frames at once.
   */
  readonly largest:
    | { readonly gapBytes: number; readonly boundBytes: number; readonly addendBytes: number }
    | undefined;
  /** The longest time from a doorbell to the first frame that could be granted, ns. */
  readonly prefetchNs: number;
  /** What the context that is furthest off got of the mean per unit of weight, of those with frames all the time. */
  readonly longRun: { readonly least: number; readonly most: number; readonly contexts: number } | undefined;
}

/** Bound of the discipline for a pair, and the shares and frames of its contexts. */
export interface PairTerms {
  boundBytes(one: ContextId, other: ContextId): number;
  weight(context: ContextId): number;
  /** Largest frame so far, bytes as the discipline counts them. */
  maxFrameBytes(context: ContextId): number;
}

/** A window is long for a context that was granted the bytes of this many of the largest frames in it. */
const LONG_FRAMES = 1_000;
/** By how much the share of a long window may differ. */
const LONG_TOLERANCE = 0.05;

// Whether a context has had frames to send since the window began. Before a window, and after a change of its weight,
// all that can be known is that it ran out of them.
const UNKNOWN = 0;
const ALWAYS = 1;
const RAN_DRY = 2;

// How a context ran out of frames since the window began: with a full ring each time, or not.
const NEVER_DRY = 0;
const DRY_WITH_FULL_RING = 1;
const DRY_WITH_SPACE = 2;

/**
 * Fairness of what guests post: a context is backlogged from its doorbell until a grant takes the last frame that it has
 * posted, whether the card has fetched its descriptors or not.
 *
 * Until its first descriptors have come, T ns later, it cannot be granted anything, so others may be ahead of it by what
 * the wire carries in that time and by what fits in the FIFO: C + r T bytes are added to the bound of the discipline,
 * over the smaller weight; where the rate of the wire changes, r T is the most that it could carry in such a time. This happens once per backlog; a context that runs out of descriptors later is not
 * excused. Over a long window contexts with frames all the time must have the same per unit of weight, whatever bound
 * is stated.
 */
export class PostedFairness {
  readonly #card: PostedFrames;
  readonly #terms: PairTerms;
  readonly #seen: readonly ContextId[];
  readonly #gaps: PairGaps;
  /** When the doorbell of a context was rung that could not be granted anything yet, ns; -1 for the others. */
  readonly #waitsSinceNs = new Float64Array(MEASURED_CONTEXTS).fill(-1);
  /** Bytes granted since the window began. */
  readonly #granted = new Float64Array(MEASURED_CONTEXTS);
  /** UNKNOWN, ALWAYS or RAN_DRY. */
  readonly #frames = new Uint8Array(MEASURED_CONTEXTS);
  /** NEVER_DRY, DRY_WITH_FULL_RING or DRY_WITH_SPACE. */
  readonly #dry = new Uint8Array(MEASURED_CONTEXTS);
  #prefetchNs = 0;
  /** The most that the wire could carry in such a time, at its rates of then, bytes. */
  #prefetchBytes = 0;
  #brokenBefore = 0;

  /** @param seen the contexts that take part, a list that may grow. */
  constructor(card: PostedFrames, terms: PairTerms, seen: readonly ContextId[]) {
    this.#card = card;
    this.#terms = terms;
    this.#seen = seen;
    this.#gaps = new PairGaps(seen);
  }

  /** A doorbell has taken effect. */
  posted(context: ContextId, nowNs: number): void {
    if (context >= MEASURED_CONTEXTS || this.#gaps.isBacklogged(context)) return;
    if (this.#card.isPaused?.(context) === true) return;
    this.#waitsSinceNs[context] = nowNs;
    this.#gaps.begin(context);
  }

  /** Whether a context has had frames to send since the window began, without a break; undefined where that is not known. */
  hadFramesAlways(context: ContextId): boolean | undefined {
    const frames = this.#frames[context] ?? UNKNOWN;
    return frames === UNKNOWN ? undefined : frames === ALWAYS;
  }

  /** Descriptors have arrived: half a frame is none. */
  fetched(context: ContextId): void {
    if (context < MEASURED_CONTEXTS && !this.#card.hasPosted(context)) this.end(context);
  }

  /** The first frame of a context can be granted. */
  ready(context: ContextId, nowNs: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    const sinceNs = present(this.#waitsSinceNs[context]);
    if (sinceNs >= 0) {
      this.#prefetchNs = Math.max(this.#prefetchNs, nowNs - sinceNs);
      this.#prefetchBytes = Math.max(this.#prefetchBytes, this.#card.wireBytes(sinceNs, nowNs));
    }
    this.#waitsSinceNs[context] = -1;
    this.#gaps.begin(context);
  }

  /** A context was granted a frame, which has been taken. */
  granted(context: ContextId, bytes: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    this.#granted[context] = present(this.#granted[context]) + bytes;
    this.#gaps.count(context, bytes / this.#terms.weight(context));
    if (this.#card.hasPosted(context)) return;
    const isFull = this.#card.isRingFull?.(context) === true;
    this.#dry[context] =
      isFull && this.#dry[context] !== DRY_WITH_SPACE ? DRY_WITH_FULL_RING : DRY_WITH_SPACE;
    this.end(context);
  }

  /** Whether a context has run out of posted frames since the window began, each time because its ring was full. */
  ranDryWithFullRing(context: ContextId): boolean {
    return this.#dry[context] === DRY_WITH_FULL_RING;
  }

  /** Nothing that a context has posted is to be granted any more. */
  end(context: ContextId): void {
    if (context >= MEASURED_CONTEXTS) return;
    this.#waitsSinceNs[context] = -1;
    this.#frames[context] = RAN_DRY;
    this.#gaps.end(context);
  }

  /** The weight of a context changes: its pairs are judged by the old one until now, and long windows leave it out. */
  settle(context: ContextId): void {
    if (this.#frames[context] === ALWAYS) this.#frames[context] = UNKNOWN;
    for (const other of this.#seen) {
      if (other === context) continue;
      if (this.#isBroken(context, other)) this.#brokenBefore += 1;
      this.#gaps.clear(context, other);
    }
  }

  /** The window begins. What was broken before it stays broken. */
  restart(): void {
    this.#brokenBefore = this.verdict().broken;
    this.#gaps.restart();
    this.#granted.fill(0);
    this.#dry.fill(NEVER_DRY);
    this.#frames.fill(RAN_DRY);
    for (const context of this.#seen) if (this.#gaps.isBacklogged(context)) this.#frames[context] = ALWAYS;
  }

  verdict(): PostedVerdict {
    let brokenPairs = 0;
    let largest: PostedVerdict['largest'];
    let mostOfAllowed = 0;
    for (const one of this.#seen) {
      for (const other of this.#seen) {
        if (one >= other) continue;
        const gapBytes = this.#gaps.gap(one, other);
        if (gapBytes === 0) continue;
        if (this.#isBroken(one, other)) brokenPairs += 1;
        const boundBytes = this.#terms.boundBytes(one, other);
        const addendBytes = this.#addend(one, other);
        const ofAllowed = gapBytes / (boundBytes + addendBytes);
        if (
          largest !== undefined &&
          (ofAllowed < mostOfAllowed || (ofAllowed === mostOfAllowed && gapBytes <= largest.gapBytes))
        )
          continue;
        mostOfAllowed = ofAllowed;
        largest = { gapBytes, boundBytes, addendBytes };
      }
    }
    const longRun = this.#longRun();
    const isUnequal =
      longRun !== undefined && (longRun.least < 1 - LONG_TOLERANCE || longRun.most > 1 + LONG_TOLERANCE);
    const brokenShares = isUnequal ? 1 : 0;
    const brokenBefore = this.#brokenBefore;
    const broken = brokenPairs + brokenBefore + brokenShares;
    const prefetchNs = this.#prefetchNs;
    return { broken, brokenPairs, brokenBefore, brokenShares, largest, prefetchNs, longRun };
  }

  #isBroken(one: ContextId, other: ContextId): boolean {
    const allowed = this.#terms.boundBytes(one, other) + this.#addend(one, other);
    return this.#gaps.gap(one, other) > allowed * (1 + 1e-9);
  }

  #addend(one: ContextId, other: ContextId): number {
    const { weight } = this.#terms;
    return (this.#card.fifoBytes + this.#prefetchBytes) / Math.min(weight(one), weight(other));
  }

  #longRun(): PostedVerdict['longRun'] {
    const always = this.#seen.filter((context) => this.#frames[context] === ALWAYS);
    if (always.length < 2) return undefined;
    const largest = Math.max(...always.map((context) => this.#terms.maxFrameBytes(context)));
    const isPromised = always.every((one) =>
      always.every((other) => one === other || Number.isFinite(this.#terms.boundBytes(one, other))),
    );
    const served = always.map((context) => present(this.#granted[context]));
    if (!isPromised || served.some((bytes) => bytes < LONG_FRAMES * largest)) return undefined;
    const sum = served.reduce((total, bytes) => total + bytes, 0);
    const weights = always.reduce((total, context) => total + this.#terms.weight(context), 0);
    const shares = always.map(
      (context, at) => (present(served[at]) * weights) / (sum * this.#terms.weight(context)),
    );
    return { least: Math.min(...shares), most: Math.max(...shares), contexts: always.length };
  }
}
