import type { HostParts } from '../host/host-parts.js';
import type { Domain } from '../host/hypervisor/domain.js';
import { BufferBatch } from '../host/protection/guest-port.js';
import {
  addressAfter,
  FIRST_SLOT,
  type GuestPhysicalAddress,
  guestAddress,
  guestPhysicalAddress,
  machineAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageOf,
  type RingSlot,
  slotAfter,
} from '../nic/addresses.js';
import { MAX_FRAME_BYTES } from '../nic/descriptor.js';
import { present } from '../scheduler/present.js';

/** Bytes of one buffer: 2,048 puts two on a page, as most drivers do; 4,096 gives each its own page. */
export type BufferBytes = 2048 | 4096;

/** Buffers that the longest frame takes. */
export function longestChain(bufferBytes: BufferBytes): number {
  return Math.ceil(MAX_FRAME_BYTES / bufferBytes);
}

/**
 * Takes guest memory for one buffer per slot; returns their guest-physical addresses (see `bufferAt`).
 * @throws RangeError when the machine has no memory left.
 */
export function allocateBuffers(domain: Domain, slots: number, bufferBytes: BufferBytes): Float64Array {
  const perPage = PAGE_BYTES / bufferBytes;
  const pages = domain.allocate(Math.ceil(slots / perPage));
  return Float64Array.from({ length: slots }, (_, slot) => {
    const page = pageAddress(present(pages[Math.floor(slot / perPage)]));
    return guestAddress(addressAfter(page, (slot % perPage) * bufferBytes));
  });
}

/**
 * A batch for buffers that are handed over within one call: one for all drivers of a machine, of which each fills it anew
 * up to a limit of its own, so that no guest has one that is empty nearly always.
 */
export function sharedBatch(parts: HostParts, capacity: number): BufferBatch {
  const known = BATCHES.get(parts);
  if (known !== undefined && known.capacity >= capacity) return known;
  const batch = new BufferBatch(capacity);
  BATCHES.set(parts, batch);
  return batch;
}

const BATCHES = new WeakMap<HostParts, BufferBatch>();

/** Where the buffer of a slot lies. */
export function bufferAt(buffers: Float64Array, slot: RingSlot): GuestPhysicalAddress {
  return guestPhysicalAddress(present(buffers[slot]));
}

/**
 * Puts fresh pages in the place of buffers whose page the guest has released (to a balloon), except for slots
 * that the device may still be using. Returns whether every buffer is good again.
 */
export function replaceLost(
  domain: Domain,
  buffers: Float64Array,
  inUse: (slot: RingSlot) => boolean,
): boolean {
  const fresh = new Map<PageNumber, PageNumber>();
  let good = true;
  for (let slot = FIRST_SLOT; slot < buffers.length; slot = slotAfter(slot)) {
    const address = machineAddress(bufferAt(buffers, slot));
    const lost = pageOf(address);
    if (domain.ownedPages.has(lost)) continue;
    if (inUse(slot) || (!fresh.has(lost) && domain.unusedPages === 0)) {
      good = false;
      continue;
    }
    const page = fresh.get(lost) ?? present(domain.allocate(1)[0]);
    fresh.set(lost, page);
    buffers[slot] = guestAddress(addressAfter(pageAddress(page), offsetInPage(address)));
  }
  return good;
}

/** Pages that buffers lie in, each once, except buffers of slots that `keep` names. */
export function pagesOf(buffers: Float64Array, keep: (slot: RingSlot) => boolean): Set<PageNumber> {
  const pages = new Set<PageNumber>();
  const kept = new Set<PageNumber>();
  for (let slot = FIRST_SLOT; slot < buffers.length; slot = slotAfter(slot)) {
    (keep(slot) ? kept : pages).add(pageOf(machineAddress(bufferAt(buffers, slot))));
  }
  for (const page of kept) pages.delete(page);
  return pages;
}
