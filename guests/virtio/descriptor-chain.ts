import { readU16, readU32 } from '../../nic/descriptor.js';
import type { GuestMemory } from './guest-memory.js';
import type { QueueFault } from './queue-faults.js';
import {
  DESCRIPTOR_INDIRECT,
  DESCRIPTOR_NEXT,
  DESCRIPTOR_WRITE,
  VIRTQ_DESCRIPTOR_BYTES,
} from './virtio-registers.js';

/** Descriptors of one chain, at most: what the card keeps of a chain, and more than any driver of Linux uses. */
export const MAX_CHAIN = 64;

/**
 * One chain of descriptors, each read once from guest memory: what is checked here is what is used. Reused from chain
 * to chain. A chain with a loop ends at the limit of its length.
 */
export class DescriptorChain {
  readonly addresses = new Float64Array(MAX_CHAIN);
  readonly lengths = new Uint32Array(MAX_CHAIN);
  /** Index of its first descriptor: what the used ring names it by. */
  head = 0;
  count = 0;
  /** Sum of the lengths, bytes. */
  bytes = 0;
  readonly #memory: GuestMemory;
  readonly #writable: boolean;
  readonly #table = new Uint8Array(MAX_CHAIN * VIRTQ_DESCRIPTOR_BYTES);

  /** @param writable whether all buffers must be for the device to write (receive), or all for it to read (transmit). */
  constructor(memory: GuestMemory, writable: boolean) {
    this.#memory = memory;
    this.#writable = writable;
  }

  /** Follows the chain from `head`. Returns what is wrong with it, or undefined. */
  follow(head: number, table: number, size: number, indirectAllowed: boolean): QueueFault | undefined {
    this.head = head;
    this.count = 0;
    this.bytes = 0;
    const bytes = this.#table;
    for (let index = head, hops = 0; ; hops += 1) {
      if (index >= size) return 'descriptor-index';
      if (hops === MAX_CHAIN) return 'chain-too-long';
      const at = table + index * VIRTQ_DESCRIPTOR_BYTES;
      if (!this.#memory.read(at, VIRTQ_DESCRIPTOR_BYTES, bytes, 0)) return 'ring-not-in-memory';
      const flags = readU16(bytes, 12);
      if ((flags & DESCRIPTOR_INDIRECT) !== 0) {
        if (!indirectAllowed || (flags & DESCRIPTOR_NEXT) !== 0) return 'bad-indirect-table';
        return this.#followIndirect(addressOf(bytes, 0), readU32(bytes, 8));
      }
      const fault = this.#add(0, flags);
      if (fault !== undefined) return fault;
      if ((flags & DESCRIPTOR_NEXT) === 0) return undefined;
      index = readU16(bytes, 14);
    }
  }

  #followIndirect(address: number, length: number): QueueFault | undefined {
    const entries = length / VIRTQ_DESCRIPTOR_BYTES;
    if (length === 0 || !Number.isInteger(entries)) return 'bad-indirect-table';
    if (entries + this.count > MAX_CHAIN) return 'chain-too-long';
    const bytes = this.#table;
    if (!this.#memory.read(address, length, bytes, 0)) return 'ring-not-in-memory';
    for (let index = 0, hops = 0; ; hops += 1) {
      if (index >= entries) return 'descriptor-index';
      if (hops === entries) return 'chain-too-long';
      const at = index * VIRTQ_DESCRIPTOR_BYTES;
      const flags = readU16(bytes, at + 12);
      if ((flags & DESCRIPTOR_INDIRECT) !== 0) return 'bad-indirect-table';
      const fault = this.#add(at, flags);
      if (fault !== undefined) return fault;
      if ((flags & DESCRIPTOR_NEXT) === 0) return undefined;
      index = readU16(bytes, at + 14);
    }
  }

  /** Takes the descriptor at `at` of the table's copy into the chain. */
  #add(at: number, flags: number): QueueFault | undefined {
    const bytes = this.#table;
    if (((flags & DESCRIPTOR_WRITE) !== 0) !== this.#writable) return 'wrong-direction';
    const address = addressOf(bytes, at);
    const length = readU32(bytes, at + 8);
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(address + length))
      return 'address-beyond-bus';
    if (length === 0) return undefined;
    if (this.count === MAX_CHAIN) return 'chain-too-long';
    this.addresses[this.count] = address;
    this.lengths[this.count] = length;
    this.count += 1;
    this.bytes += length;
    return undefined;
  }
}

function addressOf(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) * 0x100000000 + readU32(bytes, at);
}
