import type { Subscription } from 'rxjs';
import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import { FRAME_BYTES } from '../host/memory/physical-memory.js';
import { BufferBatch, type GuestPort } from '../host/protection/guest-port.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../nic/descriptor.js';
import type { TrafficSource } from './traffic/traffic-source.js';

/** How a driver works its card. */
export interface DriverOptions {
  /** Frames that one unit of work handles before others get the core (NAPI's budget). */
  readonly budget: number;
  /** Bytes of one buffer: 2,048 puts two on a page, as most drivers do; 4,096 gives each its own page. */
  readonly bufferBytes: 2048 | 4096;
  /** Receive buffers are handed back when at least this many are free. */
  readonly refillBatch: number;
  /** Most descriptors in one call through the set-up gate. */
  readonly postBatch: number;
}

export const DEFAULT_DRIVER: DriverOptions = {
  budget: 64,
  bufferBytes: 2048,
  refillBatch: 16,
  postBatch: 64,
};

/** Why the driver itself gave a frame up. */
export const DRIVER_DROPS = ['ring-full', 'refused-at-set-up', 'bad-size', 'port-closed'] as const;
export type DriverDrop = (typeof DRIVER_DROPS)[number];

/**
 * What becomes of a received frame. `bytes` is borrowed. Returns a frame to send in answer, if any.
 */
export type ReceiveHandler = (bytes: Uint8Array, offset: number, length: number) => Uint8Array | undefined;

/**
 * A guest's network driver: rings of buffers in guest memory, doorbells, and service by interrupt and poll
 * (on an interrupt it masks further ones and polls within a budget, as Linux's NAPI does). It knows a port,
 * not what protects it; the same driver runs over every approach.
 *
 * Buffer i of a ring belongs to slot i, so a frame is written once, where the device will read it.
 */
