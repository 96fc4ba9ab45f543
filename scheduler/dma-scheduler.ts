import type { Observable, Subscription } from 'rxjs';
import { type Discipline, NONE, type Share } from './discipline.js';
import { InvariantViolation, ParameterError } from './errors.js';
import type { EventHandle, EventKernel, HandlerId } from './event-kernel.js';
import { GuardedSubject } from './guarded-subject.js';
import { listen } from './listen.js';

/** What the scheduler asks of whoever holds the queues. */
export interface HeadsOfLine {
  /**
   * Bytes of the frame at the head of the context's queue, or 0 while there is none that could go. Whoever
   * answers 0 rings the context's doorbell when there is one.
   */
  headBytes(context: number): number;
}

/** How a DmaScheduler is put together. */
export interface DmaSchedulerOptions {
  /** Name of the room, e.g. `nic.transmit`. */
  readonly name: string;
  readonly discipline: Discipline;
  readonly heads: HeadsOfLine;
  /** A context that may have work; ringing twice, or for nothing, does no harm. */
  readonly doorbells$: Observable<number>;
  /**
   * Bytes of room that opened in front of the link since the last value. The first value is all of it, and at
   * least the longest frame; from then on what was granted comes back, in whatever portions.
   */
  readonly linkReady$: Observable<number>;
}

/** One decision, as an observer sees it. */
export interface Grant {
  readonly context: number;
  readonly bytes: number;
  readonly atNs: number;
  /** Room in front of the link after this grant, bytes. */
  readonly roomBytes: number;
  /** The discipline that decided. */
  readonly reason: string;
}

const ABSENT = 0;
const IDLE = 1;
const BACKLOGGED = 2;

/**
 * Shares a link between contexts: doorbells and link-ready in, grants out.
 *
 * Observers only note what they hear; deciding happens in an event of its own at the same instant, so that a
 * doorbell rung from inside a completion changes no order. Room is counted as credit: a grant takes the
 * frame's bytes, `linkReady$` gives them back. While the chosen frame does not fit nothing is granted: a smaller
 * frame of somebody else would overtake it every time. The discipline is asked anew when there is more room.
 */
export class DmaScheduler {
  /** The context granted, to be taken from its queue before the observer returns. The NIC listens here. */
  readonly granted$: Observable<number>;
  /** The same decisions in full, for people. Built only while somebody listens. */
  readonly grants$: Observable<Grant>;

  readonly #name: string;
  readonly #kernel: EventKernel;
  readonly #discipline: Discipline;
  readonly #heads: HeadsOfLine;
  readonly #granted: GuardedSubject<number>;
  readonly #grants: GuardedSubject<Grant>;
  readonly #doorbells$: Observable<number>;
  readonly #linkReady$: Observable<number>;
  readonly #decide: HandlerId;
  readonly #subscriptions: Subscription[] = [];
  #capacityBytes: number | undefined;
  #roomBytes = 0;
  #decisionPending = false;
  #wakeUp: EventHandle | undefined;
  #decisions = 0;

  // ABSENT, IDLE or BACKLOGGED: what the discipline has been told, so that it is told once.
  #state: Uint8Array = new Uint8Array(64);
  #backlogged = 0;

  // The context that is asked for its head or told of its grant, and what happened to it meanwhile.
  #attending = NONE;
  #rangMeanwhile = false;

  constructor(kernel: EventKernel, options: DmaSchedulerOptions) {
    this.#name = options.name;
    this.#kernel = kernel;
    this.#discipline = options.discipline;
    this.#heads = options.heads;
    this.#doorbells$ = options.doorbells$;
    this.#linkReady$ = options.linkReady$;
    this.#granted = new GuardedSubject(`${options.name}.granted$`, kernel);
    this.#grants = new GuardedSubject(`${options.name}.grants$`, kernel);
    this.granted$ = this.#granted.stream$;
    this.grants$ = this.#grants.stream$;
    this.#decide = kernel.register(`${options.name}.scheduler`, () => this.#onDecide());
  }

