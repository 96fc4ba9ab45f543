import type { Subscription } from 'rxjs';
import { COST } from '../host/cpu/costs.js';
import type { Worker } from '../host/cpu/processor.js';
import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import type { Interrupted } from '../host/hypervisor/event-channel.js';
import { PerMachine } from '../host/per-machine.js';
import type { GuestPort } from '../host/protection/guest-port.js';
import type { PageNumber } from '../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../scheduler/errors.js';
import { refuseUnknownOptions } from '../scheduler/known-options.js';
import { type FrameReader, ReceiveRing } from './receive-ring.js';
import { BUFFER_BYTES, type BufferBytes } from './ring-buffers.js';
import { leavePort, takePort } from './sole-user.js';
import type { BorrowedFrame } from './traffic/borrowed-frame.js';
import { takeFrames } from './traffic/take-frames.js';
import type { TrafficSource } from './traffic/traffic-source.js';
import { TransmitRing } from './transmit-ring.js';

/** Options of a driver. */
export interface DriverOptions {
  /** Frames that one unit of work handles before others get the core (NAPI's budget). */
  readonly budget: number;
  /**
   * Receive buffers: 1,536 are cut from pieces of 32 KB, so that some lie on two pages (1.24 pages per buffer), as in
   * Linux's virtio_net; transmit buffers are 2,048 then. 2,048 puts two of either kind on a page, 4,096 gives each its own.
   */
  readonly bufferBytes: BufferBytes;
  /** Receive buffers are handed back when at least this many are free, or what is left might not hold a frame. */
  readonly refillBatch: number;
  /** Most descriptors in one call through the set-up gate; one frame goes in one call however many it takes. */
  readonly postBatch: number;
}

export const DEFAULT_DRIVER: DriverOptions = {
  budget: 64,
  bufferBytes: 1536,
  refillBatch: 16,
  postBatch: 64,
};

/** Why the driver itself dropped a frame. */
export const DRIVER_DROPS = [
  'ring-full',
  'refused-at-set-up',
  // Shorter or longer than a frame may be, or than the whole ring can hold.
  'bad-size',
  // The guest has released the page of the next buffer.
  'buffer-lost',
  'port-closed',
] as const;
export type DriverDrop = (typeof DRIVER_DROPS)[number];

/** What a driver works on: its transmit ring, or all that there is after an interrupt. */
const TRANSMIT = 0;
const POLL = 1;

/** Frames of pull sources that cannot be stored, before a unit of work ends. */
const MAX_UNSTORABLE = 64;

/**
 * Handles a received frame. `bytes` is borrowed. Returns a frame to send in answer, if any.
 */
export type ReceiveHandler = (bytes: Uint8Array, offset: number, length: number) => Uint8Array | undefined;

/** Told of what a driver is asked to send. */
export interface DemandObserver {
  /** A frame that its ring can hold was offered, whether there was space for it or not. `bytes` is borrowed. */
  offered(bytes: Uint8Array): void;
  /** A source was attached that has a frame whenever there is space for one. */
  wantsAll(): void;
  /** No such source is attached any more. */
  wantsNoMore(): void;
  /** Nothing more is sent. */
  closed(): void;
}

type PullSource = Extract<TrafficSource, { kind: 'pull' }>;

// What most drivers have is one object for all.
const NO_DROPS: Readonly<Record<DriverDrop, number>> = Object.freeze({
  'ring-full': 0,
  'refused-at-set-up': 0,
  'bad-size': 0,
  'buffer-lost': 0,
  'port-closed': 0,
});
const NO_SUBSCRIPTIONS: readonly Subscription[] = [];
const NO_SOURCES: readonly PullSource[] = [];

/**
 * A guest's network driver: rings of buffers in guest memory, doorbells, and service by interrupt and poll
 * (on an interrupt it masks further ones and polls within a budget, as Linux's NAPI does). It knows a port,
 * not what protects it; the same driver runs over every approach.
 */
