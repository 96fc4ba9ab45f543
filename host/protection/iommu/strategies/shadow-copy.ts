import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import type { ContextPort } from '../../context-port.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { type GuestSpace, MAX_BUFFER_BYTES, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { wholeFrames } from './per-transfer.js';

/** Bytes of the shadow of one buffer. */
const SHADOW_BYTES = FRAME_BYTES;

/**
 * Shadow copy (Markuze, Morrison and Tsafrir, ASPLOS 2016): the device only ever sees a pool of shadow buffers that
 * is mapped for good; frames are copied in before they are sent and out after they came. No invalidation is ever
 * needed, there is no stale window, and what shares a page with a buffer is out of reach. The price is the copy.
 */
export class ShadowCopy implements MappingStrategy {
  readonly transmit: ShadowGate;
  readonly receive: ShadowGate;
  readonly #space: GuestSpace;
  readonly #pages: { address: number; pages: number }[] = [];

  constructor(space: GuestSpace) {
    this.#space = space;
    this.transmit = new ShadowGate(space, this);
    this.receive = new ShadowGate(space, this);
  }

  opened(_port: ContextPort): void {}

  /** A pool of `slots` shadows, mapped at its own addresses, the hypervisor's own memory. */
  pool(slots: number): number {
    const { hypervisor } = this.#space.parts;
    const pages = (slots * SHADOW_BYTES) / FRAME_BYTES;
    const address = hypervisor.allocateOwn('shadow', slots * SHADOW_BYTES);
    for (let page = 0; page < pages; page += 1) {
      this.#space.map(address + page * FRAME_BYTES, address / FRAME_BYTES + page, READ_WRITE);
    }
    this.#pages.push({ address, pages });
    return address;
  }

  closed(): void {
    for (const { address, pages } of this.#pages) {
      this.#space.clear(address, pages);
      this.#space.unpin(address / FRAME_BYTES, pages);
      this.#space.parts.hypervisor.freeOwn(address, pages * FRAME_BYTES);
    }
    this.#pages.length = 0;
  }

  relinquish(): boolean {
    // No guest page is ever given to the device.
    return true;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      shadowPages: this.#pages.reduce((sum, { pages }) => sum + pages, 0),
      copiedBytes: this.transmit.copiedBytes + this.receive.copiedBytes,
    };
  }
}

/** One direction: slot i of the ring has shadow i. */
class ShadowGate implements SetupGate {
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #owner: ShadowCopy;
  #base = -1;
  copiedBytes = 0;

  constructor(space: GuestSpace, owner: ShadowCopy) {
    this.#space = space;
    this.#owner = owner;
    this.writer = space.domain.party;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    if (this.#base < 0) this.#base = this.#owner.pool(queue.slots);
    let valid = 0;
    for (; valid < count; valid += 1) {
      const address = batch.addresses[valid] ?? 0;
      const length = batch.lengths[valid] ?? 0;
      const refusal = length > SHADOW_BYTES ? 'bad-length' : this.#space.refusalFor(address, length);
      if (refusal === undefined) continue;
      queue.refuse(refusal, address, length);
      break;
    }
    const admitted = valid === count ? valid : wholeFrames(queue, batch, valid);
    for (let index = 0; index < admitted; index += 1) {
      const shadow = this.#shadow(queue, queue.producer + index);
      const length = batch.lengths[index] ?? 0;
      if (queue.direction === 'transmit') this.#copy(batch.addresses[index] ?? 0, shadow, length);
      queue.busAddresses[index] = shadow;
    }
    return admitted;
  }

  finish(queue: ContextQueue, from: number, to: number): void {
    if (queue.direction === 'transmit') return;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const length = Math.min(queue.completedLength(index), queue.postedLength(index), MAX_BUFFER_BYTES);
      this.#copy(this.#shadow(queue, index), queue.postedAddress(index), length);
    }
  }

  #shadow(queue: ContextQueue, index: number): number {
    return this.#base + (index & (queue.slots - 1)) * SHADOW_BYTES;
  }

  #copy(from: number, to: number, length: number): void {
    this.#space.parts.memory.copy(from, to, length);
    this.copiedBytes += length;
    this.#space.parts.processor.charge('copyByte', length);
  }
}
