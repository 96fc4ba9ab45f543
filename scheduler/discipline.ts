import { type ContextId, NO_CONTEXT } from './branded.js';
import { ParameterError } from './errors.js';
/** What a context is entitled to. Disciplines read the fields that they understand and ignore the rest. */
export interface Share {
  /** Relative weight, a whole number >= 1. @defaultValue 1 */
  readonly weight: number;
  /** Smaller is served first (strict priority). @defaultValue 0 */
  readonly priority?: number;
  /** A frame should leave within this time of its arrival at the head (earliest deadline), ns. */
  readonly deadlineNs?: number;
  /** Number of the tenant that the context belongs to in a hierarchy. @defaultValue 0 */
  readonly tenant?: number;
  /** Upper limit, bits per second; none when absent. */
  readonly limitBps?: number;
  /** Bytes that may be sent at once under the limit. */
  readonly burstBytes?: number;
  /** Guaranteed minimum, served before weights count, bits per second. */
  readonly minimumBps?: number;
  /** Largest frame that it sends, bytes as they are counted: a smaller one makes the bound of `qfq` tighter. */
  readonly maxFrameBytes?: number;
}

/** One context as a fairness bound sees it. */
export interface BoundMember {
  readonly weight: number;
  /** Largest frame that the context sends, bytes. */
  readonly maxFrameBytes: number;
  /** What its share declares as the largest frame, if anything. */
  readonly declaredMaxFrameBytes?: number | undefined;
}

/** No context may be served now. */
export const NONE = NO_CONTEXT;

/**
 * Takes the place of a head's length: the context has frames, but the length of the next one is not known yet (posted,
 * its descriptor not fetched). 0 means that it has none.
 */
export const STARVED = -1;

/**
 * Decides which context is served next. Pure and synchronous: it holds no clock, no packets and no streams; it is
 * told what became backlogged and what was served, and answers one query.
 *
 * A context is in one of three states:
 * - *idle*: it has no frame. What it saved (deficit, credit) is forfeited; its debt remains.
 * - *ready*: it has a frame of known length. Only ready contexts are selected.
 * - *starved*: it has frames, but the card does not know the next one yet. It is not selected, nothing waits for it,
 *   and it keeps its deficit, its tag and its position: a slow fetch does not penalise a guest with small frames.
 *
 * The contract between a discipline and its driver:
 * - `join` comes before anything else about a context, `leave` ends it, in whatever state the context is. A context
 *   number may join again. `leave` while ready or starved equals `withdraw` followed by `leave` at the same instant, in
 *   every discipline and composition: frames that were not served are not charged, and what the context was served in
 *   advance stays charged if it joins again.
 * - idle to ready: `activate`. Ready to idle: `served` with `nextHeadBytes` 0, or `withdraw`.
 * - ready to starved: `starve`, instead of `served`. Starved to ready: `activate`. Starved to idle: `withdraw`.
 *   A discipline without `starve` is told `served` with 0 instead, and treats the context as idle.
 * - `activate` for a ready context changes nothing: a second doorbell does not give a second position in the queue.
 * - `select` may be called any number of times before the frame is served (it may not fit yet): without other calls in
 *   between the answer stays the same, and no context is charged for it.
 * - `served` and `starve` name the context that `select` returned last; `bytes` are those announced for its head.
 * - Time never runs backwards between calls; `nowNs` is virtual.
 * - Frames are counted in the bytes that they occupy in a capture (padded to 60, without preamble, FCS, gap), or in
 *   those that the wire carries, as the driver chooses.
 */
export interface Discipline {
  /** Short name as the command line spells it, e.g. `drr`. */
  readonly name: string;

  /**
   * Whether no answer depends on `nowNs`. Its driver then says 0: a time is allocated for each call that takes it, from 2.1 s
   * of virtual time on. @defaultValue false
   */
  readonly timeless?: boolean;

  join(context: ContextId, share: Share): void;
  leave(context: ContextId, nowNs: number): void;

  /** An idle context has a frame of `headBytes` at its head. */
  activate(context: ContextId, headBytes: number, nowNs: number): void;

  /**
   * A frame of `bytes` joined the context's queue (also called for the frame that activates it, before
   * `activate`). Only for disciplines that follow a reference system such as GPS; the rest omit it.
   */
  arrived?(context: ContextId, bytes: number, nowNs: number): void;

  /** The context to serve, or NONE. */
  select(nowNs: number): ContextId;

  /** The head frame of `bytes` was taken; the next one has `nextHeadBytes`, or 0 if there is none. */
  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void;

  /**
   * The head frame of `bytes` was taken, and there are more, but the next is not known yet. The context is
   * starved until `activate`. Called instead of `served`; disciplines that cannot keep a position omit it.
   */
  starve?(context: ContextId, bytes: number, nowNs: number): void;

  /**
   * The frames of a ready or starved context may not go now (priority flow control). It is not selected and nothing waits
   * for it until `activate`, in between `withdraw` may come. It keeps what it had saved and what it owes, and has no claim
   * to what it missed: a long pause is not paid back at the cost of the others. A discipline in which `withdraw` does just
   * that omits it, and is told that instead.
   */
  pause?(context: ContextId, nowNs: number): void;

  /** The backlog of a context is gone without service: it faulted, was revoked, or had none after all. */
  withdraw(context: ContextId, nowNs: number): void;

  /**
   * The link has another rate, bits per second, for what it begins to send from now on. A discipline that computes with the
   * rate that it is told when it is made has to have it, or it goes on with that one; the rest omit it.
   */
  linkRateChanged?(linkBps: number, nowNs: number): void;

  /** When to ask again, ns, if `select` said NONE although a context is ready (rate limits). */
  nextEligibleNs?(nowNs: number): number;

  /**
   * Upper bound on |S_i/w_i - S_j/w_j| over any interval in which both stay backlogged, in bytes per unit of
   * weight; Infinity where the discipline promises nothing. The source is in each discipline's file.
   */
  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number;

  /** @throws InvariantViolation when the state is inconsistent. */
  checkInvariants(): void;
}

/** A refused weight, with the same message in every discipline. */
export function requireWeight(discipline: string, context: ContextId, weight: number): void {
  if (!Number.isInteger(weight) || weight < 1) {
    throw new ParameterError(
      `${discipline}: weight of context ${context} is ${weight}, expected a whole number >= 1`,
    );
  }
}

/** Methods that every discipline has; the others are optional. */
export const DISCIPLINE_METHODS = [
  'join',
  'leave',
  'activate',
  'select',
  'served',
  'withdraw',
  'relativeFairnessBoundBytes',
  'checkInvariants',
] as const satisfies readonly (keyof Discipline)[];
