import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import { PerMachine } from '../host/per-machine.js';
import { BufferBatch } from '../host/protection/guest-port.js';
import {
  addressAfter,
  FIRST_SLOT,
  type GuestPhysicalAddress,
  guestAddress,
  guestPhysicalAddress,
  lastPageOf,
  machineAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
  type RingSlot,
  slotAfter,
} from '../nic/addresses.js';
import { MAX_FRAME_BYTES } from '../nic/descriptor.js';
import { absent, present } from '../scheduler/present.js';
import { BUFFER_SLOTS, type BufferSlots } from './ring-slots.js';

/**
 * Bytes of one buffer. 1,536 cuts buffers one behind the other from pieces of 32 KB, so that some lie on two pages;
 * 2,048 puts two on a page; 4,096 gives each its own.
 */
export const BUFFER_BYTES = [1536, 2048, 4096] as const;
export type BufferBytes = (typeof BUFFER_BYTES)[number];

/** Pages of a piece that buffers are cut from which need not stay within a page (Linux, SKB_FRAG_PAGE_ORDER is 3). */
const PIECE_PAGES = 8;

/** Buffers that the longest frame takes. */
export function longestChain(bufferBytes: BufferBytes): number {
  return Math.ceil(MAX_FRAME_BYTES / bufferBytes);
}

/** The batch of each machine. */
const BATCHES = new PerMachine<{ batch: BufferBatch | undefined }>(() => ({ batch: undefined }));

/**
 * A batch for buffers that are handed over within one call. All drivers of a machine share one, and each refills it up
 * to a limit of its own: a batch per guest would be empty nearly all of the time.
 */
export function sharedBatch(parts: HostParts, capacity: number): BufferBatch {
  const known = BATCHES.of(parts);
  if (known.batch === undefined || known.batch.capacity < capacity) known.batch = new BufferBatch(capacity);
  return known.batch;
}

/**
 * The buffers of a ring, one per slot, in guest memory. They are cut as Linux cuts page fragments
 * (skb_page_frag_refill, and add_recvbuf_mergeable in virtio_net): one behind the other from a piece, and the last of
 * a piece also gets the rest if that is too short for another buffer.
 */
export class RingBuffers {
  readonly #domain: Domain;
  readonly #bufferBytes: BufferBytes;
  readonly #parts: HostParts;
  readonly #slots: number;
  // The rows of its slots begin at `#first`.
  #rows: BufferSlots;
  #first: number;
  /** Pages that buffers have moved away from, and that none lies on; absent until there is one. */
  #spare: PageNumber[] | undefined;
  /** The piece that is being cut, and what is left of it. */
  #piece: PageNumber = pageNumber(0);
  #pieceBytes = 0;
  #leftBytes = 0;

  /** @throws ParameterError when the guest has no memory left. */
  constructor(parts: HostParts, domain: Domain, slots: number, bufferBytes: BufferBytes) {
    this.#parts = parts;
    this.#domain = domain;
    this.#bufferBytes = bufferBytes;
    this.#slots = slots;
    const { columns, first } = BUFFER_SLOTS.of(parts).take(slots);
    this.#rows = columns;
    this.#first = first;
    const most = PAGE_BYTES % bufferBytes === 0 ? 1 : PIECE_PAGES;
    for (let slot = FIRST_SLOT; slot < slots; slot = slotAfter(slot)) {
      if (this.#leftBytes < bufferBytes) {
        const pages = Math.min(most, Math.ceil(((slots - slot) * bufferBytes) / PAGE_BYTES));
        this.#begin(present(domain.allocate(pages, true)[0]), pages);
      }
      this.#cut(slot);
    }
    this.#leftBytes = 0;
  }

