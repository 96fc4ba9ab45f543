import {
  addressAfter,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageOf,
} from '../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import type { MemoryBank } from '../memory/memory-bank.js';
import type { DomainId, PageOwnership } from '../memory/page-ownership.js';
import { BANK_ALIGNMENT, type PhysicalMemory } from '../memory/physical-memory.js';
import type { OwnedPages } from './owned-pages.js';

/** Pages of a large page, 2 MB. */
const ALIGNMENT_PAGES = 512;
const BANK_PAGES = BANK_ALIGNMENT / PAGE_BYTES;

/**
 * RAM of a domain that lies in a bank. Its owner may withdraw parts of it from DMA and restore them, as a virtual
 * machine monitor does when a guest's memory map changes (vfio-user: DMA_UNMAP, DMA_MAP). A withdrawn page that a
 * device still uses stays the domain's until its last reference goes, and only then may the answer be given that
 * nothing reaches it any more.
 */
export class AttachedRam {
  /** Physical address of its first byte. */
  readonly address: HostPhysicalAddress;
  /** Size, bytes. */
  readonly bytes: number;
  readonly #domain: DomainId;
  readonly #memory: PhysicalMemory;
  readonly #pages: PageOwnership;
  readonly #owned: OwnedPages;
  #attached = true;

  /** @throws ParameterError when the machine has no piece of addresses of that size left. */
  constructor(
    domain: DomainId,
    name: string,
    bank: MemoryBank,
    memory: PhysicalMemory,
    pages: PageOwnership,
    owned: OwnedPages,
  ) {
    const { bytes } = bank;
    if (!Number.isInteger(bytes / PAGE_BYTES) || bytes <= 0)
      throw new ParameterError(
        `${name}: RAM of ${bytes} bytes, expected a multiple of ${PAGE_BYTES} above 0`,
      );
    this.bytes = bytes;
    this.#domain = domain;
    this.#memory = memory;
    this.#pages = pages;
    this.#owned = owned;
    const count = bytes / PAGE_BYTES;
    // Whole pieces of backing: no page beside the bank shares its backing.
    const first = pages.setAside(Math.ceil(count / BANK_PAGES) * BANK_PAGES, ALIGNMENT_PAGES);
    if (first === undefined)
      throw new ParameterError(
        `${name}: no ${count} pages in one piece for its RAM, ${pages.freePages} free; expected a larger host.memoryMegabytes`,
      );
    this.address = pageAddress(first);
    memory.attachBank(this.address, bank);
    owned.attach(first, pageAfter(first, count));
    this.restore(0, bytes);
  }

  /**
   * Takes bytes away from the domain's devices. `pending` while references keep some of the pages: ask `isReachable`
   * again later, or restore. What is not the domain's already stays so.
   * @throws InvariantViolation unless offset and length are multiples of a page, within the RAM.
   */
  withdraw(offset: number, length: number): 'withdrawn' | 'pending' {
    let outcome: 'withdrawn' | 'pending' = 'withdrawn';
    for (let page = this.#page(offset, length); page < this.#end(offset, length); page = pageAfter(page)) {
      this.#pages.release(this.#domain, page);
      if (this.#pages.owner(page) === this.#domain) outcome = 'pending';
    }
    return outcome;
  }

  /** Lets the domain use bytes for DMA again; a withdrawal that waits is called off. Harmless where it may already. */
  restore(offset: number, length: number): void {
    for (let page = this.#page(offset, length); page < this.#end(offset, length); page = pageAfter(page))
      this.#pages.claimSetAside(this.#domain, page);
  }

  /** Whether any page of the range belongs to the domain still, withdrawn or not. */
  isReachable(offset: number, length: number): boolean {
    for (let page = this.#page(offset, length); page < this.#end(offset, length); page = pageAfter(page))
      if (this.#pages.owner(page) === this.#domain) return true;
    return false;
  }

  /**
   * Gives all of it up, as when the guest is gone. False while references keep some of it: the bank stays until a later
   * call. True when nothing can reach the bank; its addresses then serve the machine again.
   */
  detach(): boolean {
    if (!this.#attached) return true;
    if (this.withdraw(0, this.bytes) === 'pending') return false;
    this.#attached = false;
    this.#owned.detach(pageOf(this.address));
    this.#memory.detachBank(this.address);
    this.#pages.giveBack(pageOf(this.address));
    return true;
  }

  #page(offset: number, length: number): PageNumber {
    if (!this.#attached) throw new InvariantViolation('the RAM was detached');
    if (offset % PAGE_BYTES !== 0 || length % PAGE_BYTES !== 0 || offset < 0 || offset + length > this.bytes)
      throw new InvariantViolation(
        `${length} bytes at ${offset} are not pages of RAM of ${this.bytes} bytes`,
      );
    return pageOf(addressAfter(this.address, offset));
  }

  #end(offset: number, length: number): PageNumber {
    return pageOf(addressAfter(this.address, offset + length));
  }
}
