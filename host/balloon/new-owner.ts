import {
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageOf,
  type RequesterId,
} from '../../nic/addresses.js';
import type { AccessWitness } from '../bus/memory-bus.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';

/** Proof that a device touched a page that its guest no longer had. */
export interface LateAccess {
  readonly atNs: number;
  /** Physical page number. */
  readonly page: PageNumber;
  readonly requesterId: RequesterId;
  readonly write: boolean;
  readonly length: number;
  /** The page's previous owner, and its present one. */
  readonly oldOwner: string;
  readonly newOwner: string;
  /** When it was given to the new owner, ns. */
  readonly givenAtNs: number;
}

/** A storm of proofs must not become a storm of memory. */
const PROOFS_KEPT = 1000;
/** What the new owner writes to all of a page when it gets it. */
const PATTERN = 0x5a;

interface GivenPage {
  readonly oldOwner: string;
  readonly givenAtNs: number;
}

/**
 * The owner of the pages that guests give back: a domain without a device, which fills each page with a pattern
 * and leaves it alone. So every device access to one of them is wrong, and every byte that changes is damage.
 */
export class NewOwner implements AccessWitness {
  readonly domain: Domain;
  readonly proofs: LateAccess[] = [];
  readonly #parts: HostParts;
  readonly #pages = new Map<PageNumber, GivenPage>();
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  #reads = 0;
  #writes = 0;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.domain = parts.hypervisor.createDomain('reclaimed', 'guest', 0);
    parts.bus.watch(this);
  }

  /** Device reads of pages that were given away: bytes of another domain that may leave. */
  get lateReads(): number {
    return this.#reads;
  }

  /** Device writes to pages that were given away. */
  get lateWrites(): number {
    return this.#writes;
  }

  /** Pages that it has. */
  get pages(): number {
    return this.#pages.size;
  }

  /** Takes a page that is free now. False if another domain was faster. */
  take(page: PageNumber, oldOwner: string): boolean {
    const { pages, memory, kernel } = this.#parts;
    if (!pages.claim(this.domain.id, 'guest', page).ok) return false;
    this.domain.adopt(page);
    memory.fill(pageAddress(page), PAGE_BYTES, PATTERN);
    this.#pages.set(page, { oldOwner, givenAtNs: kernel.nowNs });
    return true;
  }

  /** Pages whose bytes are not what was written to them. */
  damagedPages(): PageNumber[] {
    const { memory } = this.#parts;
    const damaged: PageNumber[] = [];
    for (const page of this.#pages.keys()) {
      memory.read(pageAddress(page), PAGE_BYTES, this.#bytes, 0);
      if (this.#bytes.some((byte) => byte !== PATTERN)) damaged.push(page);
    }
    return damaged;
  }

  accessed(requesterId: RequesterId, physical: HostPhysicalAddress, length: number, write: boolean): void {
    const page = pageOf(physical);
    const given = this.#pages.get(page);
    if (given === undefined) return;
    if (write) this.#writes += 1;
    else this.#reads += 1;
    if (this.proofs.length === PROOFS_KEPT) return;
    const { oldOwner, givenAtNs } = given;
    const atNs = this.#parts.kernel.nowNs;
    const newOwner = this.domain.name;
    this.proofs.push({ atNs, page, requesterId, write, length, oldOwner, newOwner, givenAtNs });
  }
}