export class NicDriver {
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly options: DriverOptions;
  readonly #parts: HostParts;
  readonly #transmitBuffers: Float64Array;
  readonly #receiveBuffers: Float64Array;
  readonly #transmitBatch: BufferBatch;
  readonly #receiveBatch: BufferBatch;
  readonly #slotLength: Uint32Array;
  readonly #slotFlags: Uint16Array;
  readonly #createdNs: Float64Array;
  readonly #scratch = new Uint8Array(MAX_FRAME_BYTES + 4096);
  readonly #drops: Record<DriverDrop, number> = {
    'ring-full': 0,
    'refused-at-set-up': 0,
    'bad-size': 0,
    'port-closed': 0,
  };
  readonly #subscriptions: Subscription[] = [];
  readonly #sources: Extract<TrafficSource, { kind: 'pull' }>[] = [];
  readonly #transmitWork = () => this.#onTransmitWork();
  readonly #pollWork = () => this.#onPoll();
  #handler: ReceiveHandler | undefined;
  #pulled: Uint8Array | undefined;
  // One past the last transmit slot that holds a frame; what lies past the port's producer is not posted yet.
  #written = 0;
  // One past the last transmit slot whose frame the device has reported as done.
  #reclaimed = 0;
  #transmitPending = false;
  #polling = false;
  #received = 0;
  #framesOffered = 0;
  #framesPosted = 0;
  #framesSent = 0;
  #framesReceived = 0;
  #bytesReceived = 0;
  #closed = false;

  /** Allocates buffers and posts all receive buffers. @throws RangeError when the machine has no memory left. */
  constructor(parts: HostParts, domain: Domain, port: GuestPort, options: Partial<DriverOptions> = {}) {
    this.#parts = parts;
    this.domain = domain;
    this.port = port;
    this.options = { ...DEFAULT_DRIVER, ...options };
    requireRange('driver.budget', this.options.budget, 1, 4096);
    requireRange('driver.refillBatch', this.options.refillBatch, 1, port.receive.slots);
    requireRange('driver.postBatch', this.options.postBatch, 1, 4096);
    this.#transmitBuffers = this.#allocate(port.transmit.slots);
    this.#receiveBuffers = this.#allocate(port.receive.slots);
    this.#transmitBatch = new BufferBatch(Math.min(this.options.postBatch, port.transmit.slots));
    this.#receiveBatch = new BufferBatch(Math.min(this.options.postBatch, port.receive.slots));
    this.#slotLength = new Uint32Array(port.transmit.slots);
    this.#slotFlags = new Uint16Array(port.transmit.slots);
    this.#createdNs = new Float64Array(port.transmit.slots);
    port.onInterrupt(() => this.#onInterrupt());
    this.#refill(1);
  }

  /** Frames that sources and callers wanted to send. Each was sent, dropped here, or is still in the ring. */
  get framesOffered(): number {
    return this.#framesOffered;
  }

  /** Frames handed to the device. */
  get framesPosted(): number {
    return this.#framesPosted;
  }

  /** Frames that the device has reported as done. */
  get framesSent(): number {
    return this.#framesSent;
  }

  get framesReceived(): number {
    return this.#framesReceived;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Frames given up here, by reason. */
  get drops(): Readonly<Record<DriverDrop, number>> {
    return this.#drops;
  }

  /** Frames written to buffers and not reported as done. */
  get framesQueued(): number {
    let frames = 0;
    for (let index = this.#reclaimed; index !== this.#written; index = (index + 1) >>> 0) {
      if (((this.#slotFlags[index & this.#transmitMask] ?? 0) & FLAG_END_OF_PACKET) !== 0) frames += 1;
    }
    return frames;
  }

  /** When the frame whose last buffer is in this slot was handed to the driver, ns. */
  createdNs(descriptorIndex: number): number {
    return this.#createdNs[descriptorIndex & this.#transmitMask] ?? 0;
  }

  /** Address of the buffer of a transmit or receive slot: for those who want to look, or to attack. */
  transmitBuffer(index: number): number {
    return this.#transmitBuffers[index & this.#transmitMask] ?? 0;
  }

  receiveBuffer(index: number): number {
    return this.#receiveBuffers[index & (this.port.receive.slots - 1)] ?? 0;
  }

  /** What to do with received frames. */
  onReceive(handler: ReceiveHandler | undefined): void {
    this.#handler = handler;
  }

  /** Frames from this source are sent from now on. */
  attach(source: TrafficSource): void {
    if (source.kind === 'pull') {
      this.#sources.push(source);
      this.#wantTransmit();
      return;
    }
    this.#subscriptions.push(
      source.frames$.subscribe((frame) => {
        try {
          this.send(frame);
        } catch (error) {
          this.#parts.kernel.fail(error);
        }
      }),
    );
  }

  /** Stops all sources and hands nothing more to the device. */
  close(): void {
    this.#closed = true;
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#sources.length = 0;
  }

  /**
   * Sends a frame: its bytes are written to the next free buffers at once (the application's store), the
   * driver's work on it waits for CPU time. False if it was dropped; `drops` says why.
   */
  send(frame: Uint8Array): boolean {
    this.#framesOffered += 1;
    if (!this.#store(frame)) return false;
    this.#wantTransmit();
    return true;
  }

  checkInvariants(): void {
    const sum = DRIVER_DROPS.reduce((total, reason) => total + this.#drops[reason], 0);
    if (this.#framesOffered !== this.#framesSent + sum + this.framesQueued) {
      throw new Error(
        `${this.domain.name}: ${this.#framesOffered} frames offered, ${this.#framesSent} sent, ${sum} dropped, ${this.framesQueued} queued`,
      );
    }
  }

  get #transmitMask(): number {
    return this.port.transmit.slots - 1;
  }

  #allocate(slots: number): Float64Array {
    const perPage = FRAME_BYTES / this.options.bufferBytes;
    const frames = this.domain.allocate(Math.ceil(slots / perPage));
    return Float64Array.from(
      { length: slots },
      (_, slot) =>
        (frames[Math.floor(slot / perPage)] ?? 0) * FRAME_BYTES + (slot % perPage) * this.options.bufferBytes,
    );
  }

  #store(frame: Uint8Array): boolean {
    const length = frame.length;
    if (this.#closed) return this.#drop('port-closed');
    if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) return this.#drop('bad-size');
    const { bufferBytes } = this.options;
    const buffers = Math.ceil(length / bufferBytes);
    if (((this.#written - this.#reclaimed) >>> 0) + buffers > this.port.transmit.slots)
      return this.#drop('ring-full');
    for (let at = 0; at < length; at += bufferBytes) {
      const slot = this.#written & this.#transmitMask;
      const piece = Math.min(bufferBytes, length - at);
      if (this.domain.write(this.#transmitBuffers[slot] ?? 0, piece, frame, at) !== 'done') {
        throw new Error(`${this.domain.name}: the driver lost a transmit buffer`);
      }
      this.#slotLength[slot] = piece;
      this.#slotFlags[slot] = at + piece === length ? FLAG_END_OF_PACKET : 0;
      this.#createdNs[slot] = this.#parts.kernel.nowNs;
      this.#written = (this.#written + 1) >>> 0;
    }
    return true;
  }

  #drop(reason: DriverDrop): false {
    this.#drops[reason] += 1;
    return false;
  }

  #wantTransmit(): void {
    if (this.#transmitPending || this.domain.state === 'killed') return;
    this.#transmitPending = true;
    this.#parts.processor.post(this.domain.party, this.#transmitWork);
  }

  #onTransmitWork(): void {
    this.#transmitPending = false;
    this.#reclaim();
    const more = this.#pullFrames(this.options.budget);
    this.#postTransmit();
    if (more) this.#wantTransmit();
  }

  /** Fills free slots from pull sources; true if the budget ended it, not the ring or the sources. */
  #pullFrames(budget: number): boolean {
    const source = this.#sources[0];
    if (source === undefined) return false;
    const most = Math.ceil(MAX_FRAME_BYTES / this.options.bufferBytes);
    for (let count = 0; count < budget; count += 1) {
      const free = this.port.transmit.slots - ((this.#written - this.#reclaimed) >>> 0);
      this.#pulled ??= source.pull();
      if (this.#pulled === undefined) {
        this.#sources.shift();
        return this.#sources.length > 0;
      }
      if (free < Math.min(most, Math.ceil(this.#pulled.length / this.options.bufferBytes))) return false;
      this.#framesOffered += 1;
      this.#store(this.#pulled);
      this.#pulled = undefined;
    }
    return true;
  }

  /** Hands written frames to the device, a batch a call, and rings once. */
  #postTransmit(): void {
    const queue = this.port.transmit;
    const batch = this.#transmitBatch;
    let posted = false;
    while (queue.producer !== this.#written) {
      batch.clear();
      let frames = 0;
      for (let index = queue.producer; index !== this.#written; index = (index + 1) >>> 0) {
        const slot = index & this.#transmitMask;
        const flags = this.#slotFlags[slot] ?? 0;
        if (!batch.add(this.#transmitBuffers[slot] ?? 0, this.#slotLength[slot] ?? 0, flags)) break;
        frames += flags & FLAG_END_OF_PACKET;
      }
      this.#parts.processor.charge('transmitPacket', frames);
      const before = queue.producer;
      const accepted = queue.post(batch);
      posted ||= accepted > 0;
      this.#framesPosted += this.#framesBetween(before, queue.producer);
      if (accepted === batch.count) continue;
      if (queue.refusal !== undefined) {
        this.#abandon(queue.refusal.refusal === 'port-closed' ? 'port-closed' : 'refused-at-set-up');
      }
      break;
    }
    if (posted) queue.ring();
  }

  #framesBetween(from: number, to: number): number {
    let frames = 0;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      frames += (this.#slotFlags[index & this.#transmitMask] ?? 0) & FLAG_END_OF_PACKET;
    }
    return frames;
  }

  /** What is written and not posted never will be. */
  #abandon(reason: DriverDrop): void {
    const from = this.port.transmit.producer;
    this.#drops[reason] += this.#framesBetween(from, this.#written);
    this.#written = from;
    if (reason === 'port-closed') {
      this.close();
      // Nor will the device ever report what it had.
      this.#drops[reason] += this.framesQueued;
      this.#reclaimed = this.#written;
    }
  }

  #reclaim(): void {
    const queue = this.port.transmit;
    const consumer = queue.consumer();
    const done = (consumer - this.#reclaimed) >>> 0;
    if (done === 0 || done > (queue.producer - this.#reclaimed) >>> 0) return;
    const frames = this.#framesBetween(this.#reclaimed, consumer);
    this.#framesSent += frames;
    this.#parts.processor.charge('reclaimPacket', frames);
    queue.finish(consumer);
    this.#reclaimed = consumer;
  }

  #onInterrupt(): void {
    if (this.domain.state === 'killed') return;
    this.#parts.processor.charge('guestInterrupt');
    if (this.#polling) return;
    this.#polling = true;
    this.port.maskInterrupts(true);
    this.#onPoll();
  }

  #onPoll(): void {
    const handled = this.#receive(this.options.budget);
    this.#reclaim();
    const more = this.#pullFrames(this.options.budget);
    this.#postTransmit();
    if (handled >= this.options.budget || more) {
      this.#parts.processor.post(this.domain.party, this.#pollWork);
      return;
    }
    this.#polling = false;
    // What completed since the look above is remembered by the device and told when it is unmasked.
    this.port.maskInterrupts(false);
  }

  /** Takes received frames; returns how many. */
  #receive(budget: number): number {
    const queue = this.port.receive;
    const consumer = queue.consumer();
    if ((consumer - this.#received) >>> 0 > (queue.producer - this.#received) >>> 0) return 0;
    let frames = 0;
    let length = 0;
    let index = this.#received;
    while (index !== consumer && frames < budget) {
      const bytes = queue.completedLength(index);
      const flags = queue.completedFlags(index);
      const address = queue.completedAddress(index);
      if (this.#handler !== undefined && length + bytes <= this.#scratch.length) {
        this.domain.read(address, bytes, this.#scratch, length);
      }
      this.#receiveBuffers[index & (queue.slots - 1)] = address;
      length += bytes;
      index = (index + 1) >>> 0;
      if ((flags & FLAG_END_OF_PACKET) === 0) continue;
      frames += 1;
      this.#framesReceived += 1;
      this.#bytesReceived += length;
      this.#received = index;
      this.#deliver(length);
      length = 0;
    }
    if (frames > 0) {
      this.#parts.processor.charge('receivePacket', frames);
      queue.finish(this.#received);
      this.#refill(this.options.refillBatch);
    }
    return frames;
  }

  #deliver(length: number): void {
    const answer = this.#handler?.(this.#scratch, 0, length);
    if (answer === undefined) return;
    this.#framesOffered += 1;
    this.#store(answer);
  }

  /** Hands free receive buffers back when at least `least` of them are. */
  #refill(least: number): void {
    const queue = this.port.receive;
    const batch = this.#receiveBatch;
    let free = queue.slots - ((queue.producer - this.#received) >>> 0);
    if (free < least) return;
    while (free > 0) {
      batch.clear();
      const first = queue.producer;
      for (let step = 0; step < free; step += 1) {
        const slot = (first + step) & (queue.slots - 1);
        if (!batch.add(this.#receiveBuffers[slot] ?? 0, this.options.bufferBytes, 0)) break;
      }
      this.#parts.processor.charge('refillBuffer', batch.count);
      const accepted = queue.post(batch);
      free -= accepted;
      if (accepted < batch.count) break;
    }
    queue.ring();
  }
}

function requireRange(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${field} is ${value}, expected a whole number from ${least} to ${most}`);
  }
}
