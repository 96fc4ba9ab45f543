import { map, type Observable } from 'rxjs';
import { InvariantViolation } from '../../scheduler/errors.js';
import {
  type EventHandle,
  type EventKernel,
  type HandlerId,
  MAX_TIME_NS,
} from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { present } from '../../scheduler/present.js';
import { BorrowedFrame } from './borrowed-frame.js';
import type { Durations } from './durations.js';
import {
  ETHERTYPE_EXPERIMENTAL,
  ETHERTYPE_OFFSET,
  FRAME_KINDS,
  KIND_OFFSET,
  MAX_SOURCE_ID,
  PAYLOAD_OFFSET,
  readSequence,
  readU16,
  readU32,
  SOURCE_ID_OFFSET,
} from './frame-format.js';
import { type FrameIdentity, FramePattern } from './frame-pattern.js';
import type { FrameSizes } from './frame-sizes.js';
import { startOnSubscription } from './start-on-subscription.js';
import { checkWhole, type PushSource, type Responder, TrafficError } from './traffic-source.js';

const MAX_OUTSTANDING = 1024;

/** A client that keeps a number of requests under way. */
export interface RequestClientOptions extends FrameIdentity {
  readonly kernel: EventKernel;
  /** Source id that the responder puts in its frames. */
  readonly responderId: number;
  /** Sizes of the requests, at least 30 bytes each, so that a request can carry its source id and number. */
  readonly sizes: FrameSizes;
  /** Requests under way at a time, 1 to 1,024. */
  readonly outstanding: number;
  /** How long a worker thinks between a response and its next request. */
  readonly thinkTime: Durations;
  /** A request without a response by then is lost, and its worker sends the next one at once. ns, at least 1. */
  readonly timeoutNs: number;
  /** Virtual time of the start, ns, if that is later than the subscription. Default 0. */
  readonly startNs?: number;
}

/**
 * A closed loop: each of N workers sends a request, waits for its response, thinks, and sends the next. The load
 * follows what the way there and back can carry, as that of a database client does. Requests leave through
 * `frames$`; give each received frame to `onReceive`. Works while `frames$` or `lent$` is observed.
 *
 * Request r of worker w has the sequence number r x N + w, so a response identifies its worker.
 */
export class RequestClient implements PushSource, Responder {
  readonly kind = 'push' as const;
  readonly name: string;
  readonly frames$: Observable<Uint8Array>;
  readonly lent$: Observable<BorrowedFrame>;
  /** Times from request to response, ns. */
  readonly roundTrips$: Observable<number>;
  readonly #kernel: EventKernel;
  readonly #pattern: FramePattern;
  readonly #sizes: FrameSizes;
  readonly #thinkTime: Durations;
  readonly #responderId: number;
  readonly #timeoutNs: number;
  readonly #startNs: number;
  readonly #frames: GuardedSubject<BorrowedFrame>;
  readonly #loan: BorrowedFrame;
  readonly #roundTrips: GuardedSubject<number>;
  readonly #send: HandlerId;
  readonly #timeout: HandlerId;
  /** A worker: sequence number of its next request, when it sent the last, whether it waits, and its event. */
  readonly #next: Float64Array;
  readonly #sentNs: Float64Array;
  readonly #waiting: Uint8Array;
  readonly #event: Float64Array;
  #running = false;
  #sent = 0;
  #answered = 0;
  #lost = 0;
  #late = 0;
  #abandoned = 0;

