import { type ContextId, NO_CONTEXT, storedContextId } from '../../scheduler/branded.js';
import type { BoundMember, Discipline, Share } from '../../scheduler/discipline.js';
import { present } from '../../scheduler/present.js';

const JOIN = 0;
const LEAVE = 1;
const ARRIVED = 2;
const ACTIVATE = 3;
const SELECT = 4;
const SERVED = 5;
const WITHDRAW = 6;
const STARVE = 7;
const PAUSE = 8;
const LINK_RATE = 9;

/** Numbers that a call takes in the log: which, context, bytes, bytes of the next head, time. */
const FIELDS = 5;

/**
 * A discipline that notes every call on its way to another one, so that the same calls can be played to a fresh
 * one with nothing else around them: that is how the cost of a decision is measured.
 */
export class CallLog implements Discipline {
  readonly name: string;
  readonly nextEligibleNs?: (nowNs: number) => number;
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly starve?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #inner: Discipline;
  readonly #calls: number[] = [];
  readonly #shares: Share[] = [];
  #decisions = 0;

  constructor(inner: Discipline) {
    this.#inner = inner;
    this.name = inner.name;
    if (inner.nextEligibleNs !== undefined)
      this.nextEligibleNs = (nowNs) => inner.nextEligibleNs?.(nowNs) ?? Number.POSITIVE_INFINITY;
    if (inner.arrived !== undefined) {
      this.arrived = (context, bytes, nowNs) => {
        this.#note(ARRIVED, context, bytes, 0, nowNs);
        inner.arrived?.(context, bytes, nowNs);
      };
    }
    if (inner.starve !== undefined) {
      this.starve = (context, bytes, nowNs) => {
        this.#decisions += 1;
        this.#note(STARVE, context, bytes, 0, nowNs);
        inner.starve?.(context, bytes, nowNs);
      };
    }
    if (inner.pause !== undefined) {
      this.pause = (context, nowNs) => {
        this.#note(PAUSE, context, 0, 0, nowNs);
        inner.pause?.(context, nowNs);
      };
    }
    if (inner.linkRateChanged !== undefined) {
      this.linkRateChanged = (linkBps, nowNs) => {
        this.#note(LINK_RATE, NO_CONTEXT, linkBps, 0, nowNs);
        inner.linkRateChanged?.(linkBps, nowNs);
      };
    }
  }

  /** Frames that were served. */
  get decisions(): number {
    return this.#decisions;
  }

  join(context: ContextId, share: Share): void {
    this.#note(JOIN, context, this.#shares.length, 0, 0);
    this.#shares.push(share);
    this.#inner.join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.#note(LEAVE, context, 0, 0, nowNs);
    this.#inner.leave(context, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#note(ACTIVATE, context, headBytes, 0, nowNs);
    this.#inner.activate(context, headBytes, nowNs);
  }

  select(nowNs: number): ContextId {
    this.#note(SELECT, NO_CONTEXT, 0, 0, nowNs);
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#decisions += 1;
    this.#note(SERVED, context, bytes, nextHeadBytes, nowNs);
    this.#inner.served(context, bytes, nextHeadBytes, nowNs);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#note(WITHDRAW, context, 0, 0, nowNs);
    this.#inner.withdraw(context, nowNs);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    this.#inner.checkInvariants();
  }

  /** Plays every call to a fresh discipline of the same kind, which chooses as the first one did. */
  play(fresh: Discipline): void {
    const calls = this.#calls;
    for (let at = 0; at < calls.length; at += FIELDS) {
      const context = storedContextId(present(calls[at + 1]));
      const bytes = present(calls[at + 2]);
      const nowNs = present(calls[at + 4]);
      switch (calls[at]) {
        case SELECT:
          fresh.select(nowNs);
          break;
        case SERVED:
          fresh.served(context, bytes, present(calls[at + 3]), nowNs);
          break;
        case ACTIVATE:
          fresh.activate(context, bytes, nowNs);
          break;
        case ARRIVED:
          fresh.arrived?.(context, bytes, nowNs);
          break;
        case WITHDRAW:
          fresh.withdraw(context, nowNs);
          break;
        case STARVE:
          fresh.starve?.(context, bytes, nowNs);
          break;
        case PAUSE:
          fresh.pause?.(context, nowNs);
          break;
        case LINK_RATE:
          // A rate stands where other calls have bytes.
          fresh.linkRateChanged?.(bytes, nowNs);
          break;
        case LEAVE:
          fresh.leave(context, nowNs);
          break;
        default:
          fresh.join(context, this.#shares[bytes] ?? { weight: 1 });
      }
    }
  }

  #note(call: number, context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#calls.push(call, context, bytes, nextHeadBytes, nowNs);
  }
}
