import type { Observable, Subscription } from 'rxjs';
import { type Discipline, NOBODY, type Share } from './discipline.js';
import type { EventHandle, EventKernel, HandlerId } from './event-kernel.js';
import { Outlet } from './outlet.js';

/** What the scheduler asks of whoever holds the queues. */
export interface HeadsOfLine {
  /** Bytes of the frame at the head of the context's queue, or 0 while there is none that could go. */
  headBytes(context: number): number;
}

/** How a DmaScheduler is put together. */
export interface DmaSchedulerOptions {
  /** Name of the room, e.g. `nic.transmit`. */
  readonly room: string;
  readonly discipline: Discipline;
  readonly heads: HeadsOfLine;
  /** A context that may have work; ringing twice, or for nothing, does no harm. */
  readonly doorbells$: Observable<number>;
  /** Bytes of room that opened in front of the link since the last value. The first value is all of it. */
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

/**
 * Shares a link between contexts: doorbells and link-ready in, grants out.
 *
 * Observers only note what they hear; deciding happens in an event of its own at the same instant, so that a
 * doorbell rung from inside a completion changes no order. Room is counted as credit: a grant takes the
 * frame's bytes, `linkReady$` gives them back. A head frame that does not fit waits, and nobody overtakes it.
 */
export class DmaScheduler {
  /** The context granted, to be taken from its queue before the observer returns. The NIC listens here. */
  readonly granted$: Observable<number>;
  /** The same decisions in full, for people. Built only while somebody listens. */
  readonly grants$: Observable<Grant>;

  readonly #kernel: EventKernel;
  readonly #discipline: Discipline;
  readonly #heads: HeadsOfLine;
  readonly #granted: Outlet<number>;
  readonly #grants: Outlet<Grant>;
  readonly #doorbells$: Observable<number>;
  readonly #linkReady$: Observable<number>;
  readonly #decide: HandlerId;
  readonly #subscriptions: Subscription[] = [];
  #roomBytes = 0;
  #decisionPending = false;
  #wakeUp: EventHandle | undefined;
  #decisions = 0;

  // 0 unknown, 1 idle, 2 backlogged: what the discipline has been told, so that it is told once.
  #state: Uint8Array = new Uint8Array(64);

  constructor(kernel: EventKernel, options: DmaSchedulerOptions) {
    this.#kernel = kernel;
    this.#discipline = options.discipline;
    this.#heads = options.heads;
    this.#doorbells$ = options.doorbells$;
    this.#linkReady$ = options.linkReady$;
    this.#granted = new Outlet(`${options.room}.granted$`, kernel);
    this.#grants = new Outlet(`${options.room}.grants$`, kernel);
    this.granted$ = this.#granted.stream$;
    this.grants$ = this.#grants.stream$;
    this.#decide = kernel.register(`${options.room}.scheduler`, () => this.#onDecide());
  }

  /** Starts listening. */
  start(): void {
    if (this.#subscriptions.length > 0) throw new Error('the DMA scheduler has been started before');
    this.#subscriptions.push(
      // RxJS would move an exception to a host timer; the kernel throws it when this event ends.
      this.#doorbells$.subscribe((context) => {
        try {
          this.#onDoorbell(context);
        } catch (error) {
          this.#kernel.fail(error);
        }
      }),
      this.#linkReady$.subscribe((bytes) => {
        try {
          this.#onLinkReady(bytes);
        } catch (error) {
          this.#kernel.fail(error);
        }
      }),
    );
  }

  /** Stops listening; what is granted stays granted. */
  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Decisions made since the start. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Room in front of the link, bytes. */
  get roomBytes(): number {
    return this.#roomBytes;
  }

  /** A context takes part from now on. */
  join(context: number, share: Share): void {
    if (context >= this.#state.length) {
      const wider = new Uint8Array(2 ** Math.ceil(Math.log2(context + 1)));
      wider.set(this.#state);
      this.#state = wider;
    }
    if (this.#state[context] !== 0) throw new Error(`context ${context} takes part already`);
    this.#discipline.join(context, share);
    this.#state[context] = 1;
  }

  /** A context takes part no longer; its backlog is forgotten. */
  leave(context: number): void {
    if ((this.#state[context] ?? 0) === 0) return;
    this.withdraw(context);
    this.#discipline.leave(context);
    this.#state[context] = 0;
  }

  /** A context's backlog is gone without service (fault). It may ring again. */
  withdraw(context: number): void {
    if (this.#state[context] !== 2) return;
    this.#state[context] = 1;
    this.#discipline.withdraw(context, this.#kernel.nowNs);
  }

  /** A frame became known; passed on to disciplines that follow a reference system. */
  arrived(context: number, bytes: number): void {
    if ((this.#state[context] ?? 0) !== 0) this.#discipline.arrived?.(context, bytes, this.#kernel.nowNs);
  }

  checkInvariants(): void {
    this.#discipline.checkInvariants();
    if (this.#roomBytes < 0) throw new Error(`room is ${this.#roomBytes} bytes`);
  }

  #onDoorbell(context: number): void {
    if (this.#state[context] !== 1) return;
    const headBytes = this.#heads.headBytes(context);
    // Nothing there yet: its owner rings again when there is, so nothing is lost by forgetting this one.
    if (headBytes === 0) return;
    this.#state[context] = 2;
    this.#discipline.activate(context, headBytes, this.#kernel.nowNs);
    this.#requestDecision();
  }

  #onLinkReady(bytes: number): void {
    this.#roomBytes += bytes;
    this.#requestDecision();
  }

  #requestDecision(): void {
    if (this.#decisionPending) return;
    this.#decisionPending = true;
    this.#kernel.schedule(0, this.#decide);
  }

  #onDecide(): void {
    this.#decisionPending = false;
    for (;;) {
      const nowNs = this.#kernel.nowNs;
      const context = this.#discipline.select(nowNs);
      if (context === NOBODY) {
        this.#sleepUntilEligible(nowNs);
        return;
      }
      const bytes = this.#heads.headBytes(context);
      if (bytes === 0) {
        this.withdraw(context);
        continue;
      }
      if (bytes > this.#roomBytes) return;
      this.#roomBytes -= bytes;
      this.#decisions += 1;
      if (this.#grants.observed) {
        this.#grants.next({
          context,
          bytes,
          atNs: nowNs,
          roomBytes: this.#roomBytes,
          reason: this.#discipline.name,
        });
      }
      this.#granted.next(context);
      if (this.#state[context] !== 2) continue;
      const nextHeadBytes = this.#heads.headBytes(context);
      this.#state[context] = nextHeadBytes > 0 ? 2 : 1;
      this.#discipline.served(context, bytes, nextHeadBytes, nowNs);
    }
  }

  #sleepUntilEligible(nowNs: number): void {
    const eligibleNs = this.#discipline.nextEligibleNs?.(nowNs);
    if (eligibleNs === undefined || !Number.isFinite(eligibleNs) || eligibleNs <= nowNs) return;
    if (this.#wakeUp !== undefined) this.#kernel.cancel(this.#wakeUp);
    this.#wakeUp = this.#kernel.scheduleAt(Math.ceil(eligibleNs), this.#decide);
  }
}
