import {
  addressAfter,
  type GuestPhysicalAddress,
  type IoPageNumber,
  machineAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageOf,
} from '../../../../nic/addresses.js';
import { COST } from '../../../cpu/costs.js';
import type { ContextPort } from '../../context-port.js';
import type { ContextQueue } from '../../context-queue.js';
import { type GuestSpace, pagesOf } from '../guest-space.js';
import type { Reported } from '../iommu-driver.js';
import { IOVA_ERAS } from '../iova-eras.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { type Backing, PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

/**
 * Bounce buffers behind strict invalidation, as Linux uses swiotlb for devices that are not trusted, such as those of
 * external ports (iommu_dma_map_page): a buffer that does not consist of whole pages lies in slots of its own while the
 * device has it, at the same offset within the page, with zeroes around it. So the device reaches no byte beside it.
 * Whole pages are mapped as they are.
 *
 * Slots are the hypervisor's memory; each is used again only when the unit has reported that no cache knows it.
 */
export class Swiotlb implements MappingStrategy, Placement, Teardown, Backing, Reported {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly addressCost = IOVA_ERAS.rcache.strict;
  readonly #space: GuestSpace;
  /** First pages of slots that are free, by their number of pages; and of those that are in use. */
  readonly #free = new Map<number, PageNumber[]>();
  readonly #used = new Set<PageNumber>();
  readonly #slots: { readonly first: PageNumber; readonly pages: number }[] = [];
  #port: ContextPort | undefined;
  #copiedBytes = 0;
  #bounced = 0;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.transmit = new PerTransferGate(space, this, this, this);
    this.receive = new PerTransferGate(space, this, this, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  place(pages: number): IoPageNumber {
    return this.#space.takeAddresses(pages);
  }

  provide(address: GuestPhysicalAddress, length: number): PageNumber {
    const physical = machineAddress(address);
    const offset = offsetInPage(physical);
    if (offset === 0 && length % PAGE_BYTES === 0) return pageOf(physical);
    const pages = pagesOf(address, length);
    const first = this.#slot(pages);
    const { memory, processor } = this.#space.parts;
    const slot = pageAddress(first);
    const padding = pages * PAGE_BYTES - length;
    memory.fill(slot, offset, 0);
    memory.fill(addressAfter(slot, offset + length), padding - offset, 0);
    processor.charge(COST.clearByte, padding);
    // In both directions, since Linux 5.18: what the device does not write must be as it was when the slot is copied back.
    this.#copy(physical, addressAfter(slot, offset), length);
    this.#bounced += 1;
    return first;
  }

  takeBack(queue: ContextQueue, index: number, first: PageNumber): void {
    if (queue.direction === 'transmit' || !this.#used.has(first)) return;
    const address = machineAddress(queue.postedAddress(index));
    const length = queue.postedLength(index);
    // The page may have been given away since; then the copy faults, and is not made.
    const { domain, parts } = this.#space;
    if (parts.pages.firstForeign(domain.id, address, length) !== undefined) return;
    this.#copy(addressAfter(pageAddress(first), offsetInPage(address)), address, length);
  }

  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    this.#space.clear(first, pages);
    this.#space.invalidate(first, pages, false, this, firstPage);
  }

  /** No cache knows the range any more. */
  reported(first: IoPageNumber, pages: number, page: PageNumber): void {
    const space = this.#space;
    space.unpin(page, pages);
    space.address.iovas.free(first, pages);
    if (this.#used.delete(page)) this.#freeOf(pages).push(page);
  }

  settle(): void {
    this.#space.driver.waitCharged();
  }

  abandon(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.#space;
    space.clear(first, pages);
    space.whenGone(() => this.reported(first, pages, firstPage));
  }

  closed(): void {
    const space = this.#space;
    if (this.#port !== undefined) {
      this.transmit.close(this.#port.transmit);
      this.receive.close(this.#port.receive);
    }
    space.whenGone(() => {
      for (const { first, pages } of this.#slots.splice(0))
        space.parts.hypervisor.freeOwn(pageAddress(first), pages * PAGE_BYTES);
    });
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      bouncedBuffers: this.#bounced,
      copiedBytes: this.#copiedBytes,
      bouncePages: this.#slots.reduce((sum, { pages }) => sum + pages, 0),
    };
  }

  #slot(pages: number): PageNumber {
    let first = this.#freeOf(pages).pop();
    if (first === undefined) {
      first = pageOf(this.#space.parts.hypervisor.allocateOwn('shadow', pages * PAGE_BYTES));
      this.#slots.push({ first, pages });
    }
    this.#used.add(first);
    return first;
  }

  #freeOf(pages: number): PageNumber[] {
    const known = this.#free.get(pages);
    if (known !== undefined) return known;
    const list: PageNumber[] = [];
    this.#free.set(pages, list);
    return list;
  }

  #copy(from: Parameters<GuestSpace['parts']['memory']['copy']>[0], to: typeof from, length: number): void {
    this.#space.parts.memory.copy(from, to, length);
    this.#copiedBytes += length;
    this.#space.parts.processor.charge(COST.copyByte, length);
  }
}
