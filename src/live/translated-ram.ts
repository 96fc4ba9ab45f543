import type { GuestMemory } from '../../guests/virtio/guest-memory.js';
import type { GuestRam } from './guest-ram.js';
import type { MappedRanges } from './vfio-user/mapped-ranges.js';
import { MAP_READ, MAP_WRITE } from './vfio-user/messages.js';

/**
 * A guest's RAM by the I/O virtual addresses that its own IOMMU gives out: what the device model itself reads and writes,
 * rings and headers, obeys the same mappings as the card's transfers.
 */
export class TranslatedRam implements GuestMemory {
  readonly #ram: GuestRam;
  readonly #ranges: () => MappedRanges | undefined;
  #at = 0;
  #bytes = 0;

  /** @param ranges what the guest has mapped; undefined while no machine is attached. */
  constructor(ram: GuestRam, ranges: () => MappedRanges | undefined) {
    this.#ram = ram;
    this.#ranges = ranges;
  }

  read(address: number, length: number, target: Uint8Array, targetOffset: number): boolean {
    for (let done = 0; done < length; done += this.#bytes) {
      if (!this.#locate(address + done, length - done, MAP_READ)) return false;
      if (!this.#ram.read(this.#at, this.#bytes, target, targetOffset + done)) return false;
    }
    return true;
  }

  write(address: number, length: number, source: Uint8Array, sourceOffset: number): boolean {
    // Nothing is written unless all of it can be.
    for (let done = 0; done < length; done += this.#bytes)
      if (!this.#locate(address + done, length - done, MAP_WRITE)) return false;
    for (let done = 0; done < length; done += this.#bytes) {
      if (!this.#locate(address + done, length - done, MAP_WRITE)) return false;
      if (!this.#ram.write(this.#at, this.#bytes, source, sourceOffset + done)) return false;
    }
    return true;
  }

  prefetch(address: number, length: number): void {
    if (this.#locate(address, length, MAP_READ) && this.#bytes === length)
      this.#ram.prefetch(this.#at, length);
  }

  barrier(): void {
    this.#ram.barrier();
  }

  /** Where in RAM an address is, and how many of `length` bytes from there on are in one piece. False where there is none. */
  #locate(address: number, length: number, access: number): boolean {
    const range = this.#ranges()?.at(address);
    if (range === undefined || !range.backed || (range.flags & access) === 0) return false;
    const within = address - Number(range.address);
    const left = Number(range.size) - within;
    // From 2^53 on addresses are not exact.
    if (within < 0 || left <= 0) return false;
    this.#at = Number(range.offset) + within;
    this.#bytes = Math.min(length, left);
    return this.#at + this.#bytes <= this.#ram.bytes;
  }
}
