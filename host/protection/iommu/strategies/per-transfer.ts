import {
  devicePage,
  type GuestPhysicalAddress,
  type IoPageNumber,
  ioPageAfter,
  machineAddress,
  offsetInPage,
  type PageNumber,
  pageAfter,
  pageOf,
  translatedBusPage,
} from '../../../../nic/addresses.js';
import { absent } from '../../../../scheduler/present.js';
import type { CostNumber } from '../../../cpu/costs.js';
import { READ, WRITE } from '../../../iommu/entry-format.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { wholeFrames } from '../../posted-buffers.js';
import { type GuestSpace, pagesOf } from '../guest-space.js';

/** Policy for the pages of a buffer whose transfer is over. */
export interface Teardown {
  /** The device needs these pages no longer: take them out of the tables, now or later, and unpin them. */
  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void;
  /** A batch of `retire` is complete. */
  settle(): void;
  /** The port is going: take them out of the tables; the space says when no cache knows them any more. */
  abandon(first: IoPageNumber, pages: number, firstPage: PageNumber): void;
}

/** How the pages of a buffer get their I/O virtual addresses. */
export interface Placement {
  /** What it costs to find a range and to take it back, per buffer. */
  readonly addressCost: CostNumber;
  /** The first page of a range for `pages`. @throws ParameterError when an option leaves too few addresses */
  place(pages: number): IoPageNumber;
}

/** Which memory stands behind a buffer, where it is not the buffer's own pages. */
export interface Backing {
  /** The first page to be mapped for a buffer that is about to be posted. */
  provide(address: GuestPhysicalAddress, length: number): PageNumber;
  /** The transfer of a posted buffer is over; `first` is what was provided for it. */
  takeBack(queue: ContextQueue, index: number, first: PageNumber): void;
}

/**
 * The set-up gate of strategies that map a buffer for each transfer and unmap it when the transfer is over.
 * One hypercall maps a batch: every page must belong to the caller. Transmit buffers may only be read by the device,
 * receive buffers only written (Linux, dma_info_to_prot).
 */
export class PerTransferGate implements SetupGate {
  /** The guest writes its own descriptors: what it may put there is what it was given mappings for. */
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #placement: Placement;
  readonly #teardown: Teardown;
  readonly #backing: Backing | undefined;
  /** First page of memory by slot, where there is a backing. */
  readonly #provided: PageNumber[] | undefined;
  #closed = false;

  constructor(space: GuestSpace, placement: Placement, teardown: Teardown, backing?: Backing) {
    this.#space = space;
    this.writer = space.domain.account;
    this.#placement = placement;
    this.#teardown = teardown;
    this.#backing = backing;
    this.#provided = backing === undefined ? undefined : [];
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    const space = this.#space;
    space.enter();
    let valid = 0;
    for (; valid < count; valid += 1) {
      const address = batch.address(valid);
      const length = batch.lengths[valid] ?? absent();
      const refusal = space.refusalFor(address, length);
      if (refusal === undefined) continue;
      queue.refuse(refusal, address, length);
      break;
    }
    // The refusal may have cost the guest its context: what is mapped after that would never be unmapped.
    if (this.#closed) return 0;
    const admitted = valid === count ? valid : wholeFrames(queue, batch, valid);
    for (let index = 0; index < admitted; index += 1) {
      const slot = (queue.producer + index) & (queue.slots - 1);
      this.#map(queue, batch, index, slot);
    }
    if (admitted > 0) space.announce();
    return admitted;
  }

  finish(queue: ContextQueue, from: number, to: number): void {
    if (this.#closed) return;
    this.#space.enter();
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const first = this.#firstPage(queue, index);
      this.#backing?.takeBack(queue, index, first);
      this.#teardown.retire(mappedAt(queue, index), queue.postedPages(index), first);
    }
    this.#teardown.settle();
  }

  /** The port is going: all that is posted and not finished is taken out, and nothing more is listened to. */
  close(queue: ContextQueue): void {
    if (this.#closed) return;
    this.#closed = true;
    for (let index = queue.finished; index !== queue.producer; index = (index + 1) >>> 0) {
      this.#teardown.abandon(mappedAt(queue, index), queue.postedPages(index), this.#firstPage(queue, index));
    }
  }

  /** The first page of memory behind a posted buffer. */
  #firstPage(queue: ContextQueue, index: number): PageNumber {
    if (this.#provided === undefined) return queue.postedPage(index);
    return this.#provided[index & (queue.slots - 1)] ?? absent();
  }

  /** Maps the buffer at a place of the batch, and says where the device finds it. */
  #map(queue: ContextQueue, batch: BufferBatch, index: number, slot: number): void {
    const address = batch.address(index);
    const length = batch.lengths[index] ?? absent();
    const pages = pagesOf(address, length);
    const { processor, hypervisor } = this.#space.parts;
    processor.chargeAccount(hypervisor.account, this.#placement.addressCost);
    const base = this.#placement.place(pages);
    let first = pageOf(machineAddress(address));
    if (this.#backing !== undefined && this.#provided !== undefined) {
      first = this.#backing.provide(address, length);
      this.#provided[slot] = first;
    }
    const permissions = queue.direction === 'transmit' ? READ : WRITE;
    for (let page = 0; page < pages; page += 1) {
      this.#space.map(ioPageAfter(base, page), pageAfter(first, page), permissions);
    }
    queue.admitInPage(index, devicePage(base), offsetInPage(address));
  }
}

/** The first of the pages that a posted buffer is mapped to. */
function mappedAt(queue: ContextQueue, index: number): IoPageNumber {
  return translatedBusPage(queue.postedBusPage(index));
}
