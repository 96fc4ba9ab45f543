import { DESCRIPTOR_BYTES } from '../../nic/descriptor.js';
import { PAGE_BYTES } from '../memory/physical-memory.js';

/** Where the rings and the status block of a context lie in one piece of memory, bytes from its beginning. */
export interface RingLayout {
  readonly transmit: number;
  readonly receive: number;
  readonly status: number;
  /** Bytes of all of it: whole pages. */
  readonly bytes: number;
}

/** Transmit ring, receive ring and status block, each on pages of its own. */
export function ringLayout(transmitSlots: number, receiveSlots: number): RingLayout {
  const receive = roundUp(transmitSlots * DESCRIPTOR_BYTES);
  const status = receive + roundUp(receiveSlots * DESCRIPTOR_BYTES);
  return { transmit: 0, receive, status, bytes: status + PAGE_BYTES };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
