import type { Subscription } from 'rxjs';
import { BitTime } from '../nic/bit-time.js';
import type { ClassPauses } from '../nic/class-pauses.js';
import { MAX_FRAME_BYTES } from '../nic/descriptor.js';
import type { WirePort } from '../nic/host-port.js';
import { PAUSE_QUANTUM_BITS, pauseQuanta } from '../nic/mac-control.js';
import { pfcFrame } from '../nic/pfc-frame.js';
import { isSameStation } from '../nic/station-address.js';
import { StationTable } from '../nic/station-table.js';
import { InvariantViolation, ParameterError } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { ClassQueues } from './class-queues.js';
import { LineQueue } from './line-queue.js';
import type { Deliver } from './near-end-sender.js';
import type { ReceiveHandler } from './nic-driver.js';
import { takeFrames } from './traffic/take-frames.js';
import type { TrafficSource } from './traffic/traffic-source.js';

/** The far end of the cable. */
export interface LinkPartnerOptions {
  readonly rateBps: number;
  /** The highest rate that the wire will have. @defaultValue `rateBps` */
  readonly mostRateBps?: number;
  /** One way along the cable, ns. */
  readonly propagationNs: number;
  /** Bytes that may be at the far end, those that are just leaving included. */
  readonly queueBytes: number;
  /** Sends frames for stations of the near end back (a switch with the reflective relay of IEEE 802.1Qbg). */
  readonly reflect: boolean;
  /** Traffic classes with priority flow control, a bit each. @defaultValue 0 */
  readonly pfcClasses?: number;
}

export const DEFAULT_LINK: Omit<LinkPartnerOptions, 'rateBps'> = {
  propagationNs: 500,
  queueBytes: 4 * 2 ** 20,
  reflect: true,
};

/** Source address of the far end's own frames: locally administered, and of no station. */
const FAR_END_PORT = 0x020000010000;

/** A cable holds no more than this; a longer or faster one is refused, since its bytes are kept. */
const MAX_BYTES_ON_CABLE = 2 ** 28;

/**
 * The other end of the cable: takes what the NIC sends, and sends towards the NIC at line rate, full duplex:
 * replayed traffic, answers of responders, and frames of one guest for another.
 */
export class LinkPartner implements WirePort {
  readonly #kernel: EventKernel;
  readonly #options: LinkPartnerOptions;
  readonly #sender: LineQueue | ClassQueues;
  readonly #hear: HandlerId;
  readonly #pause: HandlerId;
  readonly #obey: HandlerId;
  readonly #newRate: HandlerId;
  readonly #subscriptions: Subscription[] = [];
  readonly #responders = new StationTable<ReceiveHandler>();
  /** Traffic class of each station of the near end. */
  readonly #stations = new StationTable<number>();
  // Frames on their way from the NIC that have a listener at the far end, oldest first.
  readonly #heard: Uint8Array[] = [];
  /** MAC control frames likewise. */
  readonly #control: Uint8Array[] = [];
  /** What is left of the pause that the NIC asked for last. */
  readonly #pauseTime = new BitTime();
  readonly #mostRateBps: number;
  #rateBps: number;
  #deliver: Deliver | undefined;
  #framesFromNic = 0;
  #bytesFromNic = 0;
  #notReflected = 0;

