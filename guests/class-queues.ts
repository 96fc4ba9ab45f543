import { ClassPauses, type PausedSender } from '../nic/class-pauses.js';
import { WIRE_OVERHEAD_BYTES } from '../nic/descriptor.js';
import { TRAFFIC_CLASSES } from '../nic/pfc-frame.js';
import { BookedLine } from '../scheduler/booked-line.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { LineQueueOptions } from './line-queue.js';
import { type Deliver, type NearEndSender, type PullSource, paddedBytes } from './near-end-sender.js';

interface WaitingFrame {
  readonly bytes: Uint8Array;
  /** Its place among all that were sent. */
  readonly number: number;
}

interface ClassSource {
  readonly source: PullSource;
  readonly trafficClass: number;
}

/**
 * A queue per traffic class, for a far end that obeys priority flow control (IEEE 802.1Q, clause 36): of the classes that are
 * not paused, the frame that came first goes next. While none is paused that is the order of one queue.
 */
export class ClassQueues implements NearEndSender, PausedSender {
  readonly pauses: ClassPauses;
  readonly #kernel: EventKernel;
  readonly #options: LineQueueOptions;
  readonly #deliver: Deliver;
  readonly #line: BookedLine;
  readonly #left: HandlerId;
  readonly #arrive: HandlerId;
  readonly #control: HandlerId;
  readonly #pauseOver: HandlerId;
  readonly #queues: WaitingFrame[][] = Array.from({ length: TRAFFIC_CLASSES }, () => []);
  #sources: ClassSource[] = [];
  // On the wire one behind the other; and what it carries besides.
  readonly #onCable: Uint8Array[] = [];
  readonly #controlOnCable: Uint8Array[] = [];
  #leaving: Uint8Array | undefined;
  #bytesHere = 0;
  #pausedUntilNs = Number.NEGATIVE_INFINITY;
  offered = 0;
  arrived = 0;
  droppedFull = 0;
  waiting = 0;

  /** @param classes that the near end may pause, a bit each */
  constructor(kernel: EventKernel, options: LineQueueOptions, classes: number, deliver: Deliver) {
    this.#kernel = kernel;
    this.#options = options;
    this.#deliver = deliver;
    this.#line = new BookedLine(kernel, options.rateBps);
    this.#left = kernel.register('guests.link.left', () => this.#onLeft());
    this.#arrive = kernel.register('guests.link.arrived', () => this.#onArrive());
    this.#control = kernel.register('guests.link.control', () => this.#onControl());
    this.#pauseOver = kernel.register('guests.link.pause-over', () => this.#sendNext());
    const { rateBps } = options;
    this.pauses = new ClassPauses(kernel, { name: 'guests.link.expired', rateBps, classes }, this);
  }

  /** Pauses act when the next frame is chosen. */
  paused(): void {}

  resumed(): void {
    this.#sendNext();
  }

  attach(source: PullSource, trafficClass: number): void {
    this.#sources.push({ source, trafficClass });
    this.#sendNext();
  }

  close(): void {
    this.#sources.length = 0;
  }

  send(bytes: Uint8Array, offset: number, length: number, trafficClass: number): boolean {
    this.offered += 1;
    if (this.#bytesHere + paddedBytes(length) > this.#options.queueBytes) {
      this.droppedFull += 1;
      return false;
    }
    this.#queue(bytes.subarray(offset, offset + length), trafficClass);
    this.#sendNext();
    return true;
  }

  /**
   * A MAC control frame, behind the frame that is on the wire and before all others. PAUSE holds back data frames alone
   * (IEEE 802.3, annex 31B).
   */
  sendControl(frame: Uint8Array): void {
    this.#controlOnCable.push(frame);
    this.#line.book(frame.length + WIRE_OVERHEAD_BYTES, 0, this.#control, 0, 0, this.#options.propagationNs);
  }

  /** What goes first is chosen when the pause is over: by then a class may be paused, or frames of the MAC have gone. */
  pause(ns: number): void {
    this.#pausedUntilNs = this.#kernel.nowNs + ns;
    if (ns === 0) this.#sendNext();
    else this.#kernel.post(ns, this.#pauseOver);
  }

