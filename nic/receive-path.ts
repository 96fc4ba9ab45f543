import type { Outlet } from '../scheduler/outlet.js';
import type { Context } from './context.js';
import type { DropReason, FaultReason } from './counters.js';
import {
  DESCRIPTOR_BYTES,
  encodeDescriptor,
  FLAG_DONE,
  FLAG_END_OF_PACKET,
  FLAG_INTERRUPT,
} from './descriptor.js';
import { DMA_ABORTED, type DmaEngine, type DmaStatus } from './dma-engine.js';
import { ReceiveBuffer } from './receive-buffer.js';
import type { NicOutlets } from './streams.js';

/** What the receive path asks of its NIC. */
export interface ReceiveClient {
  /** A frame is in the context's memory, its descriptors say so, and nothing before it is missing. */
  received(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    arrivedNs: number,
  ): void;
  completed(context: Context, urgent: boolean): void;
  dropped(context: Context, reason: DropReason, bytes: number): void;
  fault(context: Context, reason: FaultReason, detail: number): void;
  took(context: Context): void;
}

const NONE = -1;
const WAITING = 0;
const WRITING = 1;
const WRITTEN = 2;
const FAILED = 3;

/**
 * From the wire to guest memory: keeps frames in the receive buffer, each context within its share, and
 * writes them through the context's posted descriptors when the receive scheduler grants it. Descriptors are
 * written back behind the payload, and finish in the order in which they were posted.
 */
export class ReceivePath {
  readonly #dma: DmaEngine;
  readonly #client: ReceiveClient;
  readonly #outlets: NicOutlets;
  readonly #contexts: readonly Context[];
  readonly #credit: Outlet<number>;
  readonly #shareBytes: number;
  readonly #buffer = new ReceiveBuffer();
  readonly #dmaClient: number;

  // Per context: a list of frames, oldest first; from `cursor` on they have not been granted yet.
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #cursor: Int32Array;
  readonly #waitingFrames: Int32Array;
  readonly #heldBytes: Int32Array;
  readonly #epochs: Int32Array;
  readonly #writeBacks: (Uint8Array | undefined)[];

  // One slot a frame.
  #context = new Int32Array(0);
  #epoch = new Int32Array(0);
  #state = new Uint8Array(0);
  #length = new Int32Array(0);
  #arrivedNs = new Float64Array(0);
  #block = new Int32Array(0);
  #pending = new Int32Array(0);
  #firstIndex = new Uint32Array(0);
  #chain = new Int32Array(0);
  #urgent = new Uint8Array(0);
  #next = new Int32Array(0);
  #free = NONE;
  #inUse = 0;

  constructor(
    dma: DmaEngine,
    contexts: readonly Context[],
    client: ReceiveClient,
    outlets: NicOutlets,
    credit: Outlet<number>,
    shareBytes: number,
  ) {
    this.#dma = dma;
    this.#contexts = contexts;
    this.#client = client;
    this.#outlets = outlets;
    this.#credit = credit;
    this.#shareBytes = shareBytes;
    this.#dmaClient = dma.register((slot, status) => this.#onWritten(slot, status));
    this.#head = new Int32Array(contexts.length).fill(NONE);
    this.#tail = new Int32Array(contexts.length).fill(NONE);
    this.#cursor = new Int32Array(contexts.length).fill(NONE);
    this.#waitingFrames = new Int32Array(contexts.length);
    this.#heldBytes = new Int32Array(contexts.length);
    this.#epochs = new Int32Array(contexts.length);
    this.#writeBacks = new Array<Uint8Array | undefined>(contexts.length).fill(undefined);
  }

  /** Frames between arrival and completion. */
  get inFlight(): number {
    return this.#inUse;
  }

  /** Bytes of the receive buffer that a context holds. */
  heldBytes(context: number): number {
    return this.#heldBytes[context] ?? 0;
  }

