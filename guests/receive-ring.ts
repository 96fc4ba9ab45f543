import { COST } from '../host/cpu/costs.js';
import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import { PerMachine } from '../host/per-machine.js';
import type { BufferBatch, PortQueue } from '../host/protection/guest-port.js';
import { type GuestPhysicalAddress, type PageNumber, type RingSlot, ringSlot } from '../nic/addresses.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES } from '../nic/descriptor.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { powerOfTwoFrom } from '../scheduler/whole-logarithm.js';
import { type BufferBytes, longestChain, RingBuffers, sharedBatch } from './ring-buffers.js';
import { SoleUser } from './sole-user.js';

/** The longest frame, and what the last of its buffers may hold besides. */
const MAX_SCRATCH_BYTES = MAX_FRAME_BYTES + 4096;

/** Reads each received frame. `bytes` is borrowed. */
export interface FrameReader {
  read(bytes: Uint8Array, length: number): void;
}

/** Where a frame is put together for its reader: as long as the longest that came. The drivers of a machine share it. */
class Scratch {
  bytes = new Uint8Array(0);

  /** The bytes, at least so many of them. */
  bytesFor(length: number): Uint8Array {
    if (length <= this.bytes.length) return this.bytes;
    const before = this.bytes;
    this.bytes = new Uint8Array(Math.min(powerOfTwoFrom(length), MAX_SCRATCH_BYTES));
    this.bytes.set(before);
    return this.bytes;
  }
}

const SCRATCH = new PerMachine(() => new Scratch());

/**
 * A driver's receive ring: buffers posted ahead of the frames, taken back when the device has filled them, and
 * handed back in batches.
 */
export class ReceiveRing {
  readonly #parts: HostParts;
  readonly #domain: Domain;
  readonly #queue: PortQueue;
  readonly #buffers: RingBuffers;
  readonly #batch: BufferBatch;
  /** Most descriptors in one call. */
  readonly #mostPosted: number;
  readonly #refillLeast: number;
  readonly #scratch: Scratch;
  // One past the last slot whose frame was taken.
  #received = 0;
  #frames = 0;
  #bytes = 0;
  // How many pages the guest had given back when all buffers were last known to be good.
  #releasedThen: number;
  readonly #user: SoleUser;

  /**
   * @param postBatch most descriptors in one call through the set-up gate.
   * @param refillBatch buffers are handed back when at least this many are free.
   */
  constructor(
    parts: HostParts,
    domain: Domain,
    queue: PortQueue,
    bufferBytes: BufferBytes,
    postBatch: number,
    refillBatch: number,
  ) {
    this.#parts = parts;
    this.#domain = domain;
    this.#queue = queue;
    this.#buffers = new RingBuffers(parts, domain, queue.slots, bufferBytes);
    this.#scratch = SCRATCH.of(parts);
    this.#mostPosted = Math.min(postBatch, queue.slots);
    this.#batch = sharedBatch(parts, this.#mostPosted);
    // However many wait to be handed back, the rest must hold the longest frame, or reception would stop for ever.
    this.#releasedThen = domain.released;
    this.#user = new SoleUser(queue, 'receive', domain);
    this.#refillLeast = Math.max(1, Math.min(refillBatch, queue.slots - longestChain(bufferBytes) + 1));
  }

  get framesReceived(): number {
    return this.#frames;
  }

  get bytesReceived(): number {
    return this.#bytes;
  }

  /** Buffers not taken yet of those that a device has finished which has finished what lies before `consumer`. */
  buffersUntil(consumer: number): number {
    const buffers = (consumer - this.#received) >>> 0;
    return buffers > this.#queue.slots ? 0 : buffers;
  }

  /** Where the buffer of a slot lies. */
  buffer(index: number): GuestPhysicalAddress {
    return this.#buffers.at(ringSlot(index, this.#queue.slots));
  }

  /** Takes up to `budget` received frames; returns how many. Bytes are only read for a `reader`. */
  take(budget: number, reader: FrameReader | undefined): number {
    const queue = this.#queue;
    this.#user.check();
    const consumer = queue.consumer();
    if ((consumer - this.#received) >>> 0 > (queue.producer - this.#received) >>> 0) return 0;
    const end = this.#endOfFrames(consumer, budget);
    if (end === this.#received) return 0;
    // The device releases buffers before the CPU reads them (unmapped, copied out), as in any DMA interface.
    queue.finish(end);
    let frames = 0;
    let length = 0;
    for (let index = this.#received; index !== end; index = (index + 1) >>> 0) {
      const bytes = queue.completedLength(index);
      const address = queue.completedAddress(index);
      if (reader !== undefined && length + bytes <= MAX_SCRATCH_BYTES) {
        this.#domain.read(address, bytes, this.#scratch.bytesFor(length + bytes), length);
      }
      this.#buffers.moved(ringSlot(index, queue.slots), address);
      length += bytes;
      if ((queue.completedFlags(index) & FLAG_END_OF_PACKET) === 0) continue;
      frames += 1;
      this.#frames += 1;
      this.#bytes += length;
      reader?.read(this.#scratch.bytes, length);
      length = 0;
    }
    this.#received = end;
    this.#parts.processor.charge(COST.receivePacket, frames);
    return frames;
  }

  /** One past the last buffer of the last whole frame before `consumer`, `budget` frames at most. */
  #endOfFrames(consumer: number, budget: number): number {
    let end = this.#received;
    let frames = 0;
    for (let index = end; index !== consumer && frames < budget; index = (index + 1) >>> 0) {
      if ((this.#queue.completedFlags(index) & FLAG_END_OF_PACKET) === 0) continue;
      end = (index + 1) >>> 0;
      frames += 1;
    }
    return end;
  }

  /** Hands free buffers back, once enough of them are. */
  refill(): void {
    const queue = this.#queue;
    const batch = this.#batch;
    this.#user.check();
    let free = queue.slots - ((queue.producer - this.#received) >>> 0);
    if (free < this.#refillLeast) return;
    if (this.#domain.released !== this.#releasedThen) this.#replaceLost();
    const before = queue.producer;
    while (free > 0) {
      batch.clear(this.#mostPosted);
      const first = queue.producer;
      for (let step = 0; step < free; step += 1) {
        const slot = ringSlot(first + step, queue.slots);
        if (!batch.add(this.#buffers.at(slot), this.#buffers.bytesOf(slot), 0)) break;
      }
      const handedOver = batch.count;
      this.#parts.processor.charge(COST.refillBuffer, handedOver);
      const accepted = queue.post(batch);
      this.#user.posted();
      free -= accepted;
      if (accepted < handedOver) break;
    }
    if (queue.producer !== before) queue.ring();
  }

  /** The driver is closed: another user may post. */
  leave(): void {
    this.#user.leave();
    this.#buffers.leave();
  }

  /** Pages that buffers lie in, whether the device may fill them or not. */
  get bufferPages(): Set<PageNumber> {
    return this.#buffers.pages(() => false);
  }

  checkInvariants(): void {
    const posted = (this.#queue.producer - this.#received) >>> 0;
    if (posted > this.#queue.slots) {
      throw new InvariantViolation(
        `${this.#domain.name}: ${posted} receive buffers posted of ${this.#queue.slots}`,
      );
    }
  }

  #replaceLost(): void {
    const { slots, producer } = this.#queue;
    const posted = (producer - this.#received) >>> 0;
    const inUse = (slot: RingSlot) => ((slot - this.#received) & (slots - 1)) < posted;
    if (this.#buffers.replaceLost(inUse)) this.#releasedThen = this.#domain.released;
  }
}
