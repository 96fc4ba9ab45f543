import { type ContextId, storedContextId } from '../scheduler/branded.js';
import { STARVED } from '../scheduler/discipline.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import type { DropReason } from './counters.js';
import { FLAG_INTERRUPT } from './descriptor.js';
import { DescriptorWriteBack } from './descriptor-write-back.js';
import { DMA_ABORTED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import type { FrameLedger } from './frame-ledger.js';
import type { ReceivePressure } from './receive-pressure.js';
import { ReceiveQueues } from './receive-queues.js';
import { FAILED, NONE, type ReceiveSlot, storedSlot, WRITING, WRITTEN } from './receive-slots.js';
import { readMac } from './station-address.js';
import type { NicSubjects } from './streams.js';

/**
 * From the wire to guest memory: keeps frames in the receive buffer, each context within its share, and
 * writes them through the context's posted descriptors when the receive scheduler grants it. Descriptors are
 * written back behind the payload, and finish in the order in which they were posted.
 */
export class ReceivePath {
  readonly #channel: DmaChannel;
  readonly #ledger: FrameLedger;
  readonly #path: DataPath;
  readonly #kernel: EventKernel;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #shareBytes: number;
  readonly #queues: ReceiveQueues;
  readonly #writeBack: DescriptorWriteBack;
  // Stopping a context moves its epoch on; frames of an older one are not its own any more.
  readonly #epochs: Int32Array;
  /** Of priority flow control; absent where no class has it. */
  readonly #pressure: ReceivePressure | undefined;
  // Granted and not finished: bytes not yet returned to the scheduler.
  #inFlightBytes = 0;

  constructor(core: CardCore, path: DataPath, pressure: ReceivePressure | undefined) {
    const { contexts, dma } = core;
    this.#kernel = core.kernel;
    this.#contexts = contexts;
    this.#ledger = core.ledger;
    this.#path = path;
    this.#subjects = core.subjects;
    this.#shareBytes = core.parameters.receiveShareBytes;
    // A cookie is the slot, and whether the transfer is payload (even) or descriptors (odd).
    this.#channel = dma.open((cookie, status) =>
      this.#onWritten(storedSlot(Math.floor(cookie / 2)), cookie % 2 === 1, status),
    );
    this.#queues = new ReceiveQueues(contexts.length);
    this.#writeBack = new DescriptorWriteBack(this.#channel, contexts.length);
    this.#epochs = new Int32Array(contexts.length);
    this.#pressure = pressure;
  }

  /** Frames between arrival and completion. */
  get inFlight(): number {
    return this.#queues.slots.inUse;
  }

  /** Bytes between grant and completion. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /**
   * Bytes of the frame that a grant would write for this context, or 0. A frame whose descriptors are posted
   * but not on the card yet is STARVED; the fetch that brings them rings again.
   */
  headBytes(context: ContextId): number {
    const slot = this.#queues.cursor(context);
    if (slot === NONE) return 0;
    if (this.#isReady(context, slot)) return present(this.#queues.slots.length[slot]);
    const ring = present(this.#contexts[context]).receive;
    return ring.untaken > ring.available ? STARVED : 0;
  }

  /** Frames that wait for their grant. */
  waiting(context: ContextId): number {
    return this.#queues.waiting(context);
  }

  /** A frame for this context has arrived. False if it was dropped. */
  arrive(context: Context, bytes: Uint8Array, offset: number, length: number, switched: boolean): boolean {
    const index = context.index;
    const pressure = this.#pressure;
    if (pressure?.isLossless(context.trafficClass) === true) {
      if (!pressure.hasSpaceFor(context.trafficClass, length)) {
        this.#ledger.dropped(context.index, 'receive', 'receive-share-full', length);
        return false;
      }
    } else if (context.receive.untaken <= this.#queues.waiting(index)) {
      this.#ledger.dropped(context.index, 'receive', 'no-receive-buffer', length);
      return false;
    } else if (this.#queues.heldBytes(index) + length > this.#shareBytes) {
      this.#ledger.dropped(context.index, 'receive', 'receive-share-full', length);
      return false;
    }
    const { slots } = this.#queues;
    const slot = this.#queues.push(index, bytes, offset, length);
    slots.epoch[slot] = present(this.#epochs[index]);
    slots.arrivedNs[slot] = this.#kernel.nowNs;
    slots.switched[slot] = switched ? 1 : 0;
    if (pressure !== undefined) {
      slots.trafficClass[slot] = context.trafficClass;
      pressure.hold(context.trafficClass, length);
    }
    const { arrivals } = this.#subjects;
    if (arrivals.observed) {
      const ahead = this.#queues.waiting(index) - 1;
      const destination = readMac(bytes, offset);
      const source = readMac(bytes, offset + 6);
      const atNs = this.#kernel.nowNs;
      arrivals.next({ context: index, bytes: length, destination, source, switched, ahead, atNs });
    }
    return true;
  }

  /** Writes the frame at the cursor of a context that was granted. */
  take(context: Context): void {
    const index = context.index;
    const { slots } = this.#queues;
    const slot = this.#queues.cursor(index);
    if (slot === NONE) throw new InvariantViolation(`context ${index} was granted a receive without a frame`);
    const length = present(slots.length[slot]);
    const ring = context.receive;
    const first = ring.taken;
    const chain = this.#chainFor(context, length);
    if (chain === 0)
      throw new InvariantViolation(`context ${index} was granted a receive without descriptors`);
    this.#writeBack.reserve(context, chain);
    this.#queues.advance(index);
    this.#inFlightBytes += length;
    slots.state[slot] = WRITING;
    slots.firstIndex[slot] = first;
    slots.chain[slot] = chain;
    slots.pending[slot] = chain + this.#writeBack.pieces(context, first, chain);
    this.#subjects.descriptor(index, 'receive', first, chain, 'granted');

    // A frame that goes out in one piece is a whole array, so no view of it is needed.
    const memory = chain === 1 ? this.#queues.view(slot) : this.#queues.bytes(slot);
    let at = chain === 1 ? 0 : this.#queues.offset(slot);
    let left = length;
    let urgent = 0;
    const channel = this.#channel;
    for (let step = 0; step < chain; step += 1) {
      const descriptor = (first + step) >>> 0;
      const used = Math.min(left, ring.length(descriptor));
      left -= used;
      urgent |= ring.flags(descriptor) & FLAG_INTERRUPT;
      this.#writeBack.fill(context, descriptor, used, left === 0);
      channel.owner = context;
      channel.cookie = slot * 2;
      ring.aimAt(descriptor, channel);
      channel.length = used;
      channel.buffer = memory;
      channel.bufferOffset = at;
      channel.write();
      at += used;
    }
    slots.urgent[slot] = urgent;
    this.#subjects.descriptor(index, 'receive', first, chain, 'transferring');
    this.#writeBack.send(context, first, chain, slot * 2 + 1);
    ring.taken = (first + chain) >>> 0;
    this.#path.took(context, 'receive');
  }

  /**
   * Drops the frame at the cursor if it can never be written: it needs more buffers than the guest has
   * posted, or than fit the card. Those behind it must not be stuck. True if one was dropped.
   */
  dropUnwritable(context: Context): boolean {
    const index = context.index;
    const slot = this.#queues.cursor(index);
    if (slot === NONE || this.#isReady(index, slot)) return false;
    const ring = context.receive;
    // What waits for descriptors may get them yet, unless the ring has no slot for more.
    const waits = this.#pressure?.isLossless(context.trafficClass) === true && ring.untaken < ring.slots;
    const allHere = ring.available === ring.untaken && !waits;
    const cardFull = ring.available >= ring.cacheSlots;
    if (!allHere && !cardFull) return false;
    this.#queues.unlinkCursor(index);
    this.#dropSlot(context, slot, 'no-receive-buffer');
    return true;
  }

  /** The context was stopped: what it holds is dropped, what is being written is not completed. */
  forget(context: Context): void {
    const index = context.index;
    const { slots } = this.#queues;
    this.#epochs[index] = present(this.#epochs[index]) + 1;
    // Those under way lie before the cursor: each leaves when its last transfer is over, or now if that
    // has happened and it was only waiting for an older one.
    const cursor = this.#queues.cursor(index);
    let waits = false;
    for (let slot = this.#queues.head(index); slot !== NONE; ) {
      const next = slots.after(slot);
      if (slot === cursor) waits = true;
      if (waits) this.#dropSlot(context, slot, 'context-stopped');
      else if (slots.state[slot] === WRITTEN) this.#dropGranted(context, slot);
      slot = next;
    }
    this.#queues.empty(index);
  }

  checkInvariants(): void {
    this.#queues.checkInvariants();
    this.#pressure?.checkInvariants(
      this.#contexts.reduce((sum, { index }) => sum + this.#queues.heldBytes(index), 0),
    );
  }

  #isReady(index: ContextId, slot: ReceiveSlot): boolean {
    const context = this.#contexts[index];
    return context !== undefined && this.#chainFor(context, present(this.#queues.slots.length[slot])) > 0;
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

  #onWritten(slot: ReceiveSlot, isWriteBack: boolean, status: DmaStatus): void {
    const { slots } = this.#queues;
    const pending = present(slots.pending[slot]) - 1;
    slots.pending[slot] = pending;
    const index = storedContextId(present(slots.context[slot]));
    const context = this.#contexts[index];
    if (context === undefined) throw new InvariantViolation('a frame of a context that does not exist');
    if (status === DMA_ABORTED) {
      slots.state[slot] = FAILED;
      const reason = isWriteBack ? 'write-back-abort' : 'payload-abort';
      this.#path.fault(context, 'receive', reason, present(slots.firstIndex[slot]));
    }
    if (pending > 0) return;
    // The fault above, or an earlier one, may have stopped the context meanwhile.
    if (slots.epoch[slot] !== this.#epochs[index]) {
      this.#dropGranted(context, slot);
      return;
    }
    slots.state[slot] = WRITTEN;
    this.#completeInOrder(context);
  }

  /** A gate may delay one frame more than the next; the guest sees them finish in order all the same. */
  #completeInOrder(context: Context): void {
    const index = context.index;
    const { slots } = this.#queues;
    for (;;) {
      const slot = this.#queues.head(index);
      if (slot === NONE || slots.state[slot] !== WRITTEN) return;
      const chain = present(slots.chain[slot]);
      const first = present(slots.firstIndex[slot]);
      this.#queues.shift(index);
      context.receive.consumer = (first + chain) >>> 0;
      this.#subjects.descriptor(index, 'receive', first, chain, 'completed');
      this.#ledger.received(
        context,
        this.#queues.bytes(slot),
        this.#queues.offset(slot),
        present(slots.length[slot]),
        (first + chain - 1) >>> 0,
        present(slots.arrivedNs[slot]),
        slots.switched[slot] === 1,
      );
      const urgent = slots.urgent[slot] !== 0;
      this.#releaseGranted(slot);
      this.#path.completed(context, 'receive', chain, urgent);
    }
  }

  #dropSlot(context: Context, slot: ReceiveSlot, reason: DropReason): void {
    const length = present(this.#queues.slots.length[slot]);
    this.#release(slot, length);
    this.#ledger.dropped(context.index, 'receive', reason, length);
  }

  /** A frame that was granted ends without having been completed. */
  #dropGranted(context: Context, slot: ReceiveSlot): void {
    const { slots } = this.#queues;
    const reason = slots.state[slot] === FAILED ? 'dma-abort' : 'context-stopped';
    const length = present(slots.length[slot]);
    this.#releaseGranted(slot);
    this.#ledger.dropped(context.index, 'receive', reason, length);
  }

  #releaseGranted(slot: ReceiveSlot): void {
    const length = present(this.#queues.slots.length[slot]);
    this.#inFlightBytes -= length;
    this.#release(slot, length);
    this.#path.released(length);
  }

  #release(slot: ReceiveSlot, length: number): void {
    this.#pressure?.release(present(this.#queues.slots.trafficClass[slot]), length);
    this.#queues.release(slot);
  }
}
