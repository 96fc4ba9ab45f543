import type { GuestMemory } from '../../guests/virtio/guest-memory.js';
import type { AttachedRam } from '../../host/hypervisor/attached-ram.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import {
  addressAfter,
  type GuestPhysicalAddress,
  guestAddress,
  guestPhysicalAddress,
} from '../../nic/addresses.js';
import type { LiveRam } from './ram/live-ram.js';
import { WithdrawnRanges } from './withdrawn-ranges.js';

/** An address that no machine has memory at, and that no unit here translates. */
const NO_MEMORY = guestPhysicalAddress(2 ** 52);

/** A guest's RAM in the machine: a piece of physical memory that is its own, and that its own CPU reaches at 0. */
export class GuestRam implements GuestMemory {
  readonly #domain: Domain;
  readonly #attached: AttachedRam;
  readonly #bank: LiveRam;
  readonly #withdrawn = new WithdrawnRanges();

  constructor(domain: Domain, attached: AttachedRam, bank: LiveRam) {
    this.#domain = domain;
    this.#attached = attached;
    this.#bank = bank;
  }

  /** What the machine calls the byte that the guest's own CPU finds at `address`. */
  addressOf(address: number): GuestPhysicalAddress {
    return guestAddress(addressAfter(this.#attached.address, address));
  }

  /**
   * The same for bytes that a device is to use. If any of them is withdrawn they lead to no memory: an approach that checks
   * nothing must not find them either.
   */
  deviceAddressOf(address: number, bytes: number): GuestPhysicalAddress {
    if (!this.#withdrawn.empty && this.#withdrawn.overlaps(address, address + bytes)) return NO_MEMORY;
    return this.addressOf(address);
  }

  /** The guest's machine takes a range away from its devices; what was posted there before is the caller's to stop. */
  withdraw(address: number, bytes: number): void {
    this.#withdrawn.add(address, address + bytes);
  }

  /** It gives a range back. */
  restore(address: number, bytes: number): void {
    if (!this.#withdrawn.empty) this.#withdrawn.remove(address, address + bytes);
  }

  /** All of it is there, as it is for a new machine. */
  restoreAll(): void {
    this.#withdrawn.clear();
  }

  /** Whether nothing of a range is withdrawn. */
  isWhole(address: number, bytes: number): boolean {
    return this.#withdrawn.empty || !this.#withdrawn.overlaps(address, address + bytes);
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
    return address >= 0 && address + length <= this.bytes && this.isWhole(address, length);
  }
}
