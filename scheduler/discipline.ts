import { ParameterError } from './errors.js';
/** What a context is entitled to. Disciplines read the fields that they understand and ignore the rest. */
export interface Share {
  /** Relative weight, a whole number >= 1. @defaultValue 1 */
  readonly weight: number;
  /** Smaller goes first (strict priority). @defaultValue 0 */
  readonly priority?: number;
  /** A frame should leave within this time of its arrival at the head (earliest deadline), ns. */
  readonly deadlineNs?: number;
  /** Group that the context belongs to in a hierarchy. @defaultValue 0 */
  readonly tenant?: number;
  /** Upper limit, bits a second; none when absent. */
  readonly limitBps?: number;
  /** Bytes that may go at once under the limit. */
  readonly burstBytes?: number;
  /** Lower limit that is served before weights count, bits a second. */
  readonly minimumBps?: number;
}

/** A share without its weight, which the card has in a register. */
export type Entitlement = Omit<Share, 'weight'>;

/** One context as a fairness bound sees it. */
export interface BoundMember {
  readonly weight: number;
  /** Largest frame that the context sends, bytes. */
  readonly maxFrameBytes: number;
}

/** No context may be served now. */
export const NONE = -1;

/**
 * Decides who is served next. Pure and synchronous: it holds no clock, no packets and no streams; it is told
 * what became backlogged and what was served, and answers one question.
 *
 * The contract between a discipline and whoever drives it:
 * - `join` comes before anything else about a context, `leave` ends it. A context number may join again.
 * - A context is backlogged from `activate` until a `served` with `nextHeadBytes` 0, or `withdraw`.
 *   `activate` for a backlogged context changes nothing: a second doorbell is not a second place in the queue.
 * - `select` may be asked any number of times before the frame is served (there may be no room for it yet)
 *   and must not charge anybody for being asked.
 * - `served` names the context that `select` gave last; `bytes` are those that were told as its head.
 * - Time never runs backwards between calls; `nowNs` is virtual.
 * - Frames are counted in the bytes that they occupy in a capture (padded to 60, without preamble, FCS, gap).
 */
export interface Discipline {
  /** Short name as the command line spells it, e.g. `drr`. */
  readonly name: string;

  join(context: number, share: Share): void;
  leave(context: number): void;

  /** An idle context has a frame of `headBytes` at its head. */
  activate(context: number, headBytes: number, nowNs: number): void;

  /**
   * A frame of `bytes` joined the context's queue (also told for the one that activates it, before
   * `activate`). Only for disciplines that follow a reference system such as GPS; the rest leave it out.
   */
  arrived?(context: number, bytes: number, nowNs: number): void;

  /** Whom to serve, or NONE. */
  select(nowNs: number): number;

  /** The head frame of `bytes` was taken; the next one has `nextHeadBytes`, or 0 if there is none. */
  served(context: number, bytes: number, nextHeadBytes: number, nowNs: number): void;

  /** The backlog of a context is gone without service: it faulted or was revoked. */
  withdraw(context: number, nowNs: number): void;

  /** When to ask again, ns, if `select` said NONE although somebody is backlogged (rate limits). */
  nextEligibleNs?(nowNs: number): number;

  /**
   * Upper bound on |S_i/w_i - S_j/w_j| over any interval in which both stay backlogged, in bytes a unit of
   * weight; Infinity where the discipline promises nothing. The source stands in each discipline's file.
   */
  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number;

  /** Throws when the state is not what it should be. */
  checkInvariants(): void;
}

/** A refused parameter of a discipline, in one voice. */
export function requireWeight(discipline: string, context: number, weight: number): void {
  if (!Number.isInteger(weight) || weight < 1) {
    throw new ParameterError(
      `${discipline}: weight of context ${context} is ${weight}, expected a whole number >= 1`,
    );
  }
}
