import { present } from '../../../../scheduler/present.js';
import { PAGE_BYTES } from '../../../memory/physical-memory.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { malformedBuffer, wholeFrames } from '../../posted-buffers.js';
import type { GuestSpace } from '../guest-space.js';

/** A strategy that maps pages at their own addresses and shares the mapping between buffers. */
export interface PageKeeper {
  /** Whether the page is mapped. */
  isMapped(page: number): boolean;
  /** The page is used by one more buffer; maps it if it is not. */
  use(page: number): void;
  /** One buffer less uses it. */
  unuse(page: number): void;
  /** A batch of `unuse` has ended. */
  settle(): void;
}

/**
 * The set-up gate of strategies that reuse mappings: a hypercall is made only when a batch names a page that
 * is not mapped yet, and then every such page must belong to the caller. Pages are mapped for both directions, since
 * a mapping outlives the buffer that it was made for.
 */
export class IdentityGate implements SetupGate {
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #keeper: PageKeeper;
  #closed = false;

  constructor(space: GuestSpace, keeper: PageKeeper) {
    this.#space = space;
    this.#keeper = keeper;
    this.writer = space.domain.account;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    const space = this.#space;
    let entered = false;
    let valid = 0;
    for (; valid < count; valid += 1) {
      const address = present(batch.addresses[valid]);
      const length = present(batch.lengths[valid]);
      if (malformedBuffer(address, length) === undefined && this.#allMapped(address, length)) continue;
      if (!entered) space.enter();
      entered = true;
      const refusal = space.refusalFor(address, length);
      if (refusal === undefined) continue;
      queue.refuse(refusal, address, length);
      break;
    }
    // The refusal may have cost the guest its context: what is mapped after that would never be unmapped.
    if (this.#closed) return 0;
    const admitted = valid === count ? valid : wholeFrames(queue, batch, valid);
    for (let index = 0; index < admitted; index += 1) {
      const address = present(batch.addresses[index]);
      const last = Math.floor((address + present(batch.lengths[index]) - 1) / PAGE_BYTES);
      for (let page = Math.floor(address / PAGE_BYTES); page <= last; page += 1) this.#keeper.use(page);
      queue.busAddresses[index] = address;
    }
    if (entered && admitted > 0) space.announce();
    return admitted;
  }

  finish(queue: ContextQueue, from: number, to: number): void {
    if (this.#closed) return;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const address = queue.postedAddress(index);
      const last = Math.floor((address + queue.postedLength(index) - 1) / PAGE_BYTES);
      for (let page = Math.floor(address / PAGE_BYTES); page <= last; page += 1) this.#keeper.unuse(page);
    }
    this.#keeper.settle();
  }

  /** The port is going: nothing that the driver says has an effect any more. */
  close(): void {
    this.#closed = true;
  }

  #allMapped(address: number, length: number): boolean {
    const last = Math.floor((address + length - 1) / PAGE_BYTES);
    for (let page = Math.floor(address / PAGE_BYTES); page <= last; page += 1) {
      if (!this.#keeper.isMapped(page)) return false;
    }
    return true;
  }
}
