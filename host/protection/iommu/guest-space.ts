import {
  type BusAddress,
  deviceAddress,
  type GuestPhysicalAddress,
  type HostPhysicalAddress,
  type IoPageNumber,
  ioPageAddress,
  ioPageAfter,
  ioPageNumber,
  lastPageOf,
  machineAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
} from '../../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { READ, WRITE } from '../../iommu/entry-format.js';
import type { MapOutcome } from '../../iommu/radix-table.js';
import type { PageRefusal } from '../../memory/page-ownership.js';
import { malformedBuffer } from '../posted-buffers.js';
import type { AddressSpace } from './address-space.js';
import type { IommuDriver, WhenReported } from './iommu-driver.js';

/** Both directions: a buffer may be read and written. */
export const READ_WRITE = READ | WRITE;

/** Pages of a large page, 2 MB. */
const LARGE_PAGES = 512;

/** Counts of a guest's I/O address space, in pages of 4 KB. */
export interface SpaceCounters {
  readonly mapped: number;
  readonly unmapped: number;
  readonly flushes: number;
}

/**
 * One guest's share of an I/O address space: what is mapped for it, and the references that keep mapped pages from
 * being reassigned. A page is pinned when it is mapped, and unpinned when the unit has reported that no cache knows
 * it any more (a strategy that unpins earlier documents it, with the reason).
 */
export class GuestSpace {
  readonly domain: Domain;
  readonly parts: HostParts;
  readonly driver: IommuDriver;
  readonly address: AddressSpace;
  readonly #payer: number;
  // Absent until there is one.
  #atEnd: (() => void)[] | undefined;
  #mapped = 0;
  #unmapped = 0;
  #flushes = 0;
  #pinned = 0;
  // The pages of the rings; none while they are not mapped.
  #ringPages = 0;
  #firstOfRings = ioPageNumber(0);
  #firstRingPage = pageNumber(0);

  constructor(parts: HostParts, driver: IommuDriver, domain: Domain, address: AddressSpace) {
    this.parts = parts;
    this.driver = driver;
    this.domain = domain;
    this.address = address;
    this.#payer = parts.hypervisor.account;
  }

