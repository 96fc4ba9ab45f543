import { type IoPageNumber, ioPageAfter, type PageNumber } from '../../../../nic/addresses.js';
import { ParameterError } from '../../../../scheduler/errors.js';
import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import { IOVA_ERAS } from '../iova-eras.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

export interface FlushOnWrapOptions {
  /** Pages of I/O virtual addresses that the bitmap has. @defaultValue 65,536 (Calgary, TCE_TABLE_SIZE_64K) */
  readonly tablePages: number;
  /** Writing a table entry back to memory, where the bridge reads it, ns. @defaultValue 100, assumed */
  readonly lineFlushNs: number;
  /** Bringing the bus to rest before a flush and starting it again, ns. @defaultValue 10,000, assumed */
  readonly quiesceNs: number;
}

/**
 * Flush on wrap (Calgary in Linux 2.6, pci-calgary.c and tce.c; the driver that *The Price of Safety* measured):
 * addresses come from a bitmap that is searched from a moving hint. A buffer is unmapped when its transfer is over, and
 * its bits are free at once; but the translation cache is flushed only when the search comes to the end of the bitmap and
 * begins anew. So an address is used again behind a flush, but for one: that of a buffer which was mapped while the bitmap
 * was flushed, ahead of the search. It is free when that buffer is, and the search comes to it without another flush
 * (iommu_range_alloc and iommu_free say nothing of it); what the cache remembers of it then leads to the page of before.
 * The bridge does not snoop caches, so each write of a table entry, at map and at unmap, is followed by a cache-line flush.
 *
 * The price is neither that of strict nor that of lazy invalidation, and neither is the window: the device reaches what its
 * caches remember for as long as it takes to go through the bitmap once.
 */
export class FlushOnWrap implements MappingStrategy, Placement, Teardown {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly addressCost = IOVA_ERAS.bitmap.deferred;
  readonly #space: GuestSpace;
  readonly #options: FlushOnWrapOptions;
  readonly #base: IoPageNumber;
  /** 1 for a page of addresses that is taken. */
  readonly #taken: Uint8Array;
  #hint = 0;
  #flushes = 0;
  #port: ContextPort | undefined;

  constructor(space: GuestSpace, options: FlushOnWrapOptions) {
    this.#space = space;
    this.#options = options;
    this.#base = space.takeAddresses(options.tablePages);
    this.#taken = new Uint8Array(options.tablePages);
    this.transmit = new PerTransferGate(space, this, this);
    this.receive = new PerTransferGate(space, this, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  place(pages: number): IoPageNumber {
    let at = this.#search(this.#hint, pages);
    if (at < 0) {
      this.#flush();
      at = this.#search(0, pages);
      if (at < 0) throw this.#tooSmall(pages);
    }
    this.#taken.fill(1, at, at + pages);
    this.#hint = at + pages;
    this.#chargeEntries(pages);
    return ioPageAfter(this.#base, at);
  }

  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.#space;
    space.clear(first, pages);
    this.#chargeEntries(pages);
    // The operating system takes the page for free now: nothing of it waits for the flush.
    space.unpin(firstPage, pages);
    this.#free(first, pages);
  }

  settle(): void {}

  abandon(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.#space;
    space.clear(first, pages);
    this.#free(first, pages);
    space.whenGone(() => space.unpin(firstPage, pages));
  }

  closed(): void {
    const space = this.#space;
    if (this.#port !== undefined) {
      this.transmit.close(this.#port.transmit);
      this.receive.close(this.#port.receive);
    }
    space.whenGone(() => space.address.iovas.free(this.#base, this.#options.tablePages));
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return { wrapFlushes: this.#flushes };
  }

  /** The first run of free pages from an index on, or -1. A run does not go round the end. */
  #search(from: number, pages: number): number {
    let run = 0;
    for (let at = from; at < this.#taken.length; at += 1) {
      run = this.#taken[at] === 0 ? run + 1 : 0;
      if (run === pages) return at + 1 - pages;
    }
    return -1;
  }

  /** Linux drops the frame, or panics if it is asked to ("Calgary: fix the allocator."); here the option is wrong. */
  #tooSmall(pages: number): ParameterError {
    const { length } = this.#taken;
    const free = this.#taken.reduce((sum, taken) => sum + (1 - taken), 0);
    return new ParameterError(
      `iommu.tablePages is ${length}, expected more: a buffer needs ${pages} in a row, and ${free} are free while the buffers in the rings have the others`,
    );
  }

  #free(first: IoPageNumber, pages: number): void {
    const at = first - this.#base;
    this.#taken.fill(0, at, at + pages);
  }

  #flush(): void {
    const { processor, hypervisor } = this.#space.parts;
    this.#flushes += 1;
    processor.spin(hypervisor.account, this.#options.quiesceNs);
    this.#space.invalidateAll(() => {});
    this.#space.driver.waitCharged();
  }

  #chargeEntries(entries: number): void {
    const { processor, hypervisor } = this.#space.parts;
    processor.spin(hypervisor.account, entries * this.#options.lineFlushNs);
  }
}
