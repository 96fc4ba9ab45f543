import type { Observable } from 'rxjs';
import { AttendedHeads } from './attended-heads.js';
import type { ContextId } from './branded.js';
import { DecisionEvents } from './decision-events.js';
import { NONE, type Share, STARVED } from './discipline.js';
import type { DmaSchedulerOptions, Grant } from './dma-scheduler-options.js';
import type { EventKernel } from './event-kernel.js';
import { GuardedSubject } from './guarded-subject.js';
import { BEHIND } from './heads-of-line.js';
import { ABSENT, BACKLOGGED, IDLE, InformedDiscipline, KEEPING_PLACE } from './informed-discipline.js';
import { LinkCredit } from './link-credit.js';

export type { DmaSchedulerOptions, Grant } from './dma-scheduler-options.js';
export { BEHIND, type HeadsOfLine } from './heads-of-line.js';

/**
 * Shares a link between contexts: doorbells and credit in, grants out. This is the imperative core on the packet
 * path; `fairShare` is the same as an RxJS operator.
 *
 * `ring` and `credit` only note what they are told; deciding happens in an event of its own at the same instant,
 * so that a doorbell rung from inside a completion does not change the order. A grant takes the frame's bytes from the
 * link's credit, `credit` returns them. While the selected frame does not fit nothing is granted: a smaller frame
 * of another context would overtake it every time. The discipline is asked again when there is more credit.
 */
export class DmaScheduler {
  /**
   * A tap: the decisions as they are made, each before its frame is taken. It drives nothing, and nothing is
   * built for it while it is not observed.
   */
  readonly grants$: Observable<Grant>;

  readonly #kernel: EventKernel;
  readonly #informed: InformedDiscipline;
  readonly #heads: AttendedHeads;
  readonly #onGrant: (context: ContextId, bytes: number) => void;
  readonly #waitsForStarved: boolean;
  readonly #isHeldUp: ((context: ContextId) => boolean) | undefined;
  readonly #onSettled: (() => void) | undefined;
  readonly #grants: GuardedSubject<Grant>;
  readonly #credit: LinkCredit;
  readonly #events: DecisionEvents;
  #deciding = false;
  #stopped = false;
  #decisions = 0;

  // The starved context that decisions wait for, and the bytes of its grant, not yet reported to the discipline.
  #awaited = NONE;
  #unchargedBytes = 0;

  constructor(kernel: EventKernel, options: DmaSchedulerOptions) {
    const { discipline, name, onError } = options;
    this.#kernel = kernel;
    this.#informed = new InformedDiscipline(name, discipline, options.overheadBytes ?? 0);
    this.#heads = new AttendedHeads(options.heads);
    this.#onGrant = options.onGrant;
    this.#waitsForStarved = options.waitsForStarved ?? false;
    this.#isHeldUp = options.isHeldUp;
    this.#onSettled = options.onSettled;
    this.#grants = new GuardedSubject(`${name}.grants$`, kernel);
    this.grants$ = this.#grants.stream$;
    this.#credit = new LinkCredit(name);
    this.#events = new DecisionEvents(kernel, name, () => this.#onDecide(), onError);
  }

  /** Stops for good: nothing is granted any more; what is granted stays granted. */
  stop(): void {
    this.#stopped = true;
    this.#events.cancelWakeUp();
  }

  /** Decisions made since the start. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Credit that the link has left, bytes. */
  get creditBytes(): number {
    return this.#credit.bytes;
  }

  /** Contexts that the discipline knows to have a frame. */
  get backlogged(): number {
    return this.#informed.backlogged;
  }

  /** Whether it decides now, later at this instant, or when the discipline says that a context becomes eligible. */
  get willDecide(): boolean {
    return this.#deciding || this.#events.areDue;
  }

  /** A context takes part from now on. @throws ParameterError for NO_CONTEXT. */
  join(context: ContextId, share: Share): void {
    this.#informed.join(context, share);
  }

  /** A context no longer takes part; its backlog is forgotten. No effect if it did not take part. */
  leave(context: ContextId): void {
    if (!this.has(context)) return;
    this.withdraw(context);
    this.#informed.leave(context, this.#toldNs);
  }

  /** Changes the share of a context from now on; its backlog stays. No effect if it does not take part. */
  reweigh(context: ContextId, share: Share): void {
    if (!this.has(context)) return;
    this.leave(context);
    this.join(context, share);
    this.ring(context);
  }

  /** Whether a context takes part. */
  has(context: ContextId): boolean {
    return this.#informed.stateOf(context) !== ABSENT;
  }

