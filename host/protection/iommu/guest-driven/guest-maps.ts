import {
  type IoVirtualAddress,
  ioPageAfter,
  ioPageOf,
  PAGE_BYTES,
  type PageNumber,
} from '../../../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../../../scheduler/errors.js';
import type { GuestSpace } from '../guest-space.js';
import { REGION_BYTES, ringTables, TableRegions, upperTables } from './table-regions.js';

/** Pages that a guest has mapped for its device, and what the device may do there (READ, WRITE). */
export interface GuestMapping {
  readonly iova: IoVirtualAddress;
  readonly firstPage: PageNumber;
  readonly pages: number;
  readonly permissions: number;
}

/** What a guest's driver of its IOMMU has done. Pages are of 4 KB. */
export interface GuestMapCounters {
  maps: number;
  pagesMapped: number;
  unmaps: number;
  pagesUnmapped: number;
  /** Invalidations that unmaps asked our unit for. */
  invalidations: number;
}

/** A mapping, and whether it is in the tables by pages of 4 KB alone. */
interface HeldMapping extends GuestMapping {
  small: boolean;
}

/**
 * Table pages that one guest may make us keep: a guest that uses all of the 4 GB from which Linux takes addresses needs
 * 2,053. They are the hypervisor's memory, and a hostile guest scatters its mappings.
 */
export const MOST_TABLE_PAGES = 4096;
/** Regions of 2 MB that its mappings may lie in: with a table page for each, and one above it where they are far apart. */
const MOST_REGIONS = MOST_TABLE_PAGES / 2;
/** Ranges that are invalidated one by one; for more, everything of the guest is. */
const MOST_RANGES_AT_ONCE = 32;

/**
 * What one guest has mapped, by its own IOMMU. It outlives ports: an operating system maps its rings before its driver
 * opens the device. While a port is open the mappings are in our unit's tables, and pinned.
 */
export class GuestMaps {
  readonly counters: GuestMapCounters = {
    maps: 0,
    pagesMapped: 0,
    unmaps: 0,
    pagesUnmapped: 0,
    invalidations: 0,
  };
  readonly #name: string;
  readonly #limit: number;
  readonly #held = new Map<IoVirtualAddress, HeldMapping>();
  readonly #regions = new TableRegions();
  #space: GuestSpace | undefined;
  // Ranges that our unit has not reported as forgotten.
  #leaving = 0;

  /** @param limit first I/O virtual address that is not the guest's to map. */
  constructor(name: string, limit: number) {
    this.#name = name;
    this.#limit = limit;
  }

  /** Mappings that stand. */
  get count(): number {
    return this.#held.size;
  }