  get counters(): SpaceCounters {
    return { mapped: this.#mapped, unmapped: this.#unmapped, flushes: this.#flushes };
  }

  /** References that the space holds on pages. */
  get pinned(): number {
    return this.#pinned;
  }

  /**
   * The first page of a range of I/O virtual addresses.
   * @throws ParameterError when the unit has none left: no guest is to blame for a unit with few address bits
   */
  takeAddresses(pages: number): IoPageNumber {
    const first = this.address.iovas.allocate(pages);
    if (first >= 0) return first;
    throw new ParameterError(
      `iommu.capabilities give addresses of ${this.driver.features.addressBits} bits, expected more: ${pages} pages in a row are not free`,
    );
  }

  /** One hypercall of the guest: to map or to unmap. */
  enter(): void {
    this.parts.hypervisor.enterHypercall();
  }

  /** Why the guest may not have these bytes mapped; undefined when it may. Charges the look at each page. */
  refusalFor(address: GuestPhysicalAddress, length: number): PageRefusal | 'bad-length' | undefined {
    const malformed = malformedBuffer(address, length);
    if (malformed !== undefined) return malformed;
    const physical = machineAddress(address);
    const last = lastPageOf(physical, length);
    for (let page = pageOf(physical); page <= last; page = pageAfter(page)) {
      this.parts.processor.chargeAccount(this.#payer, COST.validatePage);
      const refusal = this.parts.pages.refusalFor(this.domain.id, page);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Maps one page and pins its page. Throws when it is mapped: the strategies keep count. */
  map(ioPage: IoPageNumber, page: PageNumber, permissions: number): void {
    const outcome = this.address.tables.mapPage(ioPage, page, this.#granted(permissions));
    this.#countMapped(outcome, ioPage, page, 1);
  }

  /**
   * Maps pages that follow each other, in large pages where both addresses are aligned for one: all of them, or none when
   * it throws.
   * @throws ParameterError when the machine has no page left for a table
   */
  mapRange(first: IoPageNumber, firstPage: PageNumber, pages: number, permissions: number): void {
    const granted = this.#granted(permissions);
    let mapped = 0;
    try {
      this.#byUnit(first, firstPage, pages, (at, page, unit) => {
        const pageBits = unit === LARGE_PAGES ? 21 : 12;
        const outcome = this.address.tables.map(ioPageAddress(at), pageAddress(page), pageBits, granted);
        this.#countMapped(outcome, at, page, unit);
        mapped += unit;
      });
    } catch (error) {
      // No device has made a request since, so no cache knows any of it.
      this.clearRange(first, firstPage, mapped);
      this.unpin(firstPage, mapped);
      throw error;
    }
  }

  /** Maps pages that follow each other, one by one: all of them, or none when it throws. @throws as `mapRange` */
  mapEach(first: IoPageNumber, firstPage: PageNumber, pages: number, permissions: number): void {
    let mapped = 0;
    try {
      for (; mapped < pages; mapped += 1)
        this.map(ioPageAfter(first, mapped), pageAfter(firstPage, mapped), permissions);
    } catch (error) {
      for (let page = 0; page < mapped; page += 1) this.clear(ioPageAfter(first, page), 1);
      this.unpin(firstPage, mapped);
      throw error;
    }
  }

  /** Takes pages that `map` mapped out of the tables. Caches may still know them, so pages stay pinned until `unpin`. */
  clear(first: IoPageNumber, pages: number): void {
    if (this.address.tables.unmapPages(first, pages) > 0) {
      // Caches may point at a table that was given back; only ranges that no unmap here has could do that.
      throw new InvariantViolation(
        `unmapping ${pages} pages at 0x${ioPageAddress(first).toString(16)} gave a table page back`,
      );
    }
    this.#countUnmapped(pages, pages);
  }

  /** Takes out what one `mapRange` with the same arguments mapped. */
  clearRange(first: IoPageNumber, firstPage: PageNumber, pages: number): void {
    this.#byUnit(first, firstPage, pages, (at, _page, unit) => {
      this.address.tables.unmapPages(at, unit);
      this.#countUnmapped(unit, 1);
    });
  }

  /** No cache holds these pages any more. */
  unpin(firstPage: PageNumber, pages: number): void {
    for (let page = firstPage; page < firstPage + pages; page = pageAfter(page)) this.parts.pages.unpin(page);
    this.#pinned -= pages;
    this.parts.processor.chargeAccount(this.#payer, COST.unpinPage, pages);
  }

  /** Asks for the invalidation of a range; `done` runs when the unit reports it, with the range and `page`. */
  invalidate(
    first: IoPageNumber,
    pages: number,
    leafOnly: boolean,
    done: WhenReported,
    page = pageNumber(0),
  ): void {
    this.#flushes += 1;
    this.driver.invalidateRange(this.address.domainId, first, pages, leafOnly, done, page);
  }

  /** Likewise for everything of the domain. */
  invalidateAll(done: () => void): void {
    this.#flushes += 1;
    this.driver.invalidateDomain(this.address.domainId, done);
  }

  /** A batch of maps has ended. In caching mode the unit may have cached absent entries, which must be invalidated. */
  announce(): void {
    this.driver.mapped();
    if (!this.driver.features.cachingMode) return;
    this.invalidateAll(() => {});
    this.driver.waitCharged();
  }

  /**
   * Maps rings and status block for as long as the port is open, and pins them: the device writes there unasked.
   * They get addresses of their own, so that a guest that names its ring as a buffer collides with nothing.
   * Returns the address for the device.
   */
  mapRings(physical: HostPhysicalAddress, bytes: number): BusAddress {
    const firstPage = pageOf(physical);
    const pages = bytes / PAGE_BYTES;
    const first = this.takeAddresses(pages);
    try {
      this.mapEach(first, firstPage, pages, READ_WRITE);
    } catch (error) {
      this.address.iovas.free(first, pages);
      throw error;
    }
    this.#ringPages = pages;
    this.#firstOfRings = first;
    this.#firstRingPage = firstPage;
    this.announce();
    return deviceAddress(ioPageAddress(first));
  }

  /** The port is going: what it has is out of the tables, and will be out of the caches when `gone` is called. */
  unmapRings(): void {
    const pages = this.#ringPages;
    if (pages === 0) return;
    this.#ringPages = 0;
    const first = this.#firstOfRings;
    for (let page = 0; page < pages; page += 1) this.clear(ioPageAfter(first, page), 1);
    this.whenGone(() => {
      this.unpin(this.#firstRingPage, pages);
      this.address.iovas.free(first, pages);
    });
  }

  /** Something to do when nothing of the space is known to the unit any more. */
  whenGone(action: () => void): void {
    this.#atEnd ??= [];
    this.#atEnd.push(action);
  }

  /** The unit has reported the last invalidation of the space. */
  gone(): void {
    for (const action of this.#atEnd?.splice(0) ?? []) action();
    if (this.#pinned !== 0)
      throw new InvariantViolation(`a space that is gone still has ${this.#pinned} references`);
  }

  checkInvariants(): void {
    if (this.#pinned < 0) throw new InvariantViolation('a space has dropped more references than it took');
  }

  /** Without CAP.ZLR a device's zero-length read of a receive buffer would fault, so Linux grants reads as well. */
  #granted(permissions: number): number {
    return permissions === WRITE && !this.driver.features.writeOnlyPages ? READ_WRITE : permissions;
  }

  #countMapped(outcome: MapOutcome, ioPage: IoPageNumber, first: PageNumber, pages: number): void {
    if (outcome !== 'mapped')
      throw new InvariantViolation(`mapping of 0x${ioPageAddress(ioPage).toString(16)}: ${outcome}`);
    for (let page = first; page < first + pages; page = pageAfter(page)) this.parts.pages.pin(page);
    this.#pinned += pages;
    this.#mapped += pages;
    this.parts.processor.chargeAccount(this.#payer, COST.mapPage);
    this.parts.processor.chargeAccount(this.#payer, COST.pinPage, pages);
  }

  /** @param entries table entries that were cleared */
  #countUnmapped(pages: number, entries: number): void {
    this.#unmapped += pages;
    this.parts.processor.chargeAccount(this.#payer, COST.unmapPage, entries);
  }

  #byUnit(
    firstIoPage: IoPageNumber,
    firstPage: PageNumber,
    pages: number,
    each: (ioPage: IoPageNumber, first: PageNumber, pages: number) => void,
  ): void {
    const alike = this.driver.features.largePages && (firstIoPage - firstPage) % LARGE_PAGES === 0;
    for (let page = 0; page < pages; ) {
      const large = alike && (firstPage + page) % LARGE_PAGES === 0 && pages - page >= LARGE_PAGES;
      const unit = large ? LARGE_PAGES : 1;
      each(ioPageAfter(firstIoPage, page), pageAfter(firstPage, page), unit);
      page += unit;
    }
  }
}

/** Pages that `length` bytes at `address` touch. */
export function pagesOf(address: GuestPhysicalAddress, length: number): number {
  const physical = machineAddress(address);
  return lastPageOf(physical, length) - pageOf(physical) + 1;
}