  /** The backlog of a context is lost without service (fault). It may ring again. */
  withdraw(context: ContextId): void {
    const state = this.#informed.stateOf(context);
    if (state === KEEPING_PLACE) this.#informed.withdraw(context, this.#toldNs);
    if (state !== BACKLOGGED) return;
    if (context === this.#awaited) this.#charge(0);
    else this.#withdraw(context);
    // The others may have waited for its frame to fit.
    if (this.#informed.backlogged > 0) this.#events.request();
    else this.#events.cancelWakeUp();
  }

  /**
   * The frames of a context may not go: from now on its head is BEHIND, until it rings. The others go on, in their
   * shares of what is left. @see Discipline.pause
   */
  pause(context: ContextId): void {
    if (context === this.#awaited) this.#charge(BEHIND);
    const wasBacklogged = this.#informed.stateOf(context) === BACKLOGGED;
    this.#informed.pause(context, this.#toldNs);
    // The others may have waited for it, or for its frame to fit.
    if (this.#informed.backlogged > 0) this.#events.request();
    else if (wasBacklogged) this.#events.cancelWakeUp();
  }

  /** A frame became known; reported to disciplines that follow a reference system. */
  arrived(context: ContextId, bytes: number): void {
    this.#informed.arrived(context, bytes, this.#toldNs);
  }

  /** The link has another rate, bits per second, for what it begins to send from now on. */
  linkRateChanged(linkBps: number): void {
    this.#informed.linkRateChanged(linkBps, this.#kernel.nowNs);
  }

  /** A doorbell: the context may have work. Redundant doorbells do no harm. */
  ring(context: ContextId): void {
    if (this.#heads.notes(context)) return;
    if (context === this.#awaited) {
      this.#resume();
      return;
    }
    const state = this.#informed.stateOf(context);
    if ((state !== IDLE && state !== KEEPING_PLACE) || this.#stopped) return;
    let headBytes = this.#heads.bytes(context);
    if (headBytes <= 0 && this.#heads.rang) headBytes = this.#heads.bytes(context);
    if (headBytes === 0 && state === KEEPING_PLACE) this.#informed.withdraw(context, this.#toldNs);
    // Nothing there yet: the doorbell is rung again when there is, so nothing is lost by forgetting this one.
    if (headBytes <= 0) return;
    this.#informed.activate(context, headBytes, this.#toldNs);
    this.#events.request();
  }

  /**
   * The link has `bytes` more of credit. The first call gives all of it, at least the longest frame; later calls
   * return what was granted, in portions of any size.
   * @throws InvariantViolation when more is returned than was granted.
   */
  credit(bytes: number): void {
    this.#credit.give(bytes);
    this.#events.request();
  }

  checkInvariants(): void {
    this.#informed.checkInvariants();
    this.#credit.checkInvariants();
  }

  /** The time, as the discipline is told of it. */
  get #toldNs(): number {
    return this.#informed.timeless ? 0 : this.#kernel.nowNs;
  }

  #withdraw(context: ContextId): void {
    // If it left during its grant, no context is charged for that grant.
    this.#heads.forget(context);
    this.#informed.withdraw(context, this.#toldNs);
  }

  #onDecide(): void {
    this.#deciding = true;
    this.#serve();
    this.#deciding = false;
    this.#onSettled?.();
  }

  #serve(): void {
    while (this.#informed.backlogged > 0 && !this.#stopped) {
      if (this.#awaited !== NONE) {
        const waits = !this.#credit.isWhole || this.#isHeldUp?.(this.#awaited) === true;
        if (waits || this.#informed.backlogged === 1) return;
        this.#charge(STARVED);
        continue;
      }
      const nowNs = this.#toldNs;
      const context = this.#informed.select(nowNs);
      if (context === NONE) {
        this.#events.wakeAt(this.#informed.nextEligibleNs(nowNs));
        return;
      }
      const bytes = this.#heads.bytes(context);
      if (bytes <= 0) {
        const { rang } = this.#heads;
        this.#withdraw(context);
        if (rang) this.ring(context);
        continue;
      }
      if (this.#informed.stateOf(context) !== BACKLOGGED) continue;
      if (bytes > this.#credit.bytes) {
        this.#credit.requireThatItCanEverFit(context, bytes);
        return;
      }
      this.#grant(context, bytes);
    }
  }

  #grant(context: ContextId, bytes: number): void {
    this.#credit.take(bytes);
    this.#decisions += 1;
    this.#heads.attend(context);
    if (this.#grants.observed) {
      const reason = this.#informed.name;
      const atNs = this.#kernel.nowNs;
      this.#grants.next({ context, bytes, atNs, creditBytes: this.#credit.bytes, reason });
    }
    this.#onGrant(context, bytes);
    if (!this.#heads.dismiss(context)) return;
    const nextHeadBytes = this.#heads.bytes(context);
    const { rang } = this.#heads;
    if (this.#informed.stateOf(context) !== BACKLOGGED) return;
    this.#awaited = context;
    this.#unchargedBytes = bytes;
    if (nextHeadBytes !== STARVED || !this.#waitsForStarved) this.#charge(nextHeadBytes);
    if (rang) this.ring(context);
  }

  /** The starved context that decisions wait for has rung: its next frame may be known now, or gone. */
  #resume(): void {
    const headBytes = this.#heads.bytes(this.#awaited);
    if (headBytes === STARVED) return;
    this.#charge(headBytes);
    this.#events.request();
  }

  /** Reports the last grant to the discipline, with the current head of its context. */
  #charge(nextHeadBytes: number): void {
    const context = this.#awaited;
    this.#awaited = NONE;
    this.#informed.charge(context, this.#unchargedBytes, nextHeadBytes, this.#toldNs);
  }
}
