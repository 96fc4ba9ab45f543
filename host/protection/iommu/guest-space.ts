import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { type RadixTable, READ, WRITE } from '../../iommu/radix-table.js';
import type { FrameRefusal } from '../../memory/frame-table.js';
import { FRAME_BYTES } from '../../memory/physical-memory.js';
import type { IommuDriver } from './iommu-driver.js';
import { IovaAllocator } from './iova-allocator.js';

/** Where allocated I/O virtual addresses lie: above every physical address, within 48 bits. */
const IOVA_BASE = 2 ** 40;
const IOVA_END = 2 ** 47;

/** Both directions: a buffer may be read and written. */
export const READ_WRITE = READ | WRITE;

/** What the books of a guest's I/O address space say. */
export interface SpaceCounters {
  mapped: number;
  unmapped: number;
  flushes: number;
}

/**
 * One guest's I/O address space: its translation tables, the addresses that are given out, and the references
 * that keep mapped frames from being given away. A page that is mapped is pinned; it is unpinned when the
 * unit has reported that no cache knows it any more, and not before.
 */
export class GuestSpace {
  readonly domain: Domain;
  readonly domainId: number;
  readonly tables: RadixTable;
  readonly iovas = new IovaAllocator(IOVA_BASE, IOVA_END);
  readonly counters: SpaceCounters = { mapped: 0, unmapped: 0, flushes: 0 };
  readonly parts: HostParts;
  readonly driver: IommuDriver;
  readonly #payer: number;
  #pinned = 0;

  constructor(parts: HostParts, driver: IommuDriver, domain: Domain, domainId: number, tables: RadixTable) {
    this.parts = parts;
    this.driver = driver;
    this.domain = domain;
    this.domainId = domainId;
    this.tables = tables;
    this.#payer = parts.hypervisor.party;
  }

  /** References that the space holds on frames. */
  get pinned(): number {
    return this.#pinned;
  }

  /** One hypercall of the guest: to map or to unmap. */
  enter(): void {
    this.parts.hypervisor.enterHypercall();
  }

  /** Why the guest may not have these bytes mapped; undefined when it may. Charges the look at each page. */
  refusalFor(address: number, length: number): FrameRefusal | 'bad-length' | undefined {
    if (length === 0 || length > MAX_BUFFER_BYTES) return 'bad-length';
    const last = Math.floor((address + length - 1) / FRAME_BYTES);
    for (let frame = Math.floor(address / FRAME_BYTES); frame <= last; frame += 1) {
      this.parts.processor.chargeParty(this.#payer, 'validatePage');
      const refusal = this.parts.frames.refusalFor(this.domain.id, frame);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Maps one page and pins its frame. Throws when it is mapped: the strategies keep count. */
  map(iova: number, frame: number, permissions: number): void {
    const outcome = this.tables.map(iova, frame * FRAME_BYTES, 12, permissions);
    if (outcome !== 'mapped') throw new Error(`mapping of 0x${iova.toString(16)}: ${outcome}`);
    this.parts.frames.pin(frame);
    this.#pinned += 1;
    this.counters.mapped += 1;
    this.parts.processor.chargeParty(this.#payer, 'mapPage');
    this.parts.processor.chargeParty(this.#payer, 'pinPage');
  }

  /** Takes `pages` pages out of the tables. Caches may still know them; frames stay pinned until `unpin`. */
  clear(iova: number, pages: number): number {
    const freed = this.tables.unmap(iova, pages * FRAME_BYTES);
    this.counters.unmapped += pages;
    this.parts.processor.chargeParty(this.#payer, 'unmapPage', pages);
    return freed;
  }

  /** No cache knows these frames any more. */
  unpin(firstFrame: number, pages: number): void {
    for (let frame = firstFrame; frame < firstFrame + pages; frame += 1) this.parts.frames.unpin(frame);
    this.#pinned -= pages;
    this.parts.processor.chargeParty(this.#payer, 'unpinPage', pages);
  }

  /** Asks for the invalidation of a range and waits for it, on the hypervisor's time; `done` runs when it is true. */
  invalidate(iova: number, pages: number, leafOnly: boolean, done: () => void): void {
    this.counters.flushes += 1;
    this.driver.invalidateRange(this.domainId, iova, pages, leafOnly, done);
  }
}

/** Longest buffer that is mapped in one piece, bytes. */
export const MAX_BUFFER_BYTES = 16_384;

/** Pages that `length` bytes at `address` touch. */
export function pagesOf(address: number, length: number): number {
  return Math.floor((address + length - 1) / FRAME_BYTES) - Math.floor(address / FRAME_BYTES) + 1;
}
