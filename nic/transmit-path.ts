import type { BookedLine } from '../scheduler/booked-line.js';
import { type ContextId, storedContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { powerOfTwoFrom } from '../scheduler/whole-logarithm.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import { FLAG_INTERRUPT, MAX_FRAME_BYTES, PADDED_FRAME_BYTES, WIRE_OVERHEAD_BYTES } from './descriptor.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import { FrameFifo } from './frame-fifo.js';
import type { FrameLedger } from './frame-ledger.js';
import type { WireTimes } from './host-port.js';
import type { NicSubjects } from './streams.js';
import type { TransmitHeads } from './transmit-heads.js';
import type { TransmitOrder } from './transmit-order.js';

/** Where loaded frames go. */
export interface TransmitExit {
  /** A whole frame is loaded and at the head: may it go, and where? */
  route(context: Context, bytes: Uint8Array, offset: number): TransmitRoute;
  /** The frame has left (over the wire, or switched). */
  departed(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    times: WireTimes,
    route: TransmitRoute,
  ): void;
}

/** The environment of a transmit path. */
export interface TransmitNeighbours {
  /** Name of the exit, for the event kernel. */
  readonly name: string;
  /** Bytes of the FIFO: what may be granted and not have left. */
  readonly fifoBytes: number;
  /** What carries the frames; the inner exit has no line, and loaded frames leave it at once. */
  readonly line: BookedLine | undefined;
  readonly exit: TransmitExit;
  readonly heads: TransmitHeads;
  readonly completions: TransmitOrder;
  readonly path: DataPath;
  /** `bytes` have left the FIFO: its scheduler has the credit back. */
  readonly released: (bytes: number) => void;
}

/** Over the wire, to other contexts of this NIC, both (broadcast), or nowhere. */
export type TransmitRoute = 'wire' | 'switch' | 'both' | 'spoofed' | 'control';

// The record of a granted frame.
const FRAME_SHIFT = 4;
const CONTEXT = 0;
const EPOCH = 1;
const STATE = 2;
/** Reads of its buffers that are not over. */
const PENDING = 3;
const OFFSET = 4;
const BYTES = 5;
const FIRST_INDEX = 6;
const CHAIN = 7;
const URGENT = 8;
/** The next frame of the same context, or NONE. */
const NEXT_OF_CONTEXT = 9;

const NONE = -1;

/** The state of a granted frame. */
const READING = 0;
const LOADED = 1;
const ABORTED = 2;
const CANCELLED = 3;

/**
 * From a grant to an exit, the wire or the inner one: takes the frame's descriptors, reads its buffers into the exit's
 * FIFO, and sends what is loaded in the order of the grants. The FIFO's free space is the credit that the exit's
 * scheduler shares out, so what can overtake a decision is never more than the FIFO holds.
 */
export class TransmitPath {
  readonly #kernel: EventKernel;
  readonly #channel: DmaChannel;
  readonly #line: BookedLine | undefined;
  readonly #exit: TransmitExit;
  readonly #ledger: FrameLedger;
  readonly #path: DataPath;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #fifo: FrameFifo;
  readonly #depart: HandlerId;
  readonly #heads: TransmitHeads;
  readonly #completions: TransmitOrder;
  readonly #released: (bytes: number) => void;
  // Per context: its oldest and its newest frame here, slots or NONE.
  readonly #oldest: Int32Array;
  readonly #newest: Int32Array;
  // One record per granted frame, in a ring: the order of grants is the order on the wire.
  readonly #frames: Int32Array;
  readonly #slots: number;
  #first = 0;
  #count = 0;
  #sending = false;
  #route: TransmitRoute = 'wire';
  /** When the frame at the head was given to the line, ns. */
  #bookedNs = 0;
  /** Of the frame that has just left. */
  readonly #times = { startNs: 0, endNs: 0 };

  constructor(core: CardCore, neighbours: TransmitNeighbours) {
    const { contexts, kernel } = core;
    const { fifoBytes } = neighbours;
    this.#kernel = kernel;
    this.#channel = core.dma.open((slot, status) => this.#onRead(slot, status));
    this.#line = neighbours.line;
    this.#contexts = contexts;
    this.#exit = neighbours.exit;
    this.#ledger = core.ledger;
    this.#path = neighbours.path;
    this.#subjects = core.subjects;
    this.#fifo = new FrameFifo(fifoBytes, MAX_FRAME_BYTES);
    this.#depart = kernel.register(neighbours.name, (slot) => this.#onDepart(slot));
    this.#channel.buffer = this.#fifo.bytes;
    this.#heads = neighbours.heads;
    this.#completions = neighbours.completions;
    this.#released = neighbours.released;
    this.#oldest = new Int32Array(contexts.length).fill(NONE);
    this.#newest = new Int32Array(contexts.length).fill(NONE);
    this.#slots = powerOfTwoFrom(fifoBytes / PADDED_FRAME_BYTES + 2);
    this.#frames = new Int32Array(this.#slots << FRAME_SHIFT);
  }

  /** Frames between grant and departure. */
  get inFlight(): number {
    return this.#count;
  }

  /** Bytes between grant and departure. */
  get inFlightBytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.#count; index += 1) {
      bytes += this.#frame((this.#first + index) & (this.#slots - 1), BYTES);
    }
    return bytes;
  }

  /** Index of the first descriptor of the oldest frame of a context here, or -1. */
  oldestIndex(context: ContextId): number {
    const slot = present(this.#oldest[context]);
    return slot === NONE ? NONE : this.#frame(slot, FIRST_INDEX) >>> 0;
  }

  /** Takes the head frame of a context that was granted and starts to read it. */
  take(context: Context): void {
    const ring = context.transmit;
    const chain = this.#heads.chain(context.index);
    const padded = this.#heads.paddedBytes(context.index);
    if (chain === 0 || padded === 0)
      throw new InvariantViolation(`context ${context.index} was granted without a frame`);
    if (this.#count === this.#slots)
      throw new InvariantViolation('more frames in the FIFO than its bytes allow');

    const slot = (this.#first + this.#count) & (this.#slots - 1);
    this.#count += 1;
    this.#ledger.takenOn('transmit');
    const offset = this.#fifo.push(padded);
    const frames = this.#frames;
    const frame = slot << FRAME_SHIFT;
    const newest = present(this.#newest[context.index]);
    if (newest === NONE) this.#oldest[context.index] = slot;
    else frames[(newest << FRAME_SHIFT) + NEXT_OF_CONTEXT] = slot;
    this.#newest[context.index] = slot;
    frames[frame + NEXT_OF_CONTEXT] = NONE;
    frames[frame + CONTEXT] = context.index;
    frames[frame + EPOCH] = this.#heads.epoch(context.index);
    frames[frame + STATE] = READING;
    frames[frame + PENDING] = chain;
    frames[frame + OFFSET] = offset;
    frames[frame + BYTES] = padded;
    frames[frame + FIRST_INDEX] = ring.taken;
    frames[frame + CHAIN] = chain;
    const isFollowed = this.#subjects.followsDescriptors;
    if (isFollowed) this.#subjects.descriptor(context.index, 'transmit', ring.taken, chain, 'granted');

    let urgent = 0;
    let at = offset;
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = slot;
    for (let index = 0; index < chain; index += 1) {
      const descriptor = (ring.taken + index) >>> 0;
      const length = ring.length(descriptor);
      urgent |= ring.flags(descriptor) & FLAG_INTERRUPT;
      ring.aimAt(descriptor, channel);
      channel.length = length;
      channel.bufferOffset = at;
      channel.read();
      at += length;
    }
    frames[frame + URGENT] = urgent;
    if (at < offset + padded) this.#fifo.bytes.fill(0, at, offset + padded);
    if (isFollowed) this.#subjects.descriptor(context.index, 'transmit', ring.taken, chain, 'transferring');
    ring.taken = (ring.taken + chain) >>> 0;
    this.#heads.refresh(context);
    this.#path.took(context, 'transmit');
  }

  /** The context was stopped: its frames that have not begun to leave never will. */
  forget(context: Context): void {
    this.#oldest[context.index] = NONE;
    this.#newest[context.index] = NONE;
  }

  checkInvariants(): void {
    this.#fifo.checkInvariants();
    if (this.inFlightBytes > this.#fifo.usedBytes)
      throw new InvariantViolation('the transmit FIFO holds fewer bytes than its frames');
    const loaded = this.#count > 0 && this.#frame(this.#first, PENDING) === 0;
    if (loaded !== this.#sending)
      throw new InvariantViolation('a frame at the head of the transmit FIFO is not sent');
  }

  #onRead(slot: number, status: DmaStatus): void {
    const frames = this.#frames;
    const frame = slot << FRAME_SHIFT;
    const pending = present(frames[frame + PENDING]) - 1;
    frames[frame + PENDING] = pending;
    if (status === DMA_ABORTED) {
      frames[frame + STATE] = ABORTED;
      const context = this.#contexts[present(frames[frame + CONTEXT])];
      if (context !== undefined && this.#isCurrent(slot)) {
        this.#path.fault(context, 'transmit', 'payload-abort', present(frames[frame + FIRST_INDEX]) >>> 0);
      }
    } else if (status === DMA_CANCELLED && present(frames[frame + STATE]) !== ABORTED) {
      frames[frame + STATE] = CANCELLED;
    }
    if (pending > 0) return;
    if (present(frames[frame + STATE]) === READING) {
      frames[frame + STATE] = LOADED;
      if (this.#subjects.followsDescriptors)
        this.#subjects.descriptor(
          storedContextId(present(frames[frame + CONTEXT])),
          'transmit',
          present(frames[frame + FIRST_INDEX]) >>> 0,
          present(frames[frame + CHAIN]),
          'buffered',
        );
    }
    if (!this.#sending) this.#pump();
  }

  #frame(slot: number, field: number): number {
    return present(this.#frames[(slot << FRAME_SHIFT) + field]);
  }

  #isCurrent(slot: number): boolean {
    return this.#frame(slot, EPOCH) === this.#heads.epoch(storedContextId(this.#frame(slot, CONTEXT)));
  }

  /** Sends the oldest frame if it is all there; clears away those that will never be. */
  #pump(): void {
    while (this.#count > 0) {
      const slot = this.#first;
      const frames = this.#frames;
      const frame = slot << FRAME_SHIFT;
      if (present(frames[frame + PENDING]) > 0) return;
      const context = this.#contexts[present(frames[frame + CONTEXT])];
      if (context === undefined) throw new InvariantViolation('frame of a context that does not exist');
      const bytes = present(frames[frame + BYTES]);
      if (present(frames[frame + STATE]) !== LOADED || !this.#isCurrent(slot)) {
        const reason = present(frames[frame + STATE]) === ABORTED ? 'dma-abort' : 'context-stopped';
        this.#ledger.dropped(context.index, 'transmit', reason, bytes);
        this.#release(slot, bytes);
        continue;
      }
      const offset = present(frames[frame + OFFSET]);
      this.#bookedNs = this.#kernel.nowNs;
      this.#route = this.#exit.route(context, this.#fifo.bytes, offset);
      // The address was another one when the exit was decided: what was not granted by the wire does not go there.
      if (this.#line === undefined && (this.#route === 'wire' || this.#route === 'both'))
        this.#route = 'switch';
      this.#sending = true;
      const line = this.#line;
      if (line !== undefined && (this.#route === 'wire' || this.#route === 'both')) {
        line.book(bytes + WIRE_OVERHEAD_BYTES, 0, this.#depart, slot);
      } else {
        this.#kernel.post(0, this.#depart, slot);
      }
      return;
    }
  }

  #onDepart(slot: number): void {
    this.#sending = false;
    const frames = this.#frames;
    const frame = slot << FRAME_SHIFT;
    const context = this.#contexts[present(frames[frame + CONTEXT])];
    if (context === undefined) throw new InvariantViolation('frame of a context that does not exist');
    const bytes = present(frames[frame + BYTES]);
    const chain = present(frames[frame + CHAIN]);
    const lastIndex = ((present(frames[frame + FIRST_INDEX]) >>> 0) + chain - 1) >>> 0;
    if (this.#route === 'spoofed' || this.#route === 'control') {
      const reason = this.#route === 'spoofed' ? 'source-mac-spoofed' : 'mac-control';
      this.#ledger.dropped(context.index, 'transmit', reason, bytes);
    } else {
      this.#noteTimes(bytes);
      this.#exit.departed(
        context,
        this.#fifo.bytes,
        present(frames[frame + OFFSET]),
        bytes,
        lastIndex,
        this.#times,
        this.#route,
      );
    }
    // Revoked while its bits were on the wire: they cannot be called back, but the ring is not ours any more.
    if (this.#isCurrent(slot)) {
      const next = present(frames[frame + NEXT_OF_CONTEXT]);
      this.#oldest[context.index] = next;
      if (next === NONE) this.#newest[context.index] = NONE;
      this.#completions.left(context, lastIndex, present(frames[frame + URGENT]) !== 0);
    }
    this.#release(slot, bytes);
    this.#pump();
  }

  /** Notes when the frame that has just left began to, and when it had left. */
  #noteTimes(bytes: number): void {
    const line = this.#line;
    const times = this.#times;
    const { nowNs } = this.#kernel;
    times.endNs = nowNs;
    times.startNs =
      line === undefined || this.#route === 'switch'
        ? this.#bookedNs
        : Math.max(this.#bookedNs, nowNs - line.durationNs(bytes + WIRE_OVERHEAD_BYTES));
  }

  #release(slot: number, bytes: number): void {
    this.#fifo.shift(this.#frame(slot, OFFSET), bytes);
    this.#first = (this.#first + 1) & (this.#slots - 1);
    this.#count -= 1;
    this.#released(bytes);
  }
}