  changeRate(rateBps: number, pauseLeftNs: number): void {
    const { nowNs } = this.#kernel;
    this.#line.changeRate(rateBps);
    this.pauses.changeRate(rateBps);
    if (this.#pausedUntilNs <= nowNs) return;
    this.#pausedUntilNs = nowNs + pauseLeftNs;
    this.#kernel.post(pauseLeftNs, this.#pauseOver);
  }

  rateBefore(endNs: number): number {
    return this.#line.rateBefore(endNs);
  }

  checkInvariants(): void {
    this.#line.checkInvariants();
    const queued = this.#queues.reduce((sum, { length }) => sum + length, 0);
    const leaving = this.#leaving === undefined ? 0 : 1;
    if (queued + leaving + this.#onCable.length !== this.waiting)
      throw new InvariantViolation(`far end: ${this.waiting} frames wait, ${queued} in its queues`);
    const mayGo = (trafficClass: number) => !this.pauses.has(trafficClass);
    const hasWork =
      this.#queues.some(({ length }, trafficClass) => length > 0 && mayGo(trafficClass)) ||
      this.#sources.some(({ trafficClass }) => mayGo(trafficClass));
    // In the nanosecond in which a pause ends, its event may be still to come.
    const isPaused = this.#kernel.nowNs <= this.#pausedUntilNs;
    if (leaving === 0 && hasWork && !isPaused) throw new InvariantViolation('far end: the wire idles');
  }

  /** If nothing is on the wire, the next frame of a class that is not paused is, unless everything is. */
  #sendNext(): void {
    const { nowNs } = this.#kernel;
    if (this.#leaving !== undefined || nowNs < this.#pausedUntilNs) return;
    if (this.#first() === undefined) this.#pullAhead();
    const queue = this.#first();
    const frame = queue?.shift();
    if (frame === undefined) return;
    this.#leaving = frame.bytes;
    this.#line.book(frame.bytes.length + WIRE_OVERHEAD_BYTES, 0, this.#left);
  }

  /** The queue whose first frame came before those of all others that are not paused. */
  #first(): WaitingFrame[] | undefined {
    let found: WaitingFrame[] | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [trafficClass, queue] of this.#queues.entries()) {
      const number = queue[0]?.number;
      if (number === undefined || number >= least || this.pauses.has(trafficClass)) continue;
      least = number;
      found = queue;
    }
    return found;
  }

  /** Asks the sources of classes that are not paused for one frame, in turn. */
  #pullAhead(): void {
    for (let asked = this.#sources.length; asked > 0; asked -= 1) {
      const at = this.#sources.findIndex(({ trafficClass }) => !this.pauses.has(trafficClass));
      const [next] = at < 0 ? [] : this.#sources.splice(at, 1);
      if (next === undefined) return;
      const frame = next.source.pull()?.bytes;
      if (frame === undefined) continue;
      this.#sources.push(next);
      this.offered += 1;
      this.#queue(frame, next.trafficClass);
      return;
    }
  }

  #queue(frame: Uint8Array, trafficClass: number): void {
    const copy = new Uint8Array(paddedBytes(frame.length));
    copy.set(frame);
    this.waiting += 1;
    this.#bytesHere += copy.length;
    present(this.#queues[trafficClass]).push({ bytes: copy, number: this.offered });
  }

  /** The last bit of a frame is on the cable. */
  #onLeft(): void {
    const frame = this.#leaving;
    if (frame === undefined) throw new InvariantViolation('far end: nothing was on the wire');
    this.#leaving = undefined;
    this.#bytesHere -= frame.length;
    this.#onCable.push(frame);
    this.#kernel.post(this.#options.propagationNs, this.#arrive);
    this.#sendNext();
  }

  #onArrive(): void {
    const frame = this.#onCable.shift();
    if (frame === undefined) throw new InvariantViolation('far end: nothing was on the cable');
    this.waiting -= 1;
    this.arrived += 1;
    this.#deliver(frame, 0, frame.length);
  }

  #onControl(): void {
    const frame = this.#controlOnCable.shift();
    if (frame !== undefined) this.#deliver(frame, 0, frame.length);
  }
}
