import type { Domain } from '../host/hypervisor/domain.js';
import { FRAME_BYTES } from '../host/memory/physical-memory.js';
import { MAX_FRAME_BYTES } from '../nic/descriptor.js';

/** Bytes of one buffer: 2,048 puts two on a page, as most drivers do; 4,096 gives each its own page. */
export type BufferBytes = 2048 | 4096;

/** Buffers that the longest frame takes. */
export function longestChain(bufferBytes: BufferBytes): number {
  return Math.ceil(MAX_FRAME_BYTES / bufferBytes);
}

/**
 * Takes guest memory for one buffer a slot; returns their physical addresses.
 * @throws RangeError when the machine has no memory left.
 */
export function allocateBuffers(domain: Domain, slots: number, bufferBytes: BufferBytes): Float64Array {
  const perPage = FRAME_BYTES / bufferBytes;
  const frames = domain.allocate(Math.ceil(slots / perPage));
  return Float64Array.from(
    { length: slots },
    (_, slot) => (frames[Math.floor(slot / perPage)] ?? 0) * FRAME_BYTES + (slot % perPage) * bufferBytes,
  );
}

/**
 * Puts fresh pages in the place of buffers whose page the guest has given back (to a balloon), but for those of slots
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
    const frame = Math.floor(address / FRAME_BYTES);
    if (domain.ownedFrames.has(frame)) continue;
    if (inUse(slot) || (!fresh.has(frame) && domain.unusedFrames === 0)) {
      good = false;
      continue;
    }
    const page = fresh.get(frame) ?? domain.allocate(1)[0] ?? 0;
    fresh.set(frame, page);
    buffers[slot] = page * FRAME_BYTES + (address % FRAME_BYTES);
  }
  return good;
}

/** Frames that buffers lie in, each once, but for buffers of slots that `keep` names. */
export function framesOf(buffers: Float64Array, keep: (slot: number) => boolean): Set<number> {
  const frames = new Set<number>();
  const kept = new Set<number>();
  for (const [slot, address] of buffers.entries()) {
    (keep(slot) ? kept : frames).add(Math.floor(address / FRAME_BYTES));
  }
  for (const frame of kept) frames.delete(frame);
  return frames;
}
