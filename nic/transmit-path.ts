import { STARVED } from '../scheduler/dma-scheduler.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { SerialLine } from '../scheduler/serial-line.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import {
  FLAG_END_OF_PACKET,
  FLAG_INTERRUPT,
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
  PADDED_FRAME_BYTES,
  WIRE_OVERHEAD_BYTES,
} from './descriptor.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import { FrameFifo } from './frame-fifo.js';
import type { FrameLedger } from './frame-ledger.js';
import type { NicSubjects } from './streams.js';

/** Where loaded frames go. */
export interface TransmitExit {
  /** A whole frame is loaded and at the head: may it go, and where? */
  route(context: Context, bytes: Uint8Array, offset: number): TransmitRoute;
  /** It has gone (over the wire, or switched). */
  departed(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    startNs: number,
    endNs: number,
    route: TransmitRoute,
  ): void;
}

/** What the transmit path lies between. */
export interface TransmitNeighbours {
  readonly line: SerialLine;
  readonly exit: TransmitExit;
  readonly path: DataPath;
}

/** Over the wire, to other contexts of this NIC, both (broadcast), or nowhere. */
export type TransmitRoute = 'wire' | 'switch' | 'both' | 'spoofed';

/** Where a frame slot stands. */
const READING = 0;
const LOADED = 1;
const ABORTED = 2;
const CANCELLED = 3;

/**
 * From a grant to the wire: takes the frame's descriptors, reads its buffers into the transmit FIFO, and
 * sends what is loaded in the order of the grants. The FIFO's room is the credit that the scheduler shares
 * out, so what can overtake a decision is never more than the FIFO holds.
 */
export class TransmitPath {
  readonly #kernel: EventKernel;
  readonly #channel: DmaChannel;
  readonly #line: SerialLine;
  readonly #exit: TransmitExit;
  readonly #ledger: FrameLedger;
  readonly #path: DataPath;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #fifo: FrameFifo;
  readonly #depart: HandlerId;
  readonly #headBytes: Int32Array;
  // Bytes of the frame of which only the beginning has been fetched.
  readonly #tailBytes: Int32Array;
  readonly #epochs: Int32Array;

  // One slot a granted frame, in a ring: the order of grants is the order on the wire.
  readonly #slots: number;
  readonly #context: Int32Array;
  readonly #epoch: Int32Array;
  readonly #state: Uint8Array;
  readonly #pendingReads: Int32Array;
  readonly #offset: Int32Array;
  readonly #bytes: Int32Array;
  readonly #firstIndex: Uint32Array;
  readonly #chain: Int32Array;
  readonly #urgent: Uint8Array;
  #first = 0;
  #count = 0;
  #sending = false;
  #route: TransmitRoute = 'wire';
  #startNs = 0;

  constructor(core: CardCore, neighbours: TransmitNeighbours) {
    const { contexts, kernel } = core;
    const fifoBytes = core.parameters.transmitFifoBytes;
    this.#kernel = kernel;
    this.#channel = core.dma.open((slot, status) => this.#onRead(slot, status));
    this.#line = neighbours.line;
    this.#contexts = contexts;
    this.#exit = neighbours.exit;
    this.#ledger = core.ledger;
    this.#path = neighbours.path;
    this.#subjects = core.subjects;
    this.#fifo = new FrameFifo(fifoBytes, MAX_FRAME_BYTES);
    this.#depart = kernel.register('nic.mac', (slot) => this.#onDepart(slot));
    this.#channel.buffer = this.#fifo.bytes;
    this.#headBytes = new Int32Array(contexts.length);
    this.#tailBytes = new Int32Array(contexts.length);
    this.#epochs = new Int32Array(contexts.length);
    this.#slots = 2 ** Math.ceil(Math.log2(fifoBytes / PADDED_FRAME_BYTES + 2));
    this.#context = new Int32Array(this.#slots);
    this.#epoch = new Int32Array(this.#slots);
    this.#state = new Uint8Array(this.#slots);
    this.#pendingReads = new Int32Array(this.#slots);
    this.#offset = new Int32Array(this.#slots);
    this.#bytes = new Int32Array(this.#slots);
    this.#firstIndex = new Uint32Array(this.#slots);
    this.#chain = new Int32Array(this.#slots);
    this.#urgent = new Uint8Array(this.#slots);
  }

