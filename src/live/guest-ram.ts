import type { GuestMemory } from '../../guests/virtio/guest-memory.js';
import type { AttachedRam } from '../../host/hypervisor/attached-ram.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import { addressAfter, type GuestPhysicalAddress, guestAddress } from '../../nic/addresses.js';
import type { LiveRam } from './ram/live-ram.js';

/** A guest's RAM in the machine: a piece of physical memory that is its own, and that its own CPU reaches at 0. */
export class GuestRam implements GuestMemory {
  readonly #domain: Domain;
  readonly #attached: AttachedRam;
  readonly #bank: LiveRam;

  constructor(domain: Domain, attached: AttachedRam, bank: LiveRam) {
    this.#domain = domain;
    this.#attached = attached;
    this.#bank = bank;
  }

  /** What the machine calls the byte that the guest's own CPU finds at `address`. */
  addressOf(address: number): GuestPhysicalAddress {
    return guestAddress(addressAfter(this.#attached.address, address));
  }

  get bytes(): number {
    return this.#attached.bytes;
  }

  barrier(): void {
    this.#bank.flush();
  }

  read(address: number, length: number, target: Uint8Array, targetOffset: number): boolean {
    if (!this.#contains(address, length)) return false;
    return this.#domain.read(this.addressOf(address), length, target, targetOffset) === 'done';
  }

  write(address: number, length: number, source: Uint8Array, sourceOffset: number): boolean {
    if (!this.#contains(address, length)) return false;
    return this.#domain.write(this.addressOf(address), length, source, sourceOffset) === 'done';
  }

  prefetch(address: number, length: number): void {
    if (this.#contains(address, length)) this.#bank.prefetch(address, length);
  }

  #contains(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.bytes;
  }
}
