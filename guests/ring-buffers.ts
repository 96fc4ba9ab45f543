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