  constructor(kernel: EventKernel, options: LinkPartnerOptions) {
    if (
      !Number.isInteger(options.propagationNs) ||
      options.propagationNs < 0 ||
      options.propagationNs > 1e9
    ) {
      throw new ParameterError(
        `link.propagationNs is ${options.propagationNs}, expected a whole number from 0 to 10^9`,
      );
    }
    if (!Number.isInteger(options.queueBytes) || options.queueBytes < MAX_FRAME_BYTES) {
      throw new ParameterError(
        `link.queueBytes is ${options.queueBytes}, expected a whole number, at least ${MAX_FRAME_BYTES}`,
      );
    }
    this.#rateBps = options.rateBps;
    this.#mostRateBps = Math.max(options.rateBps, options.mostRateBps ?? options.rateBps);
    const cableBytes = Math.ceil((this.#mostRateBps / 8e9) * options.propagationNs);
    if (cableBytes > MAX_BYTES_ON_CABLE) {
      const most = Math.floor((MAX_BYTES_ON_CABLE * 8e9) / this.#mostRateBps);
      throw new ParameterError(
        `link.propagationNs is ${options.propagationNs}, expected at most ${most} at ${this.#mostRateBps} b/s`,
      );
    }
    this.#kernel = kernel;
    this.#options = options;
    const { pfcClasses = 0, propagationNs, queueBytes, rateBps } = options;
    const line = { rateBps, propagationNs, queueBytes, cableBytes };
    const deliver: Deliver = (bytes, offset, length) => this.#deliver?.(bytes, offset, length);
    this.#sender =
      pfcClasses === 0
        ? new LineQueue(kernel, line, deliver)
        : new ClassQueues(kernel, line, pfcClasses, deliver);
    this.#hear = kernel.register('guests.far-end', () => this.#onHear());
    this.#pause = kernel.register('guests.link.pause', (quanta) => this.#onPause(quanta));
    this.#obey = kernel.register('guests.link.obey', () => this.#onControl());
    this.#newRate = kernel.register('guests.link.rate', (rateBps) => this.changeRate(rateBps));
  }

  /** Where frames for the near end go: the NIC's receive side. */
  connect(deliver: Deliver): void {
    this.#deliver = deliver;
  }

  /** A station of the near end; frames for it are sent back when the partner reflects. */
  addStation(mac: number, trafficClass = 0): void {
    this.#stations.set(mac, trafficClass);
  }

  /** A station of the far end that answers what is sent to it. */
  addResponder(mac: number, handler: ReceiveHandler): void {
    this.#responders.set(mac, handler);
  }

  /**
   * Frames of this source are sent towards the NIC. Pull sources are served round-robin, one frame each, and all frames of
   * one are of this traffic class.
   */
  attach(source: TrafficSource, trafficClass = 0): void {
    if (source.kind === 'pull') {
      this.#sender.attach(source, trafficClass);
      return;
    }
    this.#subscriptions.push(takeFrames(source, this.#kernel, (frame) => this.send(frame, 0, frame.length)));
  }

  /** Stops all sources. */
  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#sender.close();
  }

  /** The NIC sends at another rate: that arrives as a frame would, and then the far end does the same. */
  rateChanged(rateBps: number): void {
    this.#kernel.post(this.#options.propagationNs, this.#newRate, rateBps);
  }

  /**
   * From now on frames begin at another rate. The one that is on the wire ends at the rate at which it began, and what is left
   * of a pause takes longer or shorter.
   * @throws InvariantViolation for more than `mostRateBps`.
   */
  changeRate(rateBps: number): void {
    if (rateBps > this.#mostRateBps)
      throw new InvariantViolation(
        `far end: a rate of ${rateBps} b/s, expected at most the ${this.#mostRateBps} for which the cable was made`,
      );
    const earlierBps = this.#rateBps;
    if (rateBps === earlierBps) return;
    this.#rateBps = rateBps;
    const leftNs = this.#pauseTime.changeRate(earlierBps, rateBps, this.#kernel.nowNs);
    this.#sender.changeRate(rateBps, leftNs, earlierBps);
  }

  /** The rate, bits per second, at which the frame was sent whose last bit reached the NIC at `arrivedNs`. */
  rateOfArrival(arrivedNs: number): number {
    return this.#sender.rateBefore(arrivedNs - this.#options.propagationNs);
  }

  get framesFromNic(): number {
    return this.#framesFromNic;
  }

  get bytesFromNic(): number {
    return this.#bytesFromNic;
  }

  /** Frames from the NIC, on the cable, that a station of the far end hears or that are sent back. */
  get framesComing(): number {
    return this.#heard.length;
  }

  /** Frames for a station of the near end that were not sent back, and so reached nobody. */
  get framesNotReflected(): number {
    return this.#notReflected;
  }

  /** Frames whose last bit has reached the NIC. */
  get framesToNic(): number {
    return this.#sender.arrived;
  }

  /** Frames that sources at the far end wanted to send: arrived, dropped here, or waiting. */
  get framesOffered(): number {
    return this.#sender.offered;
  }

  /** Frames dropped because the far end's queue was full. */
  get droppedFull(): number {
    return this.#sender.droppedFull;
  }

  /** Frames waiting for the wire, or on it: offered, and neither arrived nor dropped. */
  get framesWaiting(): number {
    return this.#sender.waiting;
  }

  /** The timers of flow control for what is sent to the NIC; undefined where no class has it. */
  get pauses(): ClassPauses | undefined {
    return this.#sender instanceof ClassQueues ? this.#sender.pauses : undefined;
  }

  /** Throws when the counts of frames do not add up. */
  checkInvariants(): void {
    const { arrived, droppedFull, offered, waiting } = this.#sender;
    if (offered !== arrived + droppedFull + waiting) {
      throw new InvariantViolation(
        `far end: ${offered} frames offered, ${arrived} arrived, ${droppedFull} dropped, ${waiting} waiting`,
      );
    }
    this.#sender.checkInvariants();
  }

  /** Sends a frame towards the NIC; its bytes are copied. False if the queue is full. */
  send(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#sender instanceof LineQueue) return this.#sender.send(bytes, offset, length);
    // A frame for no station of the near end, or for several of them, is of class 0.
    const trafficClass = length < 6 ? 0 : (this.#stations.at(bytes, offset) ?? 0);
    return this.#sender.send(bytes, offset, length, trafficClass);
  }

  /**
   * Asks the NIC to pause traffic classes, or to go on. @param quanta by class, 0 to go on, undefined to say nothing of it.
   * @throws InvariantViolation where no class has flow control.
   */
  pauseClasses(quanta: readonly (number | undefined)[]): void {
    if (this.#sender instanceof LineQueue)
      throw new InvariantViolation('far end: no traffic class has flow control');
    this.#sender.sendControl(pfcFrame(FAR_END_PORT, quanta));
  }

  /** A MAC control frame of the NIC: at the other end of the cable its port obeys, and no station sees it. */
  controlSent(bytes: Uint8Array, offset: number, length: number): void {
    this.#control.push(bytes.slice(offset, offset + length));
    this.#kernel.post(this.#options.propagationNs, this.#obey);
  }

  transmitted(bytes: Uint8Array, offset: number, length: number): void {
    this.#framesFromNic += 1;
    this.#bytesFromNic += length;
    const quanta = pauseQuanta(bytes, offset, length);
    if (quanta !== undefined) {
      // Consumed by the port: it reaches no station (IEEE 802.3, annex 31B).
      this.#kernel.post(this.#options.propagationNs, this.#pause, quanta);
      return;
    }
    if (this.#responders.at(bytes, offset) === undefined) {
      if (this.#stations.at(bytes, offset) === undefined) return;
      if (!this.#options.reflect || isSameStation(bytes, offset, offset + 6)) {
        this.#notReflected += 1;
        return;
      }
    }
    this.#heard.push(bytes.slice(offset, offset + length));
    this.#kernel.post(this.#options.propagationNs, this.#hear);
  }

  #onHear(): void {
    const frame = this.#heard.shift();
    if (frame === undefined) return;
    const responder = this.#responders.at(frame, 0);
    if (responder === undefined) {
      this.send(frame, 0, frame.length);
      return;
    }
    const answer = responder(frame, 0, frame.length);
    if (answer !== undefined) this.send(answer, 0, answer.length);
  }

  /** The NIC asks for a pause: frames that have begun to leave continue, no other one begins. 0 ends it. */
  #onPause(quanta: number): void {
    this.#pauseTime.begin(quanta * PAUSE_QUANTUM_BITS, this.#kernel.nowNs);
    this.#sender.pause(Math.ceil((quanta * PAUSE_QUANTUM_BITS * 1e9) / this.#rateBps));
  }

  #onControl(): void {
    const frame = this.#control.shift();
    if (frame !== undefined) this.pauses?.take(frame, 0, frame.length);
  }
}
