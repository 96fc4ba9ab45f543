import type { Observable } from 'rxjs';
import { type ContextId, contextId } from './branded.js';
import { type Discipline, NONE, type Share, STARVED } from './discipline.js';
import { InvariantViolation } from './errors.js';
import type { EventHandle, EventKernel, HandlerId } from './event-kernel.js';
import { GuardedSubject } from './guarded-subject.js';
import { powerOfTwoFrom } from './whole-logarithm.js';

/**
 * Takes the place of a head's length: the context has frames, and the first of them is for another link. As with STARVED
 * it keeps its position where the discipline can, but decisions never wait for it: how long that frame waits is not
 * this link's to know.
 */
export const BEHIND = -2;

/** What the scheduler asks of the component that holds the queues. */
export interface HeadsOfLine {
  /**
   * Bytes of the frame at the head of the context's queue; STARVED while the context has frames of which the first
   * is not known yet; BEHIND while the first is for another link; 0 while it has none. After anything but a length
   * the context's doorbell must be rung when that changes.
   */
  headBytes(context: ContextId): number;
}

/** Options of a DmaScheduler. */
export interface DmaSchedulerOptions {
  /** Name of the component, e.g. `nic.transmit`; errors and streams carry it. */
  readonly name: string;
  readonly discipline: Discipline;
  readonly heads: HeadsOfLine;
  /** The context is granted its head frame of `bytes`, and takes it from its queue before it returns. */
  readonly onGrant: (context: ContextId, bytes: number) => void;
  /** Overhead of a frame on the link, bytes; the discipline counts it with each frame. Default: 0. */
  readonly overheadBytes?: number;
  /**
   * Whether decisions wait while the context granted last is starved and the link still has granted frames to
   * send. The link stays busy, and the shares do not depend on how fast descriptors arrive. When the link has
   * no more of them, or with false (the default), the context is `starve`d and the others continue.
   */
  readonly waitsForStarved?: boolean;
  /** A decision event has ended: nothing can be granted before the next `ring`, `credit` or eligible time. */
  readonly onSettled?: () => void;
  /** Receives what a decision throws. Default: it is thrown by the kernel's `run`. */
  readonly onError?: (error: unknown) => void;
}

/** One decision, as an observer sees it. */
export interface Grant {
  readonly context: ContextId;
  readonly bytes: number;
  readonly atNs: number;
  /** Credit that the link has left after this grant, bytes. */
  readonly creditBytes: number;
  /** The discipline that decided. */
  readonly reason: string;
}

