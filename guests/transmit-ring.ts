import { COST } from '../host/cpu/costs.js';
import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import type { BufferBatch, PortQueue, SetupRefusal } from '../host/protection/guest-port.js';
import { type GuestPhysicalAddress, type PageNumber, type RingSlot, ringSlot } from '../nic/addresses.js';
import {
  FLAG_END_OF_PACKET,
  flagsOf,
  lengthOf,
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
} from '../nic/descriptor.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { type BufferBytes, longestChain, RingBuffers, sharedBatch } from './ring-buffers.js';
import { WRITTEN_SLOTS, type WrittenSlots } from './ring-slots.js';
import { SoleUser } from './sole-user.js';

/** Result of storing a frame. */
export type StoreOutcome = 'stored' | 'ring-full' | 'bad-size' | 'buffer-lost';

/**
 * A driver's transmit ring: one buffer per slot, so a frame is written once, where the device will read it. A
 * slot is free, written, posted (the device knows of it) and reported as done, in this order; indices run
 * freely modulo 2^32, and `reclaimed <= producer of the port <= written`.
 */
export class TransmitRing {
  readonly #parts: HostParts;
  readonly #domain: Domain;
  readonly #queue: PortQueue;
  readonly #bufferBytes: BufferBytes;
  readonly #buffers: RingBuffers;
  readonly #batch: BufferBatch;
  /** Most descriptors in one call. */
  readonly #mostPosted: number;
  // The rows of its slots begin at `#first`.
  #rows: WrittenSlots;
  #first: number;
  readonly #mask: number;
  // One past the last slot that holds a frame.
  #written = 0;
  // One past the last slot whose frame the device has reported as done.
  #reclaimed = 0;
  #framesPosted = 0;
  #framesSent = 0;
  // How many pages the guest had given back when all buffers were last known to be good.
  #releasedThen: number;
  readonly #user: SoleUser;

  /** @param postBatch most descriptors in one call through the set-up gate; the longest frame fits in any case. */
  constructor(
    parts: HostParts,
    domain: Domain,
    queue: PortQueue,
    bufferBytes: BufferBytes,
    postBatch: number,
  ) {
    this.#parts = parts;
    this.#domain = domain;
    this.#queue = queue;
    this.#bufferBytes = bufferBytes;
    this.#buffers = new RingBuffers(parts, domain, queue.slots, bufferBytes);
    this.#mostPosted = Math.min(Math.max(postBatch, longestChain(bufferBytes)), queue.slots);
    this.#batch = sharedBatch(parts, this.#mostPosted);
    const { columns, first } = WRITTEN_SLOTS.of(parts).take(queue.slots);
    this.#rows = columns;
    this.#first = first;
    this.#mask = queue.slots - 1;
    this.#releasedThen = domain.released;
    this.#user = new SoleUser(queue, 'transmit', domain);
  }

  /** Slots that a frame can be written to. */
  get free(): number {
    return this.#queue.slots - ((this.#written - this.#reclaimed) >>> 0);
  }

  /** Frames handed to the device since the start. */
  get framesPosted(): number {
    return this.#framesPosted;
  }

  /** Frames that the device has reported as done. */
  get framesSent(): number {
    return this.#framesSent;
  }

  /** Frames written and not reported as done. */
  get framesQueued(): number {
    return this.#framesBetween(this.#reclaimed, this.#written);
  }

  /** Frames written and not finished by a device that has finished what lies before `consumer`, told of it or not. */
  framesFrom(consumer: number): number {
    return this.#framesBetween(consumer, this.#written);
  }

