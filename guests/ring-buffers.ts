import type { Domain } from '../host/hypervisor/domain.js';
import { PAGE_BYTES } from '../host/memory/physical-memory.js';
import { MAX_FRAME_BYTES } from '../nic/descriptor.js';
import { present } from '../scheduler/present.js';

/** Bytes of one buffer: 2,048 puts two on a page, as most drivers do; 4,096 gives each its own page. */
export type BufferBytes = 2048 | 4096;

/** Buffers that the longest frame takes. */
export function longestChain(bufferBytes: BufferBytes): number {
  return Math.ceil(MAX_FRAME_BYTES / bufferBytes);
}

/**
 * Takes guest memory for one buffer per slot; returns their physical addresses.
 * @throws RangeError when the machine has no memory left.
 */
export function allocateBuffers(domain: Domain, slots: number, bufferBytes: BufferBytes): Float64Array {
  const perPage = PAGE_BYTES / bufferBytes;
  const pages = domain.allocate(Math.ceil(slots / perPage));
  return Float64Array.from(
    { length: slots },
    (_, slot) => present(pages[Math.floor(slot / perPage)]) * PAGE_BYTES + (slot % perPage) * bufferBytes,
  );
}

/**
 * Puts fresh pages in the place of buffers whose page the guest has released (to a balloon), except for slots
 * that the device may still be using. Returns whether every buffer is good again.
 */
export function replaceLost(
  domain: Domain,
  buffers: Float64Array,
  inUse: (slot: number) => boolean,
): boolean {
  const fresh = new Map<number, number>();
  let good = true;
  for (const [slot, address] of buffers.entries()) {
    const pageNumber = Math.floor(address / PAGE_BYTES);
    if (domain.ownedPages.has(pageNumber)) continue;
    if (inUse(slot) || (!fresh.has(pageNumber) && domain.unusedPages === 0)) {
      good = false;
      continue;
    }
    const page = fresh.get(pageNumber) ?? present(domain.allocate(1)[0]);
    fresh.set(pageNumber, page);
    buffers[slot] = page * PAGE_BYTES + (address % PAGE_BYTES);
  }
  return good;
}

/** Pages that buffers lie in, each once, except buffers of slots that `keep` names. */
export function pagesOf(buffers: Float64Array, keep: (slot: number) => boolean): Set<number> {
  const pages = new Set<number>();
  const kept = new Set<number>();
  for (const [slot, address] of buffers.entries()) {
    (keep(slot) ? kept : pages).add(Math.floor(address / PAGE_BYTES));
  }
  for (const page of kept) pages.delete(page);
  return pages;
}
