import type { Subscription } from 'rxjs';
import { MAX_FRAME_BYTES, PADDED_FRAME_BYTES, WIRE_OVERHEAD_BYTES } from '../nic/descriptor.js';
import { FrameFifo } from '../nic/frame-fifo.js';
import type { WirePort } from '../nic/host-port.js';
import { PAUSE_QUANTUM_BITS, pauseQuanta } from '../nic/mac-control.js';
import { InvariantViolation, ParameterError } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { SerialLine } from '../scheduler/serial-line.js';
import type { ReceiveHandler } from './nic-driver.js';
import { readMac } from './traffic/mac-address.js';
import { takeFrames } from './traffic/take-frames.js';
import type { TrafficSource } from './traffic/traffic-source.js';

/** The far end of the cable. */
export interface LinkPartnerOptions {
  readonly rateBps: number;
  /** One way along the cable, ns. */
  readonly propagationNs: number;
  /** Bytes that may be at the far end, those that are just leaving included. */
  readonly queueBytes: number;
  /** Sends frames for stations of the near end back (a switch with the reflective relay of IEEE 802.1Qbg). */
  readonly reflect: boolean;
}

export const DEFAULT_LINK: Omit<LinkPartnerOptions, 'rateBps'> = {
  propagationNs: 500,
  queueBytes: 4 * 2 ** 20,
  reflect: true,
};

/** A cable holds no more than this; a longer or faster one is refused, since its bytes are kept. */
const MAX_BYTES_ON_CABLE = 2 ** 28;

/**
 * The other end of the cable: takes what the NIC sends, and sends towards the NIC at line rate, full duplex:
 * replayed traffic, answers of responders, and frames of one guest for another.
 */