  /** When the frame in this slot was written, ns. */
  createdNs(index: number): number {
    return present(this.#rows.createdNs[this.#first + (index & this.#mask)]);
  }

  /** Where the buffer of a slot lies. */
  buffer(index: number): GuestPhysicalAddress {
    return this.#buffers.at(ringSlot(index, this.#queue.slots));
  }

  /** Whether a frame of `length` bytes would fit once the device has caught up, but not now. */
  mustWaitFor(length: number): boolean {
    const buffers = Math.ceil(length / this.#bufferBytes);
    return buffers > this.free && buffers <= this.#queue.slots;
  }

  /** Writes a frame to the next free buffers: the application's store. */
  store(frame: Uint8Array): StoreOutcome {
    const length = frame.length;
    if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) return 'bad-size';
    const buffers = Math.ceil(length / this.#bufferBytes);
    if (buffers > this.#queue.slots) return 'bad-size';
    if (buffers > this.free) return 'ring-full';
    if (this.#domain.released !== this.#releasedThen) this.#replaceLost();
    const first = this.#written;
    for (let at = 0; at < length; at += this.#bufferBytes) {
      const slot = ringSlot(this.#written, this.#queue.slots);
      const piece = Math.min(this.#bufferBytes, length - at);
      if (this.#domain.write(this.#buffers.at(slot), piece, frame, at) !== 'done') {
        this.#written = first;
        return 'buffer-lost';
      }
      const row = this.#first + slot;
      this.#rows.pieces[row] = piece | (at + piece === length ? FLAG_END_OF_PACKET << 16 : 0);
      this.#rows.createdNs[row] = this.#parts.kernel.nowNs;
      this.#written = (this.#written + 1) >>> 0;
    }
    return 'stored';
  }

  /** Hands written frames to the device, one batch per call, and rings once. Returns the refusal, if there was one. */
  post(): SetupRefusal | undefined {
    const queue = this.#queue;
    const batch = this.#batch;
    let posted = false;
    let refusal: SetupRefusal | undefined;
    this.#user.check();
    while (queue.producer !== this.#written && refusal === undefined) {
      // The next user of the port, after this driver, has posted buffers there: none of them is one of these frames.
      if ((this.#written - queue.producer) >>> 0 > queue.slots) break;
      this.#parts.processor.charge(COST.transmitPacket, this.#fill(batch));
      const before = queue.producer;
      const handedOver = batch.count;
      const accepted = queue.post(batch);
      this.#user.posted();
      posted ||= accepted > 0;
      this.#framesPosted += this.#framesBetween(before, queue.producer);
      if (accepted === handedOver) continue;
      refusal = queue.refusal?.refusal;
      if (refusal === undefined) break;
    }
    if (posted) queue.ring();
    return refusal;
  }

  /** Forgets what is written and not posted; returns how many frames that were. */
  discardUnposted(): number {
    const from = this.#queue.producer;
    const frames = this.#framesBetween(from, this.#written);
    this.#written = from;
    return frames;
  }

  /** Forgets everything: the device will not report on it any more. Returns how many frames that were. */
  discardAll(): number {
    const frames = this.framesQueued;
    this.#written = this.#queue.producer;
    this.#reclaimed = this.#written;
    return frames;
  }

  /** Takes back the slots of frames that the device has reported as done. */
  reclaim(): void {
    const queue = this.#queue;
    this.#user.check();
    const consumer = queue.consumer();
    const done = (consumer - this.#reclaimed) >>> 0;
    if (done === 0 || done > (queue.producer - this.#reclaimed) >>> 0) return;
    const frames = this.#framesBetween(this.#reclaimed, consumer);
    this.#framesSent += frames;
    this.#parts.processor.charge(COST.reclaimPacket, frames);
    queue.finish(consumer);
    this.#reclaimed = consumer;
  }

  /** The driver is closed: another user may post, and rows that the ring shares with others are theirs. */
  leave(): void {
    this.#user.leave();
    this.#buffers.leave();
    const shared = this.#rows;
    const first = this.#first;
    this.#rows = shared.rows(first, this.#queue.slots);
    this.#first = 0;
    WRITTEN_SLOTS.of(this.#parts).giveBack(shared, first, this.#queue.slots);
  }

  /** Pages that hold nothing which is still to be sent. */
  get idlePages(): Set<PageNumber> {
    return this.#buffers.pages((slot) => this.#isBetween(slot, this.#queue.producer, this.#written));
  }

  checkInvariants(): void {
    const held = (this.#written - this.#reclaimed) >>> 0;
    const posted = (this.#queue.producer - this.#reclaimed) >>> 0;
    if (held > this.#queue.slots || posted > held) {
      throw new InvariantViolation(
        `${this.#domain.name}: ${held} transmit slots taken, ${posted} of them posted`,
      );
    }
  }

  /** Fills the batch with what is next; returns how many frames that are. */
  #fill(batch: BufferBatch): number {
    batch.clear(this.#mostPosted);
    let frames = 0;
    let whole = 0;
    for (let index = this.#queue.producer; index !== this.#written; index = (index + 1) >>> 0) {
      const slot = ringSlot(index, this.#queue.slots);
      const piece = present(this.#rows.pieces[this.#first + slot]);
      const flags = flagsOf(piece);
      if (!batch.add(this.#buffers.at(slot), lengthOf(piece), flags)) break;
      if ((flags & FLAG_END_OF_PACKET) === 0) continue;
      frames += 1;
      whole = batch.count;
    }
    // A call ends with a frame: were the next call refused, half a frame would be left in the ring for ever.
    batch.count = whole;
    return frames;
  }

  #replaceLost(): void {
    const inUse = (slot: RingSlot) => this.#isBetween(slot, this.#reclaimed, this.#written);
    if (this.#buffers.replaceLost(inUse)) this.#releasedThen = this.#domain.released;
  }

  /** Whether a slot is one of those from an index to before another. */
  #isBetween(slot: RingSlot, from: number, to: number): boolean {
    return ((slot - from) & this.#mask) < (to - from) >>> 0;
  }

  /**
   * Frames that end in the slots from an index to before another. None if these are further apart than the ring is
   * long: the next user of the port has moved its indices past ours.
   */
  #framesBetween(from: number, to: number): number {
    let frames = 0;
    if ((to - from) >>> 0 > this.#queue.slots) return 0;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const piece = present(this.#rows.pieces[this.#first + (index & this.#mask)]);
      if ((flagsOf(piece) & FLAG_END_OF_PACKET) !== 0) frames += 1;
    }
    return frames;
  }
}