export class NicDriver implements Worker, Interrupted, FrameReader {
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly options: DriverOptions;
  readonly #parts: HostParts;
  readonly #transmit: TransmitRing;
  readonly #receive: ReceiveRing;
  /** Absent until a frame is dropped. */
  #dropped: Record<DriverDrop, number> | undefined;
  #subscriptions: readonly Subscription[] = NO_SUBSCRIPTIONS;
  #sources: readonly PullSource[] = NO_SOURCES;
  #handler: ReceiveHandler | undefined;
  #pulled: BorrowedFrame | undefined;
  #transmitPending = false;
  #polling = false;
  #framesOffered = 0;
  #closed = false;
  #demand: DemandObserver | undefined;

  /**
   * Allocates buffers and posts all receive buffers.
   * @throws ParameterError when the machine has no memory left, or another driver uses the port. A port has one user: a
   * buffer that anything else posts to it is found when the driver next looks, and thrown as a ParameterError.
   */
  constructor(parts: HostParts, domain: Domain, port: GuestPort, options: Partial<DriverOptions> = {}) {
    this.#parts = parts;
    this.domain = domain;
    this.port = port;
    refuseUnknownOptions('driver', options, DEFAULT_DRIVER);
    this.options = sharedOptions(parts, { ...DEFAULT_DRIVER, ...options });
    const { budget, bufferBytes, refillBatch, postBatch } = this.options;
    requireRange('driver.budget', budget, 1, 4096);
    requireRange('driver.refillBatch', refillBatch, 1, port.receive.slots);
    requireRange('driver.postBatch', postBatch, 1, 4096);
    if (!BUFFER_BYTES.includes(bufferBytes)) {
      throw new ParameterError(
        `driver.bufferBytes is ${String(bufferBytes)}, expected one of: ${BUFFER_BYTES.join(', ')}`,
      );
    }
    // Linux's frames to send lie on one page each, whatever receive buffers do (1.00 maps per frame in its traces).
    const transmitBytes = bufferBytes === 1536 ? 2048 : bufferBytes;
    // Before the rings: a driver that is refused has allocated nothing.
    takePort(port, domain.name);
    try {
      this.#transmit = new TransmitRing(parts, domain, port.transmit, transmitBytes, postBatch);
      this.#receive = new ReceiveRing(parts, domain, port.receive, bufferBytes, postBatch, refillBatch);
    } catch (error) {
      leavePort(port);
      throw error;
    }
    port.onInterrupt(this);
    this.#receive.refill();
  }

  /** Frames that sources and callers wanted to send. Each was sent, dropped here, or is still in the ring. */
  get framesOffered(): number {
    return this.#framesOffered;
  }

  /** Frames handed to the device. */
  get framesPosted(): number {
    return this.#transmit.framesPosted;
  }

  /** Whether it has a frame of a source that its ring has no space for. */
  get waitsForSlots(): boolean {
    return this.#pulled !== undefined && this.#transmit.mustWaitFor(this.#pulled.length);
  }

  /** Frames that the device has reported as done. */
  get framesSent(): number {
    return this.#transmit.framesSent;
  }

  get framesReceived(): number {
    return this.#receive.framesReceived;
  }

  get bytesReceived(): number {
    return this.#receive.bytesReceived;
  }

  /** Frames dropped here, by reason. */
  get drops(): Readonly<Record<DriverDrop, number>> {
    return this.#dropped ?? NO_DROPS;
  }

  /** Frames written to buffers and not reported as done. */
  get framesQueued(): number {
    return this.#transmit.framesQueued;
  }

  /** Frames written to buffers that the device has not finished; `consumer` is its own index, told to the driver or not. */
  framesUnfinished(consumer: number): number {
    return this.#transmit.framesFrom(consumer);
  }

  /** Receive buffers that the device has finished and this driver has not taken; `consumer` as above. */
  buffersUntaken(consumer: number): number {
    return this.#receive.buffersUntil(consumer);
  }

