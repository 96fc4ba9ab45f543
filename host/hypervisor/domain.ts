import { type GuestPhysicalAddress, machineAddress, type PageNumber } from '../../nic/addresses.js';
import { ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { MemoryBank } from '../memory/memory-bank.js';
import type { DomainId, PageOwnership } from '../memory/page-ownership.js';
import type { PhysicalMemory } from '../memory/physical-memory.js';
import { AttachedRam } from './attached-ram.js';
import { OwnedPages } from './owned-pages.js';

/** Pages of a large page, 2 MB. */
const PAGES_PER_LARGE_PAGE = 512;

export type DomainKind = 'hypervisor' | 'driver-domain' | 'guest';
export type DomainState = 'running' | 'killed';

/** Outcome of a CPU access of a domain; the MMU refuses pages of other owners. */
export type CpuAccess = 'done' | 'page-fault';

/**
 * A virtual machine: its memory, and its place on the processor. Its own CPU accesses go through the MMU,
 * which lets it reach its own pages and no others. The open question is what its device can reach.
 */
export class Domain {
  readonly id: DomainId;
  readonly name: string;
  readonly kind: DomainKind;
  /** Its number on the processor. */
  readonly account: number;
  state: DomainState = 'running';
  readonly #memory: PhysicalMemory;
  readonly #pages: PageOwnership;
  readonly #owned: OwnedPages;
  #released = 0;

  constructor(
    id: DomainId,
    name: string,
    kind: DomainKind,
    account: number,
    memory: PhysicalMemory,
    pages: PageOwnership,
  ) {
    this.id = id;
    this.name = name;
    this.kind = kind;
    this.account = account;
    this.#memory = memory;
    this.#pages = pages;
    this.#owned = new OwnedPages(pages, id);
  }

  /** Pages that are its own: given to it, used or not, and not released. */
  get ownedPages(): OwnedPages {
    return this.#owned;
  }

  /**
   * Gives the guest its RAM, all of it and permanently, as a hypervisor does when it starts a guest: one region, at a
   * multiple of 2 MB if it is as large. What it uses is drawn from there.
   * @throws ParameterError when the machine has not as much left: the scenario is too large for it.
   */
  reserve(pageCount: number): void {
    const align = pageCount % PAGES_PER_LARGE_PAGE === 0 ? PAGES_PER_LARGE_PAGE : 1;
    const outcome = this.#pages.allocate(this.id, 'guest', pageCount, true, align);
    if (!outcome.ok) {
      throw new ParameterError(
        `${this.name}: ${pageCount} pages of RAM wanted, ${this.#pages.freePages} free; expected a larger host.memoryMegabytes, or less for the guests`,
      );
    }
    this.#owned.reserve(present(outcome.value[0]), pageCount);
  }

  /**
   * Gives the guest RAM that lies in a bank, as the memory of a real guest does: all of it, in one piece of the
   * machine's addresses, at a multiple of 2 MB. Nothing is ever drawn from it here (`allocate` takes from the machine's
   * own memory): the guest decides which of its pages are buffers.
   * @throws ParameterError when the machine has no such piece of addresses left.
   */
  attachRam(bank: MemoryBank): AttachedRam {
    return new AttachedRam(this.id, this.name, bank, this.#memory, this.#pages, this.#owned);
  }

  /** Pages that it has released since the start: a keeper of addresses looks here whether they may have gone. */
  get released(): number {
    return this.#released;
  }

  /** Pages of its RAM that it has not used for anything yet. */
  get unusedPages(): number {
    return this.#owned.unused;
  }

  /** A page of its RAM that it has not used for anything, the last one there is; undefined when there is none. */
  get lastUnusedPage(): PageNumber | undefined {
    return this.#owned.lastUnused;
  }

  /**
   * Takes guest memory into use: of its RAM if it has been given some, else of what the machine has left.
   * @throws ParameterError when there is not as much: the scenario is too large for it.
   */
  allocate(pageCount: number, contiguous = false): PageNumber[] {
    if (this.#owned.reserved) {
      const pages = this.#owned.use(pageCount, contiguous);
      if (pages !== undefined) return pages;
      throw new ParameterError(
        `${this.name}: ${pageCount} pages wanted, ${this.#owned.unused} of its RAM unused; expected a larger memoryMegabytes`,
      );
    }
    const outcome = this.#pages.allocate(this.id, 'guest', pageCount, contiguous);
    if (!outcome.ok) {
      throw new ParameterError(
        `${this.name}: ${pageCount} pages wanted, ${this.#pages.freePages} free; expected a larger host.memoryMegabytes`,
      );
    }
    for (const page of outcome.value) this.#owned.adopt(page);
    return outcome.value;
  }

  /** Returns a page to the hypervisor (balloon, exit). */
  release(page: PageNumber): 'freed' | 'pending' | 'refused' {
    const outcome = this.#pages.release(this.id, page);
    if (!outcome.ok) return 'refused';
    this.#owned.forget(page);
    this.#released += 1;
    return outcome.value;
  }

  /** A page came or went by transfer. */
  adopt(page: PageNumber): void {
    this.#owned.adopt(page);
  }

  forget(page: PageNumber): void {
    this.#owned.forget(page);
  }

  /** CPU store by the domain. */
  write(address: GuestPhysicalAddress, length: number, source: Uint8Array, sourceOffset: number): CpuAccess {
    if (!this.#mayTouch(address, length)) return 'page-fault';
    this.#memory.write(machineAddress(address), length, source, sourceOffset);
    return 'done';
  }

  /** CPU load by the domain. */
  read(address: GuestPhysicalAddress, length: number, target: Uint8Array, targetOffset: number): CpuAccess {
    if (!this.#mayTouch(address, length)) return 'page-fault';
    this.#memory.read(machineAddress(address), length, target, targetOffset);
    return 'done';
  }

  #mayTouch(address: GuestPhysicalAddress, length: number): boolean {
    const physical = machineAddress(address);
    return this.#memory.contains(physical, length) && this.#pages.holdsAll(this.id, physical, length);
  }
}
