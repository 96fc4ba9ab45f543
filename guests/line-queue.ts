import { MAX_FRAME_BYTES, WIRE_OVERHEAD_BYTES } from '../nic/descriptor.js';
import { FrameFifo } from '../nic/frame-fifo.js';
import { BookedLine } from '../scheduler/booked-line.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { absent } from '../scheduler/present.js';
import { type Deliver, type NearEndSender, type PullSource, paddedBytes } from './near-end-sender.js';

/** The cable, and how much may wait for it. */
export interface LineQueueOptions {
  /** Rate of the wire at the start. */
  readonly rateBps: number;
  readonly propagationNs: number;
  /** Bytes that may be here, those that are just leaving included. */
  readonly queueBytes: number;
  /** Bytes that are on the cable at once. */
  readonly cableBytes: number;
}

/** One queue for everything, in the order in which it came: each frame is booked on the line when it is sent. */
export class LineQueue implements NearEndSender {
  readonly #kernel: EventKernel;
  readonly #options: LineQueueOptions;
  readonly #deliver: Deliver;
  readonly #line: BookedLine;
  readonly #fifo: FrameFifo;
  readonly #left: HandlerId;
  readonly #arrive: HandlerId;
  readonly #pulls: PullSource[] = [];
  // Here, the one that is leaving included; `waiting` counts those on the cable too.
  #framesHere = 0;
  #bytesHere = 0;
  #pausedUntilNs = 0;
  offered = 0;
  arrived = 0;
  droppedFull = 0;
  waiting = 0;

  constructor(kernel: EventKernel, options: LineQueueOptions, deliver: Deliver) {
    this.#kernel = kernel;
    this.#options = options;
    this.#deliver = deliver;
    this.#line = new BookedLine(kernel, options.rateBps);
    this.#fifo = new FrameFifo(options.queueBytes + options.cableBytes + MAX_FRAME_BYTES, MAX_FRAME_BYTES);
    this.#left = kernel.register('guests.link.left', (offset, length) => this.#onLeft(offset, length));
    this.#arrive = kernel.register('guests.link.arrived', (offset, length) => this.#onArrive(offset, length));
  }

  attach(source: PullSource): void {
    this.#pulls.push(source);
    this.#pullAhead();
  }

  close(): void {
    this.#pulls.length = 0;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    const padded = paddedBytes(length);
    this.offered += 1;
    if (this.#bytesHere + padded > this.#options.queueBytes) {
      this.droppedFull += 1;
      return false;
    }
    const at = this.#fifo.push(padded);
    this.#fifo.bytes.set(
      length === bytes.length && offset === 0 ? bytes : bytes.subarray(offset, offset + length),
      at,
    );
    if (padded > length) this.#fifo.bytes.fill(0, at + length, at + padded);
    this.waiting += 1;
    this.#framesHere += 1;
    this.#bytesHere += padded;
    const waitNs = Math.max(0, this.#pausedUntilNs - this.#kernel.nowNs);
    this.#line.book(padded + WIRE_OVERHEAD_BYTES, waitNs, this.#left, at, padded);
    return true;
  }

  /** Frames that have been booked go as booked. */
  pause(ns: number): void {
    this.#pausedUntilNs = this.#kernel.nowNs + ns;
  }

  /** Frames that were booked behind a pause which was followed by another one wait for what is left of their own. */
  changeRate(rateBps: number, pauseLeftNs: number, earlierBps: number): void {
    const { nowNs } = this.#kernel;
    const untilNs = this.#pausedUntilNs;
    if (untilNs > nowNs) this.#pausedUntilNs = nowNs + pauseLeftNs;
    this.#line.changeRate(rateBps, (fromNs) =>
      fromNs === untilNs ? this.#pausedUntilNs : nowNs + Math.ceil(((fromNs - nowNs) * earlierBps) / rateBps),
    );
  }

  rateBefore(endNs: number): number {
    return this.#line.rateBefore(endNs);
  }

  checkInvariants(): void {
    this.#line.checkInvariants();
    if (this.#framesHere > this.waiting || this.#bytesHere > this.#options.queueBytes) {
      throw new InvariantViolation(
        `far end: ${this.#framesHere} frames of ${this.#bytesHere} bytes in its queue`,
      );
    }
    if (this.#pulls.length > 0 && this.#framesHere === 0)
      throw new InvariantViolation('far end: the wire idles');
  }

  /** The last bit of a frame is on the cable: there is space for another one. */
  #onLeft(offset: number, length: number): void {
    this.#framesHere -= 1;
    this.#bytesHere -= length;
    this.#kernel.post(this.#options.propagationNs, this.#arrive, offset, length);
    this.#pullAhead();
  }

  #onArrive(offset: number, length: number): void {
    this.waiting -= 1;
    this.arrived += 1;
    this.#deliver(this.#fifo.bytes, offset, length);
    this.#fifo.shift(offset, length);
  }

  /** A frame that comes in the nanosecond in which the line falls free follows without a gap: one ahead will do. */
  #pullAhead(): void {
    while (this.#pulls.length > 0 && this.#framesHere === 0) {
      const source = this.#pulls[0] ?? absent();
      const frame = source.pull()?.bytes;
      if (frame === undefined) {
        this.#pulls.shift();
        continue;
      }
      // A list that becomes empty gives its memory away, so one alone stays where it is.
      if (this.#pulls.length > 1) {
        this.#pulls.shift();
        this.#pulls.push(source);
      }
      this.send(frame, 0, frame.length);
    }
  }
}