  /** Bytes of the frame that a grant to this context would send; 0 if none is posted, STARVED if it is not here yet. */
  headBytes(context: number): number {
    const bytes = present(this.#headBytes[context]);
    if (bytes > 0) return bytes;
    const { state, transmit } = present(this.#contexts[context]);
    return state === 'open' && transmit.untaken > transmit.available ? STARVED : 0;
  }

  /** Frames between grant and departure. */
  get inFlight(): number {
    return this.#count;
  }

  /** Bytes between grant and departure. */
  get inFlightBytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.#count; index += 1) {
      bytes += present(this.#bytes[(this.#first + index) & (this.#slots - 1)]);
    }
    return bytes;
  }

  /** Tells of each frame that the `count` descriptors from index `first` on complete. */
  noteArrivals(context: Context, first: number, count: number): void {
    const ring = context.transmit;
    let bytes = present(this.#tailBytes[context.index]);
    for (let index = 0; index < count; index += 1) {
      bytes += ring.length(first + index);
      if ((ring.flags(first + index) & FLAG_END_OF_PACKET) === 0) continue;
      this.#path.queued(context, Math.max(bytes, PADDED_FRAME_BYTES));
      bytes = 0;
    }
    this.#tailBytes[context.index] = bytes;
  }

  /** Looks again at the head of a context's queue; true when a frame could go now. */
  refreshHead(context: Context): boolean {
    const ring = context.transmit;
    const chain = ring.headChain();
    let bytes = 0;
    for (let index = 0; index < chain; index += 1) bytes += ring.length(ring.taken + index);
    this.#headBytes[context.index] = 0;
    if (chain === 0) return false;
    if (bytes < MIN_FRAME_BYTES) {
      this.#path.fault(context, 'transmit', 'frame-too-short', bytes);
      return false;
    }
    if (bytes > MAX_FRAME_BYTES) {
      this.#path.fault(context, 'transmit', 'frame-too-long', bytes);
      return false;
    }
    this.#headBytes[context.index] = Math.max(bytes, PADDED_FRAME_BYTES);
    return true;
  }

  /** Takes the head frame of a context that was granted and starts to read it. */
  take(context: Context): void {
    const ring = context.transmit;
    const chain = ring.headChain();
    const padded = present(this.#headBytes[context.index]);
    if (chain === 0 || padded === 0)
      throw new InvariantViolation(`context ${context.index} was granted without a frame`);
    if (this.#count === this.#slots)
      throw new InvariantViolation('more frames in the FIFO than its bytes allow');

    const slot = (this.#first + this.#count) & (this.#slots - 1);
    this.#count += 1;
    this.#ledger.takenOn('transmit');
    const offset = this.#fifo.push(padded);
    this.#context[slot] = context.index;
    this.#epoch[slot] = present(this.#epochs[context.index]);
    this.#state[slot] = READING;
    this.#pendingReads[slot] = chain;
    this.#offset[slot] = offset;
    this.#bytes[slot] = padded;
    this.#firstIndex[slot] = ring.taken;
    this.#chain[slot] = chain;
    this.#subjects.descriptor(context.index, 'transmit', ring.taken, chain, 'granted');

    let urgent = 0;
    let at = offset;
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = slot;
    for (let index = 0; index < chain; index += 1) {
      const descriptor = (ring.taken + index) >>> 0;
      const length = ring.length(descriptor);
      urgent |= ring.flags(descriptor) & FLAG_INTERRUPT;
      channel.address = ring.address(descriptor);
      channel.length = length;
      channel.bufferOffset = at;
      channel.read();
      at += length;
    }
    this.#urgent[slot] = urgent;
    if (at < offset + padded) this.#fifo.bytes.fill(0, at, offset + padded);
    this.#subjects.descriptor(context.index, 'transmit', ring.taken, chain, 'transferring');
    ring.taken = (ring.taken + chain) >>> 0;
    this.refreshHead(context);
    this.#path.took(context, 'transmit');
  }

  /** The context was stopped: its frames that have not begun to leave never will. */
  forget(context: Context): void {
    this.#epochs[context.index] = present(this.#epochs[context.index]) + 1;
    this.#headBytes[context.index] = 0;
    this.#tailBytes[context.index] = 0;
  }

  checkInvariants(): void {
    this.#fifo.checkInvariants();
    if (this.inFlightBytes > this.#fifo.usedBytes)
      throw new InvariantViolation('the transmit FIFO holds fewer bytes than its frames');
    const loaded = this.#count > 0 && this.#pendingReads[this.#first] === 0;
    if (loaded !== this.#sending)
      throw new InvariantViolation('a frame at the head of the transmit FIFO is not sent');
  }

  #onRead(slot: number, status: DmaStatus): void {
    const pending = present(this.#pendingReads[slot]) - 1;
    this.#pendingReads[slot] = pending;
    if (status === DMA_ABORTED) {
      this.#state[slot] = ABORTED;
      const context = this.#contexts[present(this.#context[slot])];
      if (context !== undefined && this.#isCurrent(slot)) {
        this.#path.fault(context, 'transmit', 'payload-abort', present(this.#firstIndex[slot]));
      }
    } else if (status === DMA_CANCELLED && this.#state[slot] !== ABORTED) {
      this.#state[slot] = CANCELLED;
    }
    if (pending > 0) return;
    if (this.#state[slot] === READING) {
      this.#state[slot] = LOADED;
      this.#subjects.descriptor(
        present(this.#context[slot]),
        'transmit',
        present(this.#firstIndex[slot]),
        present(this.#chain[slot]),
        'buffered',
      );
    }
    if (!this.#sending) this.#pump();
  }

  #isCurrent(slot: number): boolean {
    return this.#epoch[slot] === this.#epochs[present(this.#context[slot])];
  }

  /** Sends the oldest frame if it is all there; clears away those that will never be. */
  #pump(): void {
    while (this.#count > 0) {
      const slot = this.#first;
      if (present(this.#pendingReads[slot]) > 0) return;
      const context = this.#contexts[present(this.#context[slot])];
      if (context === undefined) throw new InvariantViolation('frame of a context that does not exist');
      const bytes = present(this.#bytes[slot]);
      if (this.#state[slot] !== LOADED || !this.#isCurrent(slot)) {
        const reason = this.#state[slot] === ABORTED ? 'dma-abort' : 'context-stopped';
        this.#ledger.dropped(context.index, 'transmit', reason, bytes);
        this.#release(slot, bytes);
        continue;
      }
      const offset = present(this.#offset[slot]);
      const nowNs = this.#kernel.nowNs;
      this.#route = this.#exit.route(context, this.#fifo.bytes, offset);
      this.#sending = true;
      if (this.#route === 'wire' || this.#route === 'both') {
        const endNs = this.#line.carry(bytes + WIRE_OVERHEAD_BYTES, nowNs);
        this.#startNs = Math.max(nowNs, endNs - this.#line.durationNs(bytes + WIRE_OVERHEAD_BYTES));
        this.#kernel.post(endNs - nowNs, this.#depart, slot);
      } else {
        this.#startNs = nowNs;
        this.#kernel.post(0, this.#depart, slot);
      }
      return;
    }
  }

  #onDepart(slot: number): void {
    this.#sending = false;
    const context = this.#contexts[present(this.#context[slot])];
    if (context === undefined) throw new InvariantViolation('frame of a context that does not exist');
    const bytes = present(this.#bytes[slot]);
    const chain = present(this.#chain[slot]);
    const lastIndex = (present(this.#firstIndex[slot]) + chain - 1) >>> 0;
    if (this.#route === 'spoofed') {
      this.#ledger.dropped(context.index, 'transmit', 'source-mac-spoofed', bytes);
    } else {
      this.#exit.departed(
        context,
        this.#fifo.bytes,
        present(this.#offset[slot]),
        bytes,
        lastIndex,
        this.#startNs,
        this.#kernel.nowNs,
        this.#route,
      );
    }
    // Revoked while its bits were on the wire: they cannot be called back, but the ring is not ours any more.
    if (this.#isCurrent(slot)) {
      const ring = context.transmit;
      ring.consumer = (lastIndex + 1) >>> 0;
      this.#subjects.descriptor(
        context.index,
        'transmit',
        present(this.#firstIndex[slot]),
        chain,
        'completed',
      );
      this.#path.completed(context, 'transmit', chain, this.#urgent[slot] !== 0);
    }
    this.#release(slot, bytes);
    this.#pump();
  }

  #release(slot: number, bytes: number): void {
    this.#fifo.shift(present(this.#offset[slot]), bytes);
    this.#first = (this.#first + 1) & (this.#slots - 1);
    this.#count -= 1;
    this.#path.released('transmit', bytes);
  }
}