  /**
   * Bytes of the frame that a grant would write for this context, or 0. A frame whose descriptors are posted
   * but not on the card yet is not ready; the fetch that brings them rings again.
   */
  headBytes(context: number): number {
    const slot = this.#cursor[context] ?? NONE;
    if (slot === NONE) return 0;
    const ring = this.#contexts[context]?.receive;
    if (ring === undefined || !this.#chainReady(context)) return 0;
    return this.#length[slot] ?? 0;
  }

  /** A frame for this context has arrived. Returns whether there is something to grant. */
  arrive(context: Context, bytes: Uint8Array, offset: number, length: number, nowNs: number): boolean {
    const index = context.index;
    const ring = context.receive;
    if (ring.untaken <= (this.#waitingFrames[index] ?? 0)) {
      this.#client.dropped(context, 'no-receive-buffer', length);
      return false;
    }
    if ((this.#heldBytes[index] ?? 0) + length > this.#shareBytes) {
      this.#client.dropped(context, 'receive-share-full', length);
      return false;
    }
    if (this.#free === NONE) this.#grow();
    const slot = this.#free;
    this.#free = this.#next[slot] ?? NONE;
    this.#inUse += 1;
    const block = this.#buffer.allocate(length);
    const memory = this.#buffer.bytes(block);
    const at = this.#buffer.offset(block);
    copy(bytes, offset, memory, at, length);
    this.#context[slot] = index;
    this.#epoch[slot] = this.#epochs[index] ?? 0;
    this.#state[slot] = WAITING;
    this.#length[slot] = length;
    this.#arrivedNs[slot] = nowNs;
    this.#block[slot] = block;
    this.#pending[slot] = 0;
    this.#next[slot] = NONE;
    this.#heldBytes[index] = (this.#heldBytes[index] ?? 0) + length;
    this.#waitingFrames[index] = (this.#waitingFrames[index] ?? 0) + 1;
    const tail = this.#tail[index] ?? NONE;
    if (tail === NONE) this.#head[index] = slot;
    else this.#next[tail] = slot;
    this.#tail[index] = slot;
    if ((this.#cursor[index] ?? NONE) === NONE) this.#cursor[index] = slot;
    return true;
  }

  /** Whether a frame waits for its grant. */
  waiting(context: number): boolean {
    return (this.#cursor[context] ?? NONE) !== NONE;
  }

  /** Writes the frame at the cursor of a context that was granted. */
  take(context: Context): void {
    const index = context.index;
    const slot = this.#cursor[index] ?? NONE;
    if (slot === NONE) throw new Error(`context ${index} was granted a receive without a frame`);
    const ring = context.receive;
    const length = this.#length[slot] ?? 0;
    const chain = this.#chainFor(context, length);
    if (chain === 0) throw new Error(`context ${index} was granted a receive without descriptors`);
    this.#cursor[index] = this.#next[slot] ?? NONE;
    this.#waitingFrames[index] = (this.#waitingFrames[index] ?? 0) - 1;
    this.#state[slot] = WRITING;
    this.#firstIndex[slot] = ring.taken;
    this.#chain[slot] = chain;
    this.#outlets.descriptor(index, 'receive', ring.taken, chain, 'granted');

    const block = this.#block[slot] ?? 0;
    const memory = this.#buffer.bytes(block);
    let at = this.#buffer.offset(block);
    let left = length;
    let urgent = 0;
    const writeBack = this.#writeBackOf(context);
    const mask = ring.cacheSlots - 1;
    this.#pending[slot] = chain + this.#writeBackRuns(ring.taken, chain, ring.slots, mask);
    for (let step = 0; step < chain; step += 1) {
      const descriptor = (ring.taken + step) >>> 0;
      const room = ring.length(descriptor);
      const used = Math.min(left, room);
      left -= used;
      urgent |= ring.flags(descriptor) & FLAG_INTERRUPT;
      const flags = FLAG_DONE | (left === 0 ? FLAG_END_OF_PACKET : 0);
      encodeDescriptor(
        writeBack,
        (descriptor & mask) * DESCRIPTOR_BYTES,
        ring.address(descriptor),
        used,
        flags,
        ring.sequence(descriptor),
      );
      this.#dma.write(
        this.#dmaClient,
        slot,
        index,
        context.requesterId,
        ring.address(descriptor),
        used,
        memory,
        at,
      );
      at += used;
    }
    this.#urgent[slot] = urgent;
    this.#outlets.descriptor(index, 'receive', ring.taken, chain, 'transferring');
    this.#sendWriteBacks(slot, context, ring.taken, chain, writeBack, mask);
    ring.taken = (ring.taken + chain) >>> 0;
    this.#client.took(context);
  }

  /** The context was stopped: what it holds is dropped, what is being written is not completed. */
  forget(context: Context): void {
    const index = context.index;
    this.#epochs[index] = (this.#epochs[index] ?? 0) + 1;
    const cursor = this.#cursor[index] ?? NONE;
    let slot = cursor;
    while (slot !== NONE) {
      const next = this.#next[slot] ?? NONE;
      this.#client.dropped(context, 'context-stopped', this.#length[slot] ?? 0);
      this.#releaseSlot(slot);
      slot = next;
    }
    // Those under way lie before the cursor: each leaves when its last transfer has ended, or now if that
    // has happened and it was only waiting for an older one.
    for (let at = this.#head[index] ?? NONE; at !== NONE && at !== cursor; ) {
      const next = this.#next[at] ?? NONE;
      if (this.#state[at] === WRITTEN) {
        const length = this.#length[at] ?? 0;
        this.#client.dropped(context, 'context-stopped', length);
        this.#releaseSlot(at);
        this.#credit.next(length);
      }
      at = next;
    }
    this.#head[index] = NONE;
    this.#tail[index] = NONE;
    this.#cursor[index] = NONE;
    this.#waitingFrames[index] = 0;
  }

  checkInvariants(): void {
    for (const context of this.#contexts) {
      let held = 0;
      let waiting = 0;
      let pastCursor = false;
      for (let slot = this.#head[context.index] ?? NONE; slot !== NONE; slot = this.#next[slot] ?? NONE) {
        if (slot === this.#cursor[context.index]) pastCursor = true;
        held += this.#length[slot] ?? 0;
        if (pastCursor) waiting += 1;
      }
      if (waiting !== this.#waitingFrames[context.index])
        throw new Error('receive queue miscounts its frames');
      if (held > (this.#heldBytes[context.index] ?? 0)) throw new Error('receive share miscounts its bytes');
    }
    if (this.#buffer.used !== this.#inUse) throw new Error('a receive block is lost');
  }

  #chainReady(index: number): boolean {
    const context = this.#contexts[index];
    const slot = this.#cursor[index] ?? NONE;
    return context !== undefined && slot !== NONE && this.#chainFor(context, this.#length[slot] ?? 0) > 0;
  }

  /** Descriptors on the card that a frame of `length` bytes needs, or 0 while they are not all there. */
  #chainFor(context: Context, length: number): number {
    const ring = context.receive;
    const available = ring.available;
    let left = length;
    for (let step = 0; step < available; step += 1) {
      left -= ring.length(ring.taken + step);
      if (left <= 0) return step + 1;
    }
    return 0;
  }

  /**
   * The head frame can never be written: it needs more buffers than the guest has posted, or than fit the
   * card. It is given up so that those behind it are not stuck. True if one was dropped.
   */
  dropUnwritable(context: Context): boolean {
    const index = context.index;
    const slot = this.#cursor[index] ?? NONE;
    if (slot === NONE || this.#chainReady(index)) return false;
    const ring = context.receive;
    const allHere = ring.available === ring.untaken;
    const cardFull = ring.available >= ring.cacheSlots;
    if (!allHere && !cardFull) return false;
    this.#client.dropped(context, 'no-receive-buffer', this.#length[slot] ?? 0);
    this.#unlinkCursor(index, slot);
    this.#releaseSlot(slot);
    return true;
  }

  #unlinkCursor(index: number, slot: number): void {
    const next = this.#next[slot] ?? NONE;
    let before = NONE;
    for (let at = this.#head[index] ?? NONE; at !== slot && at !== NONE; at = this.#next[at] ?? NONE)
      before = at;
    if (before === NONE) this.#head[index] = next;
    else this.#next[before] = next;
    if (this.#tail[index] === slot) this.#tail[index] = before;
    this.#cursor[index] = next;
    this.#waitingFrames[index] = (this.#waitingFrames[index] ?? 0) - 1;
  }

  #writeBackOf(context: Context): Uint8Array {
    const known = this.#writeBacks[context.index];
    if (known !== undefined) return known;
    const fresh = new Uint8Array(context.receive.cacheSlots * DESCRIPTOR_BYTES);
    this.#writeBacks[context.index] = fresh;
    return fresh;
  }

  /** Runs of descriptors that lie in one piece both in the host's ring and in our copy. */
  #writeBackRuns(first: number, chain: number, slots: number, mask: number): number {
    let runs = 1;
    for (let step = 1; step < chain; step += 1) {
      const index = (first + step) >>> 0;
      if ((index & mask) === 0 || (index & (slots - 1)) === 0) runs += 1;
    }
    return runs;
  }

  #sendWriteBacks(
    slot: number,
    context: Context,
    first: number,
    chain: number,
    bytes: Uint8Array,
    mask: number,
  ): void {
    const ring = context.receive;
    let start = 0;
    for (let step = 1; step <= chain; step += 1) {
      const index = (first + step) >>> 0;
      if (step < chain && (index & mask) !== 0 && (index & (ring.slots - 1)) !== 0) continue;
      const from = (first + start) >>> 0;
      this.#dma.write(
        this.#dmaClient,
        slot,
        context.index,
        context.requesterId,
        ring.addressOf(from),
        (step - start) * DESCRIPTOR_BYTES,
        bytes,
        (from & mask) * DESCRIPTOR_BYTES,
      );
      start = step;
    }
  }

  #onWritten(slot: number, status: DmaStatus): void {
    const pending = (this.#pending[slot] ?? 0) - 1;
    this.#pending[slot] = pending;
    const index = this.#context[slot] ?? 0;
    const context = this.#contexts[index];
    if (context === undefined) throw new Error('frame of a context that does not exist');
    const current = this.#epoch[slot] === this.#epochs[index];
    if (status === DMA_ABORTED) {
      this.#state[slot] = FAILED;
      if (current) this.#client.fault(context, 'payload-abort', this.#firstIndex[slot] ?? 0);
    }
    if (pending > 0) return;
    // The fault above, or an earlier one, may have stopped the context meanwhile.
    if (this.#epoch[slot] !== this.#epochs[index]) {
      const length = this.#length[slot] ?? 0;
      this.#client.dropped(context, this.#state[slot] === FAILED ? 'dma-abort' : 'context-stopped', length);
      this.#releaseSlot(slot);
      this.#credit.next(length);
      return;
    }
    this.#state[slot] = WRITTEN;
    this.#completeInOrder(context);
  }

  /** A gate may delay one frame more than the next; the guest sees them finish in order all the same. */
  #completeInOrder(context: Context): void {
    const index = context.index;
    for (;;) {
      const slot = this.#head[index] ?? NONE;
      if (slot === NONE || this.#state[slot] !== WRITTEN) return;
      const length = this.#length[slot] ?? 0;
      const chain = this.#chain[slot] ?? 0;
      const first = this.#firstIndex[slot] ?? 0;
      const block = this.#block[slot] ?? 0;
      const next = this.#next[slot] ?? NONE;
      this.#head[index] = next;
      if (next === NONE) this.#tail[index] = NONE;
      context.receive.consumer = (first + chain) >>> 0;
      this.#outlets.descriptor(index, 'receive', first, chain, 'completed');
      this.#client.received(
        context,
        this.#buffer.bytes(block),
        this.#buffer.offset(block),
        length,
        (first + chain - 1) >>> 0,
        this.#arrivedNs[slot] ?? 0,
      );
      this.#client.completed(context, this.#urgent[slot] !== 0);
      this.#releaseSlot(slot);
      this.#credit.next(length);
    }
  }

  #releaseSlot(slot: number): void {
    const index = this.#context[slot] ?? 0;
    this.#heldBytes[index] = (this.#heldBytes[index] ?? 0) - (this.#length[slot] ?? 0);
    this.#buffer.release(this.#block[slot] ?? 0);
    this.#next[slot] = this.#free;
    this.#free = slot;
    this.#inUse -= 1;
  }

  #grow(): void {
    const old = this.#context.length;
    const size = old === 0 ? 64 : old * 2;
    const wider = <T extends Uint8Array | Int32Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#context = wider(this.#context, new Int32Array(size));
    this.#epoch = wider(this.#epoch, new Int32Array(size));
    this.#state = wider(this.#state, new Uint8Array(size));
    this.#length = wider(this.#length, new Int32Array(size));
    this.#arrivedNs = wider(this.#arrivedNs, new Float64Array(size));
    this.#block = wider(this.#block, new Int32Array(size));
    this.#pending = wider(this.#pending, new Int32Array(size));
    this.#firstIndex = wider(this.#firstIndex, new Uint32Array(size));
    this.#chain = wider(this.#chain, new Int32Array(size));
    this.#urgent = wider(this.#urgent, new Uint8Array(size));
    this.#next = wider(this.#next, new Int32Array(size));
    for (let slot = size - 1; slot >= old; slot -= 1) {
      this.#next[slot] = this.#free;
      this.#free = slot;
    }
  }
}

/** Copies short runs by hand: below about a cache line a native call costs more than the bytes. */
export function copy(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  if (length <= 64) {
    for (let index = 0; index < length; index += 1) to[toOffset + index] = from[fromOffset + index] ?? 0;
    return;
  }
  to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}