  /** @throws TrafficError */
  constructor(options: RequestClientOptions) {
    const { name, kernel, responderId, sizes, outstanding, thinkTime, timeoutNs, startNs = 0 } = options;
    checkWhole(name, 'responderId', responderId, 0, MAX_SOURCE_ID);
    checkWhole(name, 'outstanding', outstanding, 1, MAX_OUTSTANDING);
    checkWhole(name, 'timeoutNs', timeoutNs, 1, MAX_TIME_NS);
    checkWhole(name, 'startNs', startNs, 0, MAX_TIME_NS);
    if (sizes.minBytes < PAYLOAD_OFFSET) {
      throw new TrafficError(name, 'sizes', `${sizes.minBytes} bytes at least`, `${PAYLOAD_OFFSET} or more`);
    }
    this.name = name;
    this.#kernel = kernel;
    this.#pattern = new FramePattern(options, sizes.maxBytes);
    this.#sizes = sizes;
    this.#thinkTime = thinkTime;
    this.#responderId = responderId;
    this.#timeoutNs = timeoutNs;
    this.#startNs = startNs;
    this.#frames = new GuardedSubject(`${name}.frames$`, kernel);
    this.#roundTrips = new GuardedSubject(`${name}.roundTrips$`, kernel);
    this.#send = kernel.register(`${name}.send`, (worker) => this.#onSend(worker));
    this.#timeout = kernel.register(`${name}.timeout`, (worker) => this.#onTimeout(worker));
    this.#next = Float64Array.from({ length: outstanding }, (_, worker) => worker);
    this.#sentNs = new Float64Array(outstanding);
    this.#waiting = new Uint8Array(outstanding);
    this.#event = new Float64Array(outstanding);
    this.roundTrips$ = this.#roundTrips.stream$;
    this.#loan = new BorrowedFrame(name);
    this.lent$ = startOnSubscription(this.#frames, {
      start: () => this.#start(),
      stop: () => this.#stop(),
      isEnded: () => false,
    });
    this.frames$ = this.lent$.pipe(map((frame) => frame.copy()));
  }

  /** Requests sent. Each is answered, lost, abandoned at a stop, or under way. */
  get sent(): number {
    return this.#sent;
  }

  /** Requests whose response came in time. */
  get answered(): number {
    return this.#answered;
  }

  /** Requests that had no response by their timeout. */
  get lost(): number {
    return this.#lost;
  }

  /** Responses that are not awaited (any more): later than the timeout, or duplicates. */
  get late(): number {
    return this.#late;
  }

  /** Requests that were under way when the client was stopped. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Requests under way. */
  get underWay(): number {
    let count = 0;
    for (const waiting of this.#waiting) count += waiting;
    return count;
  }

  /** Takes a received frame and ignores those that are not responses to this client. Never answers at once. */
  onReceive(bytes: Uint8Array, offset: number, length: number): undefined {
    if (!isResponse(bytes, offset, length) || readU32(bytes, offset + SOURCE_ID_OFFSET) !== this.#responderId)
      return;
    const sequence = readSequence(bytes, offset);
    const outstanding = this.#next.length;
    const worker = sequence % outstanding;
    const isAwaited = this.#waiting[worker] === 1 && present(this.#next[worker]) === sequence + outstanding;
    if (!isAwaited) {
      this.#late += 1;
      return;
    }
    this.#answered += 1;
    this.#waiting[worker] = 0;
    this.#kernel.cancel(this.#eventOf(worker));
    this.#event[worker] = this.#kernel.schedule(this.#thinkTime.next(), this.#send, worker);
    this.#roundTrips.next(this.#kernel.nowNs - present(this.#sentNs[worker]));
  }

  checkInvariants(): void {
    const accounted = this.#answered + this.#lost + this.#abandoned + this.underWay;
    if (this.#sent !== accounted)
      throw new InvariantViolation(`${this.name}: ${this.#sent} sent, ${accounted} accounted for`);
    if (!this.#running && this.underWay > 0)
      throw new InvariantViolation(`${this.name}: waits although it was stopped`);
  }

  #start(): void {
    this.#running = true;
    const delayNs = Math.max(0, this.#startNs - this.#kernel.nowNs);
    for (let worker = 0; worker < this.#next.length; worker += 1) {
      this.#event[worker] = this.#kernel.schedule(delayNs, this.#send, worker);
    }
  }

  #stop(): void {
    this.#running = false;
    this.#abandoned += this.underWay;
    this.#waiting.fill(0);
    for (let worker = 0; worker < this.#next.length; worker += 1) this.#kernel.cancel(this.#eventOf(worker));
  }

  #onSend(worker: number): void {
    const sequence = present(this.#next[worker]);
    this.#next[worker] = sequence + this.#next.length;
    this.#sentNs[worker] = this.#kernel.nowNs;
    this.#waiting[worker] = 1;
    this.#sent += 1;
    this.#event[worker] = this.#kernel.schedule(this.#timeoutNs, this.#timeout, worker);
    const frame = this.#pattern.fill(this.#sizes.next(), sequence, FRAME_KINDS.request);
    this.#frames.next(this.#loan.lend(frame));
    this.#loan.lend(undefined);
  }

  #onTimeout(worker: number): void {
    this.#lost += 1;
    this.#waiting[worker] = 0;
    this.#onSend(worker);
  }

  #eventOf(worker: number): EventHandle {
    return present(this.#event[worker]);
  }
}

function isResponse(bytes: Uint8Array, offset: number, length: number): boolean {
  return (
    length >= PAYLOAD_OFFSET &&
    readU16(bytes, offset + ETHERTYPE_OFFSET) === ETHERTYPE_EXPERIMENTAL &&
    readU16(bytes, offset + KIND_OFFSET) === FRAME_KINDS.response
  );
}
