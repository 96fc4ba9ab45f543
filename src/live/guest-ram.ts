import type { GuestMemory } from '../../guests/virtio/guest-memory.js';
import type { Domain } from '../../host/hypervisor/domain.js';

/** A guest's RAM as what backs it knows it: by offsets from its start. */
export interface RamFile {
  /** As `GuestMemory.prefetch`. */
  prefetch(offset: number, length: number): void;
}

/** A guest's RAM in the machine: a piece of physical memory that is its own, and that its own CPU reaches at 0. */
export class GuestRam implements GuestMemory {
  readonly #domain: Domain;
  /** Physical address of its first byte. */
  readonly base: number;
  readonly bytes: number;
  readonly #file: RamFile | undefined;

  constructor(domain: Domain, base: number, bytes: number, file: RamFile | undefined) {
    this.#domain = domain;
    this.base = base;
    this.bytes = bytes;
    this.#file = file;
  }

  read(address: number, length: number, target: Uint8Array, targetOffset: number): boolean {
    if (!this.#contains(address, length)) return false;
    return this.#domain.read(this.base + address, length, target, targetOffset) === 'done';
  }

  write(address: number, length: number, source: Uint8Array, sourceOffset: number): boolean {
    if (!this.#contains(address, length)) return false;
    return this.#domain.write(this.base + address, length, source, sourceOffset) === 'done';
  }

  prefetch(address: number, length: number): void {
    if (this.#contains(address, length)) this.#file?.prefetch(address, length);
  }

  #contains(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.bytes;
  }
}