export class LinkPartner implements WirePort {
  readonly #kernel: EventKernel;
  readonly #options: LinkPartnerOptions;
  readonly #line: SerialLine;
  readonly #fifo: FrameFifo;
  readonly #left: HandlerId;
  readonly #arrive: HandlerId;
  readonly #hear: HandlerId;
  readonly #pause: HandlerId;
  readonly #subscriptions: Subscription[] = [];
  readonly #pulls: Extract<TrafficSource, { kind: 'pull' }>[] = [];
  readonly #responders = new Map<number, ReceiveHandler>();
  readonly #stations = new Set<number>();
  // At the far end, the one that is leaving included; and with those on the cable.
  #framesHere = 0;
  #bytesHere = 0;
  #framesWaiting = 0;
  // Frames on their way from the NIC that have a listener at the far end, oldest first.
  readonly #heard: Uint8Array[] = [];
  // No frame begins to leave before this: the NIC has sent a PAUSE.
  #pausedUntilNs = 0;
  #deliver: ((bytes: Uint8Array, offset: number, length: number) => void) | undefined;
  #framesFromNic = 0;
  #bytesFromNic = 0;
  #framesToNic = 0;
  #bytesToNic = 0;
  #droppedFull = 0;
  #offered = 0;

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
    this.#line = new SerialLine(options.rateBps);
    const cableBytes = Math.ceil((options.rateBps / 8e9) * options.propagationNs);
    if (cableBytes > MAX_BYTES_ON_CABLE) {
      const most = Math.floor((MAX_BYTES_ON_CABLE * 8e9) / options.rateBps);
      throw new ParameterError(
        `link.propagationNs is ${options.propagationNs}, expected at most ${most} at ${options.rateBps} b/s`,
      );
    }
    this.#kernel = kernel;
    this.#options = options;
    this.#fifo = new FrameFifo(options.queueBytes + cableBytes + MAX_FRAME_BYTES, MAX_FRAME_BYTES);
    this.#left = kernel.register('guests.link.left', (offset, length) => this.#onLeft(offset, length));
    this.#arrive = kernel.register('guests.link.arrived', (offset, length) => this.#onArrive(offset, length));
    this.#hear = kernel.register('guests.far-end', () => this.#onHear());
    this.#pause = kernel.register('guests.link.pause', (quanta) => this.#onPause(quanta));
  }

  /** Where frames for the near end go: the NIC's receive side. */
  connect(deliver: (bytes: Uint8Array, offset: number, length: number) => void): void {
    this.#deliver = deliver;
  }

  /** A station of the near end; frames for it are sent back when the partner reflects. */
  addStation(mac: number): void {
    this.#stations.add(mac);
  }

  /** A station of the far end that answers what is sent to it. */
  addResponder(mac: number, handler: ReceiveHandler): void {
    this.#responders.set(mac, handler);
  }

  /** Frames of this source are sent towards the NIC. Pull sources are served round-robin, one frame each. */
  attach(source: TrafficSource): void {
    if (source.kind === 'pull') {
      this.#pulls.push(source);
      this.#pullAhead();
      return;
    }
    this.#subscriptions.push(takeFrames(source, this.#kernel, (frame) => this.send(frame, 0, frame.length)));
  }

  /** Stops all sources. */
  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#pulls.length = 0;
  }

  get framesFromNic(): number {
    return this.#framesFromNic;
  }

  get bytesFromNic(): number {
    return this.#bytesFromNic;
  }

  /** Frames whose last bit has reached the NIC. */
  get framesToNic(): number {
    return this.#framesToNic;
  }

  get bytesToNic(): number {
    return this.#bytesToNic;
  }

  /** Frames that sources at the far end wanted to send: arrived, dropped here, or waiting. */
  get framesOffered(): number {
    return this.#offered;
  }

  /** Frames dropped because the far end's queue was full. */
  get droppedFull(): number {
    return this.#droppedFull;
  }

  /** Frames waiting for the wire, or on it: offered, and neither arrived nor dropped. */
  get framesWaiting(): number {
    return this.#framesWaiting;
  }

  /** Throws when the counts of frames do not add up. */
  checkInvariants(): void {
    if (this.#offered !== this.#framesToNic + this.#droppedFull + this.#framesWaiting) {
      throw new InvariantViolation(
        `far end: ${this.#offered} frames offered, ${this.#framesToNic} arrived, ${this.#droppedFull} dropped, ${this.#framesWaiting} waiting`,
      );
    }
    if (this.#framesHere > this.#framesWaiting || this.#bytesHere > this.#options.queueBytes) {
      throw new InvariantViolation(
        `far end: ${this.#framesHere} frames of ${this.#bytesHere} bytes in its queue`,
      );
    }
    if (this.#pulls.length > 0 && this.#framesHere === 0)
      throw new InvariantViolation('far end: the wire idles');
  }

  /** Sends a frame towards the NIC; its bytes are copied. False if the queue is full. */
  send(bytes: Uint8Array, offset: number, length: number): boolean {
    if (length < 1 || length > MAX_FRAME_BYTES) {
      throw new RangeError(`far end: frame of ${length} bytes, expected 1 to ${MAX_FRAME_BYTES}`);
    }
    this.#offered += 1;
    const padded = Math.max(length, PADDED_FRAME_BYTES);
    if (this.#bytesHere + padded > this.#options.queueBytes) {
      this.#droppedFull += 1;
      return false;
    }
    const at = this.#fifo.push(padded);
    this.#fifo.bytes.set(
      length === bytes.length && offset === 0 ? bytes : bytes.subarray(offset, offset + length),
      at,
    );
    if (padded > length) this.#fifo.bytes.fill(0, at + length, at + padded);
    this.#framesWaiting += 1;
    this.#framesHere += 1;
    this.#bytesHere += padded;
    const fromNs = Math.max(this.#kernel.nowNs, this.#pausedUntilNs);
    const endNs = this.#line.carry(padded + WIRE_OVERHEAD_BYTES, fromNs);
    this.#kernel.post(endNs - this.#kernel.nowNs, this.#left, at, padded);
    return true;
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
    if (this.#responders.size === 0 && !this.#options.reflect) return;
    const destination = readMac(bytes, offset);
    if (!this.#responders.has(destination) && !this.#reflects(destination, bytes, offset)) return;
    this.#heard.push(bytes.slice(offset, offset + length));
    this.#kernel.post(this.#options.propagationNs, this.#hear);
  }

  #reflects(destination: number, bytes: Uint8Array, offset: number): boolean {
    if (!this.#options.reflect || !this.#stations.has(destination)) return false;
    return destination !== readMac(bytes, offset + 6);
  }

  #onHear(): void {
    const frame = this.#heard.shift();
    if (frame === undefined) return;
    const destination = readMac(frame, 0);
    const responder = this.#responders.get(destination);
    if (responder === undefined) {
      this.send(frame, 0, frame.length);
      return;
    }
    const answer = responder(frame, 0, frame.length);
    if (answer !== undefined) this.send(answer, 0, answer.length);
  }

  /** The NIC asks for a pause: frames that have begun to leave continue, no other one begins. 0 ends it. */
  #onPause(quanta: number): void {
    const ns = Math.ceil((quanta * PAUSE_QUANTUM_BITS * 1e9) / this.#options.rateBps);
    this.#pausedUntilNs = this.#kernel.nowNs + ns;
  }

  /** The last bit of a frame is on the cable: there is space for another one. */
  #onLeft(offset: number, length: number): void {
    this.#framesHere -= 1;
    this.#bytesHere -= length;
    this.#kernel.post(this.#options.propagationNs, this.#arrive, offset, length);
    this.#pullAhead();
  }

  #onArrive(offset: number, length: number): void {
    this.#framesWaiting -= 1;
    this.#framesToNic += 1;
    this.#bytesToNic += length;
    this.#deliver?.(this.#fifo.bytes, offset, length);
    this.#fifo.shift(offset, length);
  }

  /** A frame that comes in the nanosecond in which the line falls free follows without a gap: one ahead will do. */
  #pullAhead(): void {
    while (this.#pulls.length > 0 && this.#framesHere === 0) {
      const [source] = this.#pulls.splice(0, 1);
      const frame = source?.pull()?.bytes;
      if (source === undefined || frame === undefined) continue;
      this.#pulls.push(source);
      this.send(frame, 0, frame.length);
    }
  }
}