const ABSENT = 0;
const IDLE = 1;
const BACKLOGGED = 2;
// For a discipline that keeps the position of a starved context; all others see the context as idle.
const KEEPING_PLACE = 3;

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

  readonly #name: string;
  readonly #kernel: EventKernel;
  readonly #discipline: Discipline;
  readonly #heads: HeadsOfLine;
  readonly #onGrant: (context: ContextId, bytes: number) => void;
  readonly #overheadBytes: number;
  readonly #waitsForStarved: boolean;
  readonly #onSettled: (() => void) | undefined;
  readonly #grants: GuardedSubject<Grant>;
  readonly #decide: HandlerId;
  #capacityBytes: number | undefined;
  #creditBytes = 0;
  #decisionPending = false;
  #deciding = false;
  #wakeUp: EventHandle | undefined;
  #stopped = false;
  #decisions = 0;

  // ABSENT, IDLE, BACKLOGGED or KEEPING_PLACE: what the discipline has been told, so that it is told once.
  #state: Uint8Array = new Uint8Array(64);
  #backlogged = 0;

  // The context that is being asked for its head or told of its grant, and what happened to it meanwhile.
  #attending = NONE;
  #rangMeanwhile = false;

  // The starved context that decisions wait for, and the bytes of its grant, not yet reported to the discipline.
  #awaited = NONE;
  #unchargedBytes = 0;

  constructor(kernel: EventKernel, options: DmaSchedulerOptions) {
    const { onError } = options;
    this.#name = options.name;
    this.#kernel = kernel;
    this.#discipline = options.discipline;
    this.#heads = options.heads;
    this.#onGrant = options.onGrant;
    this.#overheadBytes = options.overheadBytes ?? 0;
    this.#waitsForStarved = options.waitsForStarved ?? false;
    this.#onSettled = options.onSettled;
    this.#grants = new GuardedSubject(`${options.name}.grants$`, kernel);
    this.grants$ = this.#grants.stream$;
    this.#decide = kernel.register(
      `${options.name}.scheduler`,
      onError === undefined
        ? (isWakeUp) => this.#onDecide(isWakeUp === 1)
        : (isWakeUp) => {
            try {
              this.#onDecide(isWakeUp === 1);
            } catch (error) {
              onError(error);
            }
          },
    );
  }

  /** Stops for good: nothing is granted any more; what is granted stays granted. */
  stop(): void {
    this.#stopped = true;
    this.#cancelWakeUp();
  }

  /** Decisions made since the start. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Credit that the link has left, bytes. */
  get creditBytes(): number {
    return this.#creditBytes;
  }

  /** Contexts that the discipline knows to have a frame. */
  get backlogged(): number {
    return this.#backlogged;
  }

  /** Whether it decides now, later at this instant, or when the discipline says that a context becomes eligible. */
  get willDecide(): boolean {
    return this.#deciding || this.#decisionPending || this.#wakeUp !== undefined;
  }

  /** A context takes part from now on. @throws ParameterError for NO_CONTEXT. */
  join(context: ContextId, share: Share): void {
    contextId(context);
    if (context >= this.#state.length) {
      const wider = new Uint8Array(powerOfTwoFrom(context + 1));
      wider.set(this.#state);
      this.#state = wider;
    }
    if (this.#state[context] !== ABSENT)
      throw new InvariantViolation(`context ${context} takes part already`);
    this.#discipline.join(context, this.#counted(share));
    this.#state[context] = IDLE;
  }

  /** A context no longer takes part; its backlog is forgotten. No effect if it did not take part. */
  leave(context: ContextId): void {
    if ((this.#state[context] ?? ABSENT) === ABSENT) return;
    this.withdraw(context);
    this.#discipline.leave(context, this.#kernel.nowNs);
    this.#state[context] = ABSENT;
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
    return (this.#state[context] ?? ABSENT) !== ABSENT;
  }

  /** The backlog of a context is lost without service (fault). It may ring again. */
  withdraw(context: ContextId): void {
    if (this.#state[context] === KEEPING_PLACE) this.#giveUpPlace(context);
    if (this.#state[context] !== BACKLOGGED) return;
    if (context === this.#awaited) this.#charge(0);
    else this.#withdraw(context);
    // The others may have waited for its frame to fit.
    if (this.#backlogged > 0) this.#requestDecision();
    else this.#cancelWakeUp();
  }

  /** A frame became known; reported to disciplines that follow a reference system. */
  arrived(context: ContextId, bytes: number): void {
    if ((this.#state[context] ?? ABSENT) === ABSENT) return;
    this.#discipline.arrived?.(context, bytes + this.#overheadBytes, this.#kernel.nowNs);
  }

  /** A doorbell: the context may have work. Redundant doorbells do no harm. */
  ring(context: ContextId): void {
    if (context === this.#attending) {
      this.#rangMeanwhile = true;
      return;
    }
    if (context === this.#awaited) {
      this.#resume();
      return;
    }
    const state = this.#state[context];
    if ((state !== IDLE && state !== KEEPING_PLACE) || this.#stopped) return;
    let headBytes = this.#headBytes(context);
    if (headBytes <= 0 && this.#rangMeanwhile) headBytes = this.#headBytes(context);
    if (headBytes === 0 && state === KEEPING_PLACE) this.#giveUpPlace(context);
    // Nothing there yet: the doorbell is rung again when there is, so nothing is lost by forgetting this one.
    if (headBytes <= 0) return;
    this.#state[context] = BACKLOGGED;
    this.#backlogged += 1;
    this.#discipline.activate(context, headBytes + this.#overheadBytes, this.#kernel.nowNs);
    this.#requestDecision();
  }

  /**
   * The link has `bytes` more of credit. The first call gives all of it, at least the longest frame; later calls
   * return what was granted, in portions of any size.
   * @throws InvariantViolation when more is returned than was granted.
   */
  credit(bytes: number): void {
    this.#capacityBytes ??= bytes;
    const creditBytes = this.#creditBytes + bytes;
    if (!(Number.isInteger(bytes) && bytes >= 0 && creditBytes <= this.#capacityBytes)) {
      throw new InvariantViolation(
        `${this.#name}: the link returned ${bytes} bytes where ${this.#creditBytes} of ${this.#capacityBytes} ` +
          'were free, expected a whole number that was granted before',
      );
    }
    this.#creditBytes = creditBytes;
    this.#requestDecision();
  }

  checkInvariants(): void {
    this.#discipline.checkInvariants();
    if (this.#creditBytes < 0 || this.#creditBytes > (this.#capacityBytes ?? 0)) {
      throw new InvariantViolation(
        `${this.#name}: credit is ${this.#creditBytes} bytes of ${this.#capacityBytes}`,
      );
    }
    const backlogged = this.#state.reduce((count, state) => count + (state === BACKLOGGED ? 1 : 0), 0);
    if (backlogged !== this.#backlogged) {
      throw new InvariantViolation(
        `${this.#name}: ${this.#backlogged} backlogged contexts counted, ${backlogged} found`,
      );
    }
  }

  /** A share in the bytes that the discipline counts. */
  #counted(share: Share): Share {
    const { maxFrameBytes } = share;
    if (maxFrameBytes === undefined || this.#overheadBytes === 0) return share;
    return { ...share, maxFrameBytes: maxFrameBytes + this.#overheadBytes };
  }

  #withdraw(context: ContextId): void {
    this.#state[context] = IDLE;
    this.#backlogged -= 1;
    // It left during its grant: no context is charged for that grant, even if this one rings again at once.
    if (this.#attending === context) this.#attending = NONE;
    this.#discipline.withdraw(context, this.#kernel.nowNs);
  }

  /** A starved context has no frame after all. */
  #giveUpPlace(context: ContextId): void {
    this.#state[context] = IDLE;
    this.#discipline.withdraw(context, this.#kernel.nowNs);
  }

  #requestDecision(): void {
    if (this.#decisionPending) return;
    this.#decisionPending = true;
    this.#kernel.post(0, this.#decide);
  }

  #onDecide(isWakeUp: boolean): void {
    if (isWakeUp) this.#wakeUp = undefined;
    else this.#decisionPending = false;
    this.#deciding = true;
    this.#serve();
    this.#deciding = false;
    this.#onSettled?.();
  }

  #serve(): void {
    while (this.#backlogged > 0 && !this.#stopped) {
      if (this.#awaited !== NONE) {
        if (!this.#isDry || this.#backlogged === 1) return;
        this.#charge(STARVED);
        continue;
      }
      const nowNs = this.#kernel.nowNs;
      const context = this.#discipline.select(nowNs);
      if (context === NONE) {
        this.#sleepUntilEligible(nowNs);
        return;
      }
      if (this.#state[context] !== BACKLOGGED) {
        throw new InvariantViolation(
          `${this.#name}: ${this.#discipline.name} selected context ${context}, which has no backlog`,
        );
      }
      const bytes = this.#headBytes(context);
      if (bytes <= 0) {
        const rang = this.#rangMeanwhile;
        this.#withdraw(context);
        if (rang) this.ring(context);
        continue;
      }
      if (this.#state[context] !== BACKLOGGED) continue;
      if (bytes > this.#creditBytes) {
        this.#requireThatItCanEverFit(context, bytes);
        return;
      }
      this.#grant(context, bytes, nowNs);
    }
  }

  /** Reads the head of a queue. A doorbell during the read is noted, not acted upon: it may be for a frame just taken. */
  #headBytes(context: ContextId): number {
    const before = this.#attending;
    this.#attending = context;
    this.#rangMeanwhile = false;
    const bytes = this.#heads.headBytes(context);
    this.#attending = before;
    return bytes;
  }

  #grant(context: ContextId, bytes: number, nowNs: number): void {
    this.#creditBytes -= bytes;
    this.#decisions += 1;
    this.#attending = context;
    if (this.#grants.observed) {
      const reason = this.#discipline.name;
      this.#grants.next({ context, bytes, atNs: nowNs, creditBytes: this.#creditBytes, reason });
    }
    this.#onGrant(context, bytes);
    const stayed = this.#attending === context;
    this.#attending = NONE;
    if (!stayed) return;
    const nextHeadBytes = this.#headBytes(context);
    const rang = this.#rangMeanwhile;
    if (this.#state[context] !== BACKLOGGED) return;
    this.#awaited = context;
    this.#unchargedBytes = bytes;
    if (nextHeadBytes !== STARVED || !this.#waitsForStarved) this.#charge(nextHeadBytes);
    if (rang) this.ring(context);
  }

  /** Whether all granted credit has been returned: the link is idle. */
  get #isDry(): boolean {
    return this.#creditBytes === this.#capacityBytes;
  }

  /** The starved context that decisions wait for has rung: its next frame may be known now, or gone. */
  #resume(): void {
    const headBytes = this.#headBytes(this.#awaited);
    if (headBytes === STARVED) return;
    this.#charge(headBytes);
    this.#requestDecision();
  }

  /** Reports the last grant to the discipline, with the current head of its context. */
  #charge(nextHeadBytes: number): void {
    const context = this.#awaited;
    const { nowNs } = this.#kernel;
    const bytes = this.#unchargedBytes + this.#overheadBytes;
    this.#awaited = NONE;
    if (nextHeadBytes > 0) {
      this.#discipline.served(context, bytes, nextHeadBytes + this.#overheadBytes, nowNs);
      return;
    }
    this.#backlogged -= 1;
    if (nextHeadBytes < 0 && this.#discipline.starve !== undefined) {
      this.#state[context] = KEEPING_PLACE;
      this.#discipline.starve(context, bytes, nowNs);
    } else {
      this.#state[context] = IDLE;
      this.#discipline.served(context, bytes, 0, nowNs);
    }
  }

  #sleepUntilEligible(nowNs: number): void {
    const eligibleNs = this.#discipline.nextEligibleNs?.(nowNs);
    if (eligibleNs === undefined) {
      throw new InvariantViolation(
        `${this.#name}: ${this.#discipline.name} serves none of the ${this.#backlogged} contexts that are backlogged`,
      );
    }
    this.#cancelWakeUp();
    if (eligibleNs === Number.POSITIVE_INFINITY) return;
    // Never at this instant again: rounding in a discipline must not stop the clock.
    this.#wakeUp = this.#kernel.scheduleAt(Math.max(Math.ceil(eligibleNs), nowNs + 1), this.#decide, 1);
  }

  #cancelWakeUp(): void {
    if (this.#wakeUp !== undefined) this.#kernel.cancel(this.#wakeUp);
    this.#wakeUp = undefined;
  }

  #requireThatItCanEverFit(context: ContextId, bytes: number): void {
    if (this.#capacityBytes === undefined || bytes <= this.#capacityBytes) return;
    throw new InvariantViolation(
      `${this.#name}: context ${context} has a frame of ${bytes} bytes at its head, ` +
        `and the link never takes more than ${this.#capacityBytes}`,
    );
  }
}
