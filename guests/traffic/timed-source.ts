import { map, type Observable } from 'rxjs';
import { InvariantViolation } from '../../scheduler/errors.js';
import {
  type EventKernel,
  type EventPlace,
  type HandlerId,
  MAX_TIME_NS,
} from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { BorrowedFrame } from './borrowed-frame.js';
import { startOnSubscription } from './start-on-subscription.js';
import type { PushSource } from './traffic-source.js';

const NO_EVENT: EventPlace = -1;

/** What a `TimedSource` plays. */
export interface FrameScore {
  /** Starts, for the first time or again: time of the first frame, `fromNs` or later; infinite when there is none. */
  start(fromNs: number): number;
  /** The frame that is due now (borrowed), after which `nextNs` tells of the next. */
  take(): Uint8Array;
  /** Time of the next frame, now or later; infinite when there is none. */
  nextNs(): number;
}

/**
 * Sends the frames of a score at their times, on the kernel. Starts with the first subscriber, stops when the
 * last one leaves, starts its score again if another comes, and completes right after the last frame.
 */
export class TimedSource implements PushSource {
  readonly kind = 'push' as const;
  readonly name: string;
  readonly frames$: Observable<Uint8Array>;
  readonly lent$: Observable<BorrowedFrame>;
  readonly #kernel: EventKernel;
  readonly #score: FrameScore;
  readonly #startNs: number;
  readonly #subject: GuardedSubject<BorrowedFrame>;
  readonly #loan: BorrowedFrame;
  readonly #due: HandlerId;
  /** The next frame's event, or NO_EVENT. */
  #event: EventPlace = NO_EVENT;
  #running = false;
  #ended = false;
  #frames = 0;

  /** @param startNs virtual time before which nothing is sent. */
  constructor(name: string, kernel: EventKernel, score: FrameScore, startNs: number) {
    this.name = name;
    this.#kernel = kernel;
    this.#score = score;
    this.#startNs = startNs;
    this.#subject = new GuardedSubject(`${name}.frames$`, kernel);
    this.#due = kernel.register(name, () => this.#onDue());
    this.#loan = new BorrowedFrame(name);
    this.lent$ = startOnSubscription(this.#subject, {
      start: () => this.#start(),
      stop: () => this.#stop(),
      isEnded: () => this.#ended,
    });
    this.frames$ = this.lent$.pipe(map((frame) => frame.copy()));
  }

  /** Frames sent so far. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether the last frame has been sent. */
  get ended(): boolean {
    return this.#ended;
  }

  checkInvariants(): void {
    const waiting = this.#event !== NO_EVENT;
    const shouldWait = this.#running && !this.#ended;
    if (waiting !== shouldWait)
      throw new InvariantViolation(`${this.name}: waiting is ${waiting}, expected ${shouldWait}`);
  }

  #start(): void {
    this.#running = true;
    this.#book(this.#score.start(Math.max(this.#kernel.nowNs, this.#startNs)));
    if (this.#ended) this.#subject.complete();
  }

  #stop(): void {
    this.#running = false;
    if (this.#event !== NO_EVENT) this.#kernel.cancelAt(this.#event);
    this.#event = NO_EVENT;
  }

  #onDue(): void {
    this.#event = NO_EVENT;
    const frame = this.#score.take();
    this.#frames += 1;
    // Scheduled before the frame is emitted, so that an observer that unsubscribes cancels it.
    this.#book(this.#score.nextNs());
    this.#subject.next(this.#loan.lend(frame));
    this.#loan.lend(undefined);
    if (this.#ended) this.#subject.complete();
  }

  #book(timeNs: number): void {
    // A heavy-tailed silence may outlast virtual time; that is an end as well.
    if (timeNs > MAX_TIME_NS) this.#ended = true;
    else this.#event = this.#kernel.place(timeNs - this.#kernel.nowNs, this.#due);
  }
}