  /**
   * A port is open: everything goes into its tables, or nothing when it throws.
   * @throws ParameterError when the machine has no room for them
   */
  attach(space: GuestSpace): void {
    if (this.#space !== undefined) throw new InvariantViolation(`${this.#name} has two ports on one IOMMU`);
    const free = pagesForTables(space);
    const { levels } = space.address.tables;
    if (free < this.#regions.tables(levels) + ringTables(levels))
      throw new ParameterError(
        `${this.#name}: ${free} pages are free for its translation tables, expected a larger host.memoryMegabytes`,
      );
    const written: HeldMapping[] = [];
    try {
      for (const mapping of this.#held.values()) {
        mapping.small = false;
        write(space, mapping);
        written.push(mapping);
      }
    } catch (error) {
      for (const mapping of written) {
        clear(space, mapping);
        space.unpin(mapping.firstPage, mapping.pages);
      }
      throw error;
    }
    this.#space = space;
  }

  /** The port is going: what the unit's caches know is gone when the space is. */
  detach(): void {
    const space = this.#space;
    if (space === undefined) return;
    this.#space = undefined;
    for (const mapping of this.#held.values()) {
      clear(space, mapping);
      space.whenGone(() => space.unpin(mapping.firstPage, mapping.pages));
    }
  }

  /**
   * The guest maps pages of its own memory where nothing is mapped.
   * @returns 'no-room' for addresses that it does not have, or more of them than tables are kept for.
   */
  map(mapping: GuestMapping): 'mapped' | 'no-room' {
    const space = this.#space;
    if (!this.#hasRoom(mapping)) return 'no-room';
    // A large page takes the place of a table that unmaps have emptied, which a cache may know until they are reported.
    const held = { ...mapping, small: this.#leaving > 0 };
    if (space !== undefined) {
      space.enter();
      write(space, held);
      space.announce();
    }
    this.#held.set(mapping.iova, held);
    this.#regions.add(mapping.iova, mapping.pages * PAGE_BYTES);
    this.counters.maps += 1;
    this.counters.pagesMapped += mapping.pages;
    return 'mapped';
  }

  /** The guest unmaps what it has mapped; `done` is called when our unit has reported that no cache knows it. */
  unmap(iovas: readonly IoVirtualAddress[], done: () => void): void {
    const space = this.#space;
    const mappings = iovas.map((iova) => this.#forget(iova)).filter((mapping) => mapping !== undefined);
    this.counters.unmaps += mappings.length;
    for (const { pages } of mappings) this.counters.pagesUnmapped += pages;
    if (space === undefined || mappings.length === 0) {
      done();
      return;
    }
    space.enter();
    for (const mapping of mappings) clear(space, mapping);
    this.#leaving += mappings.length;
    if (mappings.length > MOST_RANGES_AT_ONCE) {
      this.counters.invalidations += 1;
      space.invalidateAll(() => {
        this.#leaving -= mappings.length;
        for (const { firstPage, pages } of mappings) space.unpin(firstPage, pages);
        done();
      });
    } else this.#invalidateEach(space, mappings, done);
    space.driver.waitCharged();
  }

  /** The guest's machine is gone, and its port before it: nothing is mapped. */
  clear(): void {
    if (this.#space !== undefined) throw new InvariantViolation(`${this.#name} has a port and no machine`);
    this.#held.clear();
    this.#regions.clear();
  }

  #invalidateEach(space: GuestSpace, mappings: readonly HeldMapping[], done: () => void): void {
    let open = mappings.length;
    this.counters.invalidations += open;
    for (const { iova, firstPage, pages } of mappings) {
      // All levels: the guest may have emptied a table, whose place a later map gives to a large page.
      space.invalidate(ioPageOf(iova), pages, false, () => {
        this.#leaving -= 1;
        space.unpin(firstPage, pages);
        open -= 1;
        if (open === 0) done();
      });
    }
  }

  #forget(iova: IoVirtualAddress): HeldMapping | undefined {
    const mapping = this.#held.get(iova);
    if (mapping === undefined) return undefined;
    this.#held.delete(iova);
    this.#regions.remove(iova, mapping.pages * PAGE_BYTES);
    return mapping;
  }

  #hasRoom(mapping: GuestMapping): boolean {
    const { iova, pages } = mapping;
    const space = this.#space;
    const bytes = pages * PAGE_BYTES;
    if (iova + bytes > this.#limit || bytes / REGION_BYTES > MOST_REGIONS) return false;
    const fresh = this.#regions.fresh(iova, bytes);
    if (this.#regions.count + fresh.regions > MOST_REGIONS) return false;
    if (space === undefined) return true;
    // Tables that unmaps have emptied stay, and count.
    const { tables, levels } = space.address.tables;
    return (
      tables + 2 * fresh.regions <= MOST_TABLE_PAGES &&
      pagesForTables(space) >= fresh.regions + fresh.gigabytes + upperTables(levels)
    );
  }
}

/** Pages that tables can still be made of: the machine's free ones, and those that earlier tables have left. */
function pagesForTables({ parts, driver }: GuestSpace): number {
  return parts.pages.freePages + driver.spareTablePages;
}

function write(space: GuestSpace, { iova, firstPage, pages, permissions, small }: HeldMapping): void {
  const first = ioPageOf(iova);
  if (small) space.mapEach(first, firstPage, pages, permissions);
  else space.mapRange(first, firstPage, pages, permissions);
}

function clear(space: GuestSpace, { iova, firstPage, pages, small }: HeldMapping): void {
  const first = ioPageOf(iova);
  if (!small) space.clearRange(first, firstPage, pages);
  else for (let page = 0; page < pages; page += 1) space.clear(ioPageAfter(first, page), 1);
}