  /** When the frame whose last buffer is in this slot was handed to the driver, ns. */
  createdNs(descriptorIndex: number): number {
    return this.#transmit.createdNs(descriptorIndex);
  }

  /** Address of the buffer of a transmit or receive slot: for inspection, or for attacks. */
  transmitBuffer(index: number): number {
    return this.#transmit.buffer(index);
  }

  receiveBuffer(index: number): number {
    return this.#receive.buffer(index);
  }

  /** Pages with buffers in them, in flight or not, except those with data that is still to be handed to the device. */
  get bufferPages(): PageNumber[] {
    return [...this.#transmit.idlePages, ...this.#receive.bufferPages];
  }

  /** Whom to tell of what is offered from now on. */
  observeDemand(observer: DemandObserver): void {
    this.#demand = observer;
  }

  /** What to do with received frames. */
  onReceive(handler: ReceiveHandler | undefined): void {
    this.#handler = handler;
  }

  /** Has received frames seen by one more, whose answer counts only where the handler before has none. */
  alsoReceive(handler: ReceiveHandler): void {
    const before = this.#handler;
    this.#handler = (bytes, offset, length) => {
      const answer = before?.(bytes, offset, length);
      const later = handler(bytes, offset, length);
      return answer ?? later;
    };
  }

  /** Frames from this source are sent from now on. Pull sources are served round-robin, one frame each. */
  attach(source: TrafficSource): void {
    if (this.#closed) return;
    if (source.kind === 'pull') {
      this.#sources = [...this.#sources, source];
      this.#demand?.wantsAll();
      this.#wantTransmit();
      return;
    }
    const subscription = takeFrames(source, this.#parts.kernel, (frame) => this.send(frame));
    this.#subscriptions = [...this.#subscriptions, subscription];
  }

  /** Sends nothing of its sources any more; what they have handed over is sent. */
  detachAll(): void {
    this.#unsubscribe();
    if (this.#sources.length > 0) this.#demand?.wantsNoMore();
    this.#sources = NO_SOURCES;
    this.#pulled = undefined;
  }

  /** Stops all sources and hands nothing more to the device; frames that it has not been given are dropped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#demand?.closed();
    this.#unsubscribe();
    this.#sources = NO_SOURCES;
    this.#drop('port-closed', this.#transmit.discardUnposted());
    this.#transmit.leave();
    this.#receive.leave();
    leavePort(this.port);
  }

  /**
   * Sends a frame: its bytes are written to the next free buffers at once (the application's store), the
   * driver's work on it waits for CPU time. False if it was dropped; `drops` counts the reason.
   */
  send(frame: Uint8Array): boolean {
    if (!this.#offer(frame)) return false;
    this.#wantTransmit();
    return true;
  }

  /** For the processor: one of its two works is due. */
  work(what: number): void {
    if (what === TRANSMIT) this.#onTransmitWork();
    else this.#onPoll();
  }

  /** For the receive ring: a frame that was received. */
  read(bytes: Uint8Array, length: number): void {
    const answer = this.#handler?.(bytes, 0, length);
    if (answer !== undefined) this.#offer(answer);
  }

  checkInvariants(): void {
    const dropped = DRIVER_DROPS.reduce((total, reason) => total + this.drops[reason], 0);
    if (this.#framesOffered !== this.framesSent + dropped + this.framesQueued) {
      throw new InvariantViolation(
        `${this.domain.name}: ${this.#framesOffered} frames offered, ${this.framesSent} sent, ${dropped} dropped, ${this.framesQueued} queued`,
      );
    }
    this.#transmit.checkInvariants();
    this.#receive.checkInvariants();
  }

  /** Stores a frame, or counts the reason for dropping it. */
  #offer(frame: Uint8Array): boolean {
    this.#framesOffered += 1;
    const outcome = this.#closed ? 'port-closed' : this.#transmit.store(frame);
    if (outcome === 'stored' || outcome === 'ring-full') this.#demand?.offered(frame);
    if (outcome === 'stored') return true;
    this.#drop(outcome, 1);
    return false;
  }

  #drop(reason: DriverDrop, frames: number): void {
    if (frames === 0) return;
    this.#dropped ??= { ...NO_DROPS };
    this.#dropped[reason] += frames;
  }

  #unsubscribe(): void {
    const subscriptions = this.#subscriptions;
    this.#subscriptions = NO_SUBSCRIPTIONS;
    for (const subscription of subscriptions) subscription.unsubscribe();
  }

  #wantTransmit(): void {
    if (this.#transmitPending || this.domain.state === 'killed') return;
    this.#transmitPending = true;
    this.#parts.processor.post(this.domain.account, this, TRANSMIT);
  }

  #onTransmitWork(): void {
    this.#transmitPending = false;
    this.#transmit.reclaim();
    const more = this.#pullFrames(this.options.budget);
    this.#postTransmit();
    if (more) this.#wantTransmit();
  }