  /** Starts listening. */
  start(): void {
    if (this.#subscriptions.length > 0)
      throw new InvariantViolation('the DMA scheduler has been started before');
    this.#subscriptions.push(
      listen(this.#doorbells$, this.#kernel, (context) => this.#onDoorbell(context)),
      listen(this.#linkReady$, this.#kernel, (bytes) => this.#onLinkReady(bytes)),
    );
  }

  /** Stops listening; what is granted stays granted. */
  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#cancelWakeUp();
  }

  /** Decisions made since the start. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Room in front of the link, bytes. */
  get roomBytes(): number {
    return this.#roomBytes;
  }

  /** Contexts that the discipline knows to have a frame. */
  get backlogged(): number {
    return this.#backlogged;
  }

  /** A context takes part from now on. @param context a whole number >= 0, small: tables are as long. */
  join(context: number, share: Share): void {
    if (!Number.isInteger(context) || context < 0) {
      throw new ParameterError(`context is ${context}, expected a whole number >= 0`);
    }
    if (context >= this.#state.length) {
      const wider = new Uint8Array(2 ** Math.ceil(Math.log2(context + 1)));
      wider.set(this.#state);
      this.#state = wider;
    }
    if (this.#state[context] !== ABSENT)
      throw new InvariantViolation(`context ${context} takes part already`);
    this.#discipline.join(context, share);
    this.#state[context] = IDLE;
  }

  /** A context takes part no longer; its backlog is forgotten. Nothing happens if it took no part. */
  leave(context: number): void {
    if ((this.#state[context] ?? ABSENT) === ABSENT) return;
    this.withdraw(context);
    this.#discipline.leave(context);
    this.#state[context] = ABSENT;
  }

  /** A context's backlog is gone without service (fault). It may ring again. */
  withdraw(context: number): void {
    if (this.#state[context] !== BACKLOGGED) return;
    this.#withdraw(context);
    // It may have been the one that the others waited for.
    if (this.#backlogged > 0) this.#requestDecision();
    else this.#cancelWakeUp();
  }

  /** A frame became known; passed on to disciplines that follow a reference system. */
  arrived(context: number, bytes: number): void {
    if ((this.#state[context] ?? ABSENT) === ABSENT) return;
    this.#discipline.arrived?.(context, bytes, this.#kernel.nowNs);
  }

  checkInvariants(): void {
    this.#discipline.checkInvariants();
    if (this.#roomBytes < 0 || this.#roomBytes > (this.#capacityBytes ?? 0)) {
      throw new InvariantViolation(
        `${this.#name}: room is ${this.#roomBytes} bytes of ${this.#capacityBytes}`,
      );
    }
    const backlogged = this.#state.reduce((count, state) => count + (state === BACKLOGGED ? 1 : 0), 0);
    if (backlogged !== this.#backlogged) {
      throw new InvariantViolation(
        `${this.#name}: ${this.#backlogged} backlogged contexts counted, ${backlogged} found`,
      );
    }
  }

  #onDoorbell(context: number): void {
    if (context === this.#attending) {
      this.#rangMeanwhile = true;
      return;
    }
    if (this.#state[context] !== IDLE) return;
    let headBytes = this.#headBytes(context);
    if (headBytes === 0 && this.#rangMeanwhile) headBytes = this.#headBytes(context);
    // Nothing there yet: its owner rings again when there is, so nothing is lost by forgetting this one.
    if (headBytes === 0) return;
    this.#state[context] = BACKLOGGED;
    this.#backlogged += 1;
    this.#discipline.activate(context, headBytes, this.#kernel.nowNs);
    this.#requestDecision();
  }

  #onLinkReady(bytes: number): void {
    this.#capacityBytes ??= bytes;
    const roomBytes = this.#roomBytes + bytes;
    if (!(Number.isInteger(bytes) && bytes >= 0 && roomBytes <= this.#capacityBytes)) {
      throw new RangeError(
        `${this.#name}: the link gave back ${bytes} bytes where ${this.#roomBytes} of ${this.#capacityBytes} ` +
          'were free, expected a whole number that was granted before',
      );
    }
    this.#roomBytes = roomBytes;
    this.#requestDecision();
  }

  #withdraw(context: number): void {
    this.#state[context] = IDLE;
    this.#backlogged -= 1;
    // Gone while it was granted: the grant has nobody left to be charged to, even if it rings again at once.
    if (this.#attending === context) this.#attending = NONE;
    this.#discipline.withdraw(context, this.#kernel.nowNs);
  }

  #requestDecision(): void {
    if (this.#decisionPending) return;
    this.#decisionPending = true;
    this.#kernel.post(0, this.#decide);
  }

  #onDecide(): void {
    this.#decisionPending = false;
    while (this.#backlogged > 0) {
      const nowNs = this.#kernel.nowNs;
      const context = this.#discipline.select(nowNs);
      if (context === NONE) {
        this.#sleepUntilEligible(nowNs);
        return;
      }
      if (this.#state[context] !== BACKLOGGED) {
        throw new InvariantViolation(
          `${this.#name}: ${this.#discipline.name} chose context ${context}, which has no backlog`,
        );
      }
      const bytes = this.#headBytes(context);
      if (bytes === 0) {
        const rang = this.#rangMeanwhile;
        this.#withdraw(context);
        if (rang) this.#onDoorbell(context);
        continue;
      }
      if (this.#state[context] !== BACKLOGGED) continue;
      if (bytes > this.#roomBytes) {
        this.#requireThatItCanEverFit(context, bytes);
        return;
      }
      this.#grant(context, bytes, nowNs);
    }
  }

  /** Asks for the head of a queue. A doorbell that lands meanwhile is noted, not answered: it may be for what is just gone. */
  #headBytes(context: number): number {
    const before = this.#attending;
    this.#attending = context;
    this.#rangMeanwhile = false;
    const bytes = this.#heads.headBytes(context);
    this.#attending = before;
    return bytes;
  }

  #grant(context: number, bytes: number, nowNs: number): void {
    this.#roomBytes -= bytes;
    this.#decisions += 1;
    this.#attending = context;
    if (this.#grants.observed) {
      const reason = this.#discipline.name;
      this.#grants.next({ context, bytes, atNs: nowNs, roomBytes: this.#roomBytes, reason });
    }
    this.#granted.next(context);
    const stayed = this.#attending === context;
    this.#attending = NONE;
    if (!stayed) return;
    const nextHeadBytes = this.#headBytes(context);
    const rang = this.#rangMeanwhile;
    if (this.#state[context] !== BACKLOGGED) return;
    if (nextHeadBytes === 0) {
      this.#state[context] = IDLE;
      this.#backlogged -= 1;
    }
    this.#discipline.served(context, bytes, nextHeadBytes, nowNs);
    if (rang) this.#onDoorbell(context);
  }

  #sleepUntilEligible(nowNs: number): void {
    const eligibleNs = this.#discipline.nextEligibleNs?.(nowNs);
    if (eligibleNs === undefined) {
      throw new InvariantViolation(
        `${this.#name}: ${this.#discipline.name} serves nobody although ${this.#backlogged} wait`,
      );
    }
    this.#cancelWakeUp();
    if (eligibleNs === Number.POSITIVE_INFINITY) return;
    // Never this instant again: rounding in a discipline must not stop the clock.
    this.#wakeUp = this.#kernel.scheduleAt(Math.max(Math.ceil(eligibleNs), nowNs + 1), this.#decide);
  }

  #cancelWakeUp(): void {
    if (this.#wakeUp !== undefined) this.#kernel.cancel(this.#wakeUp);
    this.#wakeUp = undefined;
  }

  #requireThatItCanEverFit(context: number, bytes: number): void {
    if (this.#capacityBytes === undefined || bytes <= this.#capacityBytes) return;
    throw new InvariantViolation(
      `${this.#name}: context ${context} has a frame of ${bytes} bytes at its head, ` +
        `and there is never room for more than ${this.#capacityBytes}`,
    );
  }
}
