import {
  deviceAddress,
  type HostPhysicalAddress,
  identityAddress,
  lastPageOf,
  machineAddress,
  type PageNumber,
  pageAfter,
  pageOf,
} from '../../../../nic/addresses.js';
import { absent } from '../../../../scheduler/present.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { malformedBuffer, wholeFrames } from '../../posted-buffers.js';
import type { GuestSpace } from '../guest-space.js';

/** A strategy that maps pages at their own addresses and shares the mapping between buffers. */
export interface PageKeeper {
  /** Whether the page is mapped. */
  isMapped(page: PageNumber): boolean;
  /** The page is used by one more buffer; maps it if it is not. */
  use(page: PageNumber): void;
  /** One buffer less uses it. */
  unuse(page: PageNumber): void;
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
      const address = batch.address(valid);
      const length = batch.lengths[valid] ?? absent();
      if (malformedBuffer(address, length) === undefined && this.#allMapped(machineAddress(address), length))
        continue;
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
      const address = machineAddress(batch.address(index));
      const last = lastPageOf(address, batch.lengths[index] ?? absent());
      for (let page = pageOf(address); page <= last; page = pageAfter(page)) this.#keeper.use(page);
      queue.admitAt(index, deviceAddress(identityAddress(address)));
    }
    if (entered && admitted > 0) space.announce();
    return admitted;
  }

  finish(queue: ContextQueue, from: number, to: number): void {
    if (this.#closed) return;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const address = machineAddress(queue.postedAddress(index));
      const last = lastPageOf(address, queue.postedLength(index));
      for (let page = pageOf(address); page <= last; page = pageAfter(page)) this.#keeper.unuse(page);
    }
    this.#keeper.settle();
  }

  /** The port is going: nothing that the driver says has an effect any more. */
  close(): void {
    this.#closed = true;
  }

  #allMapped(address: HostPhysicalAddress, length: number): boolean {
    const last = lastPageOf(address, length);
    for (let page = pageOf(address); page <= last; page = pageAfter(page)) {
      if (!this.#keeper.isMapped(page)) return false;
    }
    return true;
  }
}