  /** Fills free slots from pull sources; true if the budget ended it, not the ring or the sources. */
  #pullFrames(budget: number): boolean {
    let stored = 0;
    for (let lost = 0; stored < budget && lost < MAX_UNSTORABLE; ) {
      const source = this.#sources[0];
      if (source === undefined) return false;
      this.#pulled ??= source.pull();
      if (this.#pulled === undefined) {
        this.#sources = this.#sources.slice(1);
        continue;
      }
      if (this.#transmit.mustWaitFor(this.#pulled.length)) return false;
      if (this.#offer(this.#pulled.bytes)) stored += 1;
      else lost += 1;
      this.#pulled = undefined;
      if (this.#sources.length > 1) this.#sources = [...this.#sources.slice(1), source];
    }
    return stored > 0;
  }

  #postTransmit(): void {
    const refusal = this.#transmit.post();
    if (refusal === undefined) return;
    if (refusal !== 'port-closed') {
      // What is behind the refused frame goes with it: its place in the ring depends on that of the frame before.
      this.#drop('refused-at-set-up', this.#transmit.discardUnposted());
      return;
    }
    this.close();
    // Nor will the device ever report what it had.
    this.#drop('port-closed', this.#transmit.discardAll());
  }

  /** For the port: an interrupt of the device, on the guest's time. */
  interrupted(): void {
    if (this.domain.state === 'killed') return;
    this.#parts.processor.charge(COST.guestInterrupt);
    if (this.#polling) return;
    this.#polling = true;
    this.port.maskInterrupts(true);
    this.#onPoll();
  }

  #onPoll(): void {
    const { budget } = this.options;
    const handled = this.#receive.take(budget, this.#handler === undefined ? undefined : this);
    if (!this.#closed) this.#receive.refill();
    this.#transmit.reclaim();
    const more = this.#pullFrames(budget);
    this.#postTransmit();
    if (handled >= budget || more) {
      this.#parts.processor.post(this.domain.account, this, POLL);
      return;
    }
    this.#polling = false;
    // The device remembers what completed since the check above and raises it when it is unmasked.
    this.port.maskInterrupts(false);
  }
}

/** The options of the last driver of each machine. */
const OPTION_NAMES = Object.keys(DEFAULT_DRIVER) as (keyof DriverOptions)[];
const OPTIONS = new PerMachine<{ last: DriverOptions }>(() => ({ last: DEFAULT_DRIVER }));

/** The same options: the object of the driver before, where that has equal ones. */
function sharedOptions(parts: HostParts, options: DriverOptions): DriverOptions {
  const known = OPTIONS.of(parts);
  const isAlike = OPTION_NAMES.every((name) => known.last[name] === options[name]);
  if (!isAlike) known.last = options;
  return known.last;
}

function requireRange(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ParameterError(`${field} is ${value}, expected a whole number from ${least} to ${most}`);
  }
}