  /** Where the buffer of a slot lies. */
  at(slot: RingSlot): GuestPhysicalAddress {
    return guestPhysicalAddress(present(this.#rows.addresses[this.#rowOf(slot)]));
  }

  /** Bytes of the buffer of a slot. */
  bytesOf(slot: RingSlot): number {
    return present(this.#rows.bytes[this.#rowOf(slot)]);
  }

  /** The buffer of a slot is somewhere else now: its page was exchanged for another. */
  moved(slot: RingSlot, address: GuestPhysicalAddress): void {
    this.#rows.addresses[this.#rowOf(slot)] = address;
  }

  /** The driver is closed: rows that the ring shares with others are theirs. Where its buffers lay can still be read. */
  leave(): void {
    const shared = this.#rows;
    const first = this.#first;
    this.#rows = shared.rows(first, this.#slots);
    this.#first = 0;
    BUFFER_SLOTS.of(this.#parts).giveBack(shared, first, this.#slots);
  }

  /**
   * Puts other memory in the place of buffers of which the guest has released a page (to a balloon), except for slots
   * that the device may still be using. Returns whether every buffer is good again.
   */
  replaceLost(inUse: (slot: RingSlot) => boolean): boolean {
    let good = true;
    let moved = false;
    const before = this.pages(() => false);
    for (let slot = FIRST_SLOT; slot < this.#slots; slot = slotAfter(slot)) {
      if (this.#isOwned(slot)) continue;
      if (inUse(slot) || !this.#findSpace()) {
        good = false;
        continue;
      }
      this.#cut(slot);
      moved = true;
    }
    this.#leftBytes = 0;
    if (!moved) return good;
    const after = this.pages(() => false);
    for (const page of before) {
      if (after.has(page) || !this.#domain.ownedPages.has(page)) continue;
      this.#spare ??= [];
      this.#spare.push(page);
    }
    return good;
  }

  /** Pages that buffers lie in, each once, and those that they have left; except pages of slots that `keep` names. */
  pages(keep: (slot: RingSlot) => boolean): Set<PageNumber> {
    const pages = new Set<PageNumber>();
    const kept = new Set<PageNumber>();
    for (let slot = FIRST_SLOT; slot < this.#slots; slot = slotAfter(slot)) {
      const set = keep(slot) ? kept : pages;
      const address = machineAddress(this.at(slot));
      const last = lastPageOf(address, this.bytesOf(slot));
      for (let page = pageOf(address); page <= last; page = pageAfter(page)) set.add(page);
    }
    for (const page of this.#spare ?? []) if (this.#domain.ownedPages.has(page)) pages.add(page);
    for (const page of kept) pages.delete(page);
    return pages;
  }

  /** Whether what is being cut has space for a buffer, with another page if it had none. False when there is none. */
  #findSpace(): boolean {
    if (this.#leftBytes >= this.#bufferBytes) return true;
    for (let page = this.#spare?.pop(); page !== undefined; page = this.#spare?.pop()) {
      if (!this.#domain.ownedPages.has(page)) continue;
      this.#begin(page, 1);
      return true;
    }
    if (this.#domain.unusedPages === 0) return false;
    this.#begin(present(this.#domain.allocate(1)[0]), 1);
    return true;
  }

  #begin(page: PageNumber, pages: number): void {
    this.#piece = page;
    this.#pieceBytes = pages * PAGE_BYTES;
    this.#leftBytes = this.#pieceBytes;
  }

  #cut(slot: RingSlot): void {
    const bytes = this.#leftBytes < 2 * this.#bufferBytes ? this.#leftBytes : this.#bufferBytes;
    const next = addressAfter(pageAddress(this.#piece), this.#pieceBytes - this.#leftBytes);
    const row = this.#rowOf(slot);
    this.#rows.addresses[row] = guestAddress(next);
    this.#rows.bytes[row] = bytes;
    this.#leftBytes -= bytes;
  }

  /** Beyond the ring lie the rows of another. */
  #rowOf(slot: RingSlot): number {
    return slot < this.#slots ? this.#first + slot : absent();
  }

  #isOwned(slot: RingSlot): boolean {
    const address = machineAddress(this.at(slot));
    const last = lastPageOf(address, this.bytesOf(slot));
    for (let page = pageOf(address); page <= last; page = pageAfter(page))
      if (!this.#domain.ownedPages.has(page)) return false;
    return true;
  }
}
