import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';
import { MEASURED_CONTEXTS, PairGaps } from './pair-gaps.js';

/** What is asked of the card whose grants are judged. */
export interface PostedFrames {
  /** Rate of the wire. */
  readonly rateBps: number;
  /** What may be granted and not have left, bytes of the wire. */
  readonly fifoBytes: number;
  /** Whether a context has posted a frame that no grant has taken. */
  hasPosted(context: ContextId): boolean;
}

/** A gap that was measured from the doorbell on, and what is added to the bound of the discipline. */
export interface PostedVerdict {
  /** Pairs that broke their bound with the addend, and contexts that missed their share of a long window. */
  readonly broken: number;
  /** The largest gap, bytes per unit of weight, and the pair that it belongs to; absent if no two had frames at once. */
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

/** A window is long for a context that got so many of the largest frames in it. */
const LONG_FRAMES = 1_000;
/** By how much the share of a long window may differ. */
const LONG_TOLERANCE = 0.05;

/**
 * Fairness of what guests post: a context is backlogged from its doorbell until a grant takes the last frame that it has
 * posted, whether the card has fetched its descriptors or not.
 *
 * Until its first descriptors have come, T ns later, it cannot be granted anything, so others may be ahead of it by what
 * the wire carries in that time and by what fits in the FIFO: C + r T bytes are added to the bound of the discipline,
 * over the smaller weight. This happens once per backlog; a context that runs out of descriptors later is not
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
  /** Bytes granted since the window began, and whether the context has had frames all the time. */
  readonly #granted = new Float64Array(MEASURED_CONTEXTS);
  readonly #always = new Uint8Array(MEASURED_CONTEXTS);
  #prefetchNs = 0;
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
    this.#waitsSinceNs[context] = nowNs;
    this.#gaps.begin(context);
  }

  /** Whether a context has had frames to send since the window began, without a break. */
  hadFramesAlways(context: ContextId): boolean {
    return this.#always[context] === 1;
  }

  /** Descriptors have arrived: half a frame is none. */
  fetched(context: ContextId): void {
    if (context < MEASURED_CONTEXTS && !this.#card.hasPosted(context)) this.end(context);
  }

  /** The first frame of a context can be granted. */
  ready(context: ContextId, nowNs: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    const sinceNs = present(this.#waitsSinceNs[context]);
    if (sinceNs >= 0) this.#prefetchNs = Math.max(this.#prefetchNs, nowNs - sinceNs);
    this.#waitsSinceNs[context] = -1;
    this.#gaps.begin(context);
  }

  /** A context was granted a frame, which has been taken. */
  granted(context: ContextId, bytes: number): void {
    if (context >= MEASURED_CONTEXTS) return;
    this.#granted[context] = present(this.#granted[context]) + bytes;
    this.#gaps.count(context, bytes / this.#terms.weight(context));
    if (!this.#card.hasPosted(context)) this.end(context);
  }

  /** Nothing that a context has posted is to be granted any more. */
  end(context: ContextId): void {
    if (context >= MEASURED_CONTEXTS) return;
    this.#waitsSinceNs[context] = -1;
    this.#always[context] = 0;
    this.#gaps.end(context);
  }

  /** The weight of a context changes: its pairs are judged by the old one until now, and long windows leave it out. */
  settle(context: ContextId): void {
    this.#always[context] = 0;
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
    for (const context of this.#seen) this.#always[context] = this.#gaps.isBacklogged(context) ? 1 : 0;
  }

  verdict(): PostedVerdict {
    let broken = this.#brokenBefore;
    let largest: PostedVerdict['largest'];
    for (const one of this.#seen) {
      for (const other of this.#seen) {
        if (one >= other) continue;
        const gapBytes = this.#gaps.gap(one, other);
        if (gapBytes === 0) continue;
        if (this.#isBroken(one, other)) broken += 1;
        if (gapBytes <= (largest?.gapBytes ?? 0)) continue;
        const boundBytes = this.#terms.boundBytes(one, other);
        largest = { gapBytes, boundBytes, addendBytes: this.#addend(one, other) };
      }
    }
    const longRun = this.#longRun();
    if (longRun !== undefined && (longRun.least < 1 - LONG_TOLERANCE || longRun.most > 1 + LONG_TOLERANCE))
      broken += 1;
    return { broken, largest, prefetchNs: this.#prefetchNs, longRun };
  }

  #isBroken(one: ContextId, other: ContextId): boolean {
    const allowed = this.#terms.boundBytes(one, other) + this.#addend(one, other);
    return this.#gaps.gap(one, other) > allowed * (1 + 1e-9);
  }

  #addend(one: ContextId, other: ContextId): number {
    const { fifoBytes, rateBps } = this.#card;
    const { weight } = this.#terms;
    return (fifoBytes + (rateBps * this.#prefetchNs) / 8e9) / Math.min(weight(one), weight(other));
  }

  #longRun(): PostedVerdict['longRun'] {
    const always = this.#seen.filter((context) => this.#always[context] === 1);
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
