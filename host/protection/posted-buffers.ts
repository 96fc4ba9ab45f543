import { FLAG_END_OF_PACKET, MAX_BUFFER_BYTES } from '../../nic/descriptor.js';
import { absent } from '../../scheduler/present.js';
import type { ContextQueue } from './context-queue.js';
import type { BufferBatch } from './guest-port.js';

/** Why no buffer can look like this, wherever it lies; undefined when it can. */
export function malformedBuffer(address: number, length: number): 'not-ram' | 'bad-length' | undefined {
  if (!Number.isSafeInteger(address) || address < 0) return 'not-ram';
  if (!(length > 0 && length <= MAX_BUFFER_BYTES)) return 'bad-length';
  return undefined;
}

/**
 * How many of the first `count` buffers belong to frames that are all among them. Half a transmit chain in the ring
 * would never end.
 */
export function wholeFrames(queue: ContextQueue, batch: BufferBatch, count: number): number {
  if (queue.direction === 'receive') return count;
  let whole = count;
  while (whole > 0 && ((batch.flags[whole - 1] ?? absent()) & FLAG_END_OF_PACKET) === 0) whole -= 1;
  return whole;
}
