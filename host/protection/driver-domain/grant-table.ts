import {
  addressAfter,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageNumber,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { DomainId } from '../../memory/page-ownership.js';
import type { PhysicalMemory } from '../../memory/physical-memory.js';

/** An entry, little-endian, as version 1 of Xen's grant tables: flags (2), domain (2), frame (4). */
export const GRANT_ENTRY_BYTES = 8;
/** Flags: 1 permit access, 4 read-only. */
export const GRANT_PERMIT = 1;
export const GRANT_READ_ONLY = 4;

/**
 * The pages that a guest lets others reach: a table in the guest's own memory, written by the guest. Nothing in it is
 * trusted: the hypervisor looks at an entry whenever it is used, and at the owner of the page that
 * it names.
 */
export class GrantTable {
  readonly domain: Domain;
  readonly entries: number;
  /** Physical address of entry 0. */
  readonly base: HostPhysicalAddress;
  readonly #memory: PhysicalMemory;
  /** Frames that hold it. */
  readonly pages: readonly PageNumber[];

  /** Takes memory of the guest. @throws RangeError when there is none. */
  constructor(memory: PhysicalMemory, domain: Domain, entries: number) {
    this.#memory = memory;
    this.domain = domain;
    this.entries = entries;
    this.pages = domain.allocate(Math.ceil((entries * GRANT_ENTRY_BYTES) / PAGE_BYTES), true);
    this.base = pageAddress(this.pages[0] ?? absent());
  }

  /** The guest lets `to` reach a frame under this reference. */
  grant(reference: number, to: DomainId, page: PageNumber, readOnly: boolean): void {
    this.#memory.writeU32(addressAfter(this.addressOf(reference), 4), page);
    this.#memory.writeU32(
      this.addressOf(reference),
      GRANT_PERMIT | (readOnly ? GRANT_READ_ONLY : 0) | (to << 16),
    );
  }

  /** The guest takes it back. */
  revoke(reference: number): void {
    this.#memory.writeU32(this.addressOf(reference), 0);
  }

  /** Flags of an entry; 0 for a reference that is not in the table. */
  flags(reference: number): number {
    return this.#holds(reference) ? this.#memory.readU32(this.addressOf(reference)) & 0xffff : 0;
  }

  /** The domain that an entry is for. */
  grantee(reference: number): DomainId {
    return this.#memory.readU32(this.addressOf(reference)) >>> 16;
  }

  /** The page that an entry names, whichever domain owns it. */
  page(reference: number): PageNumber {
    return pageNumber(this.#memory.readU32(addressAfter(this.addressOf(reference), 4)));
  }

  /** Gives its memory back. */
  free(): void {
    for (const page of this.pages) this.domain.release(page);
  }

  #holds(reference: number): boolean {
    return reference >= 0 && reference < this.entries;
  }

  /** Where an entry lies, if the table has it. */
  addressOf(reference: number): HostPhysicalAddress {
    return addressAfter(this.base, reference * GRANT_ENTRY_BYTES);
  }
}
