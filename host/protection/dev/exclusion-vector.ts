import {
  addressAfter,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
} from '../../../nic/addresses.js';
import { ceilLog2 } from '../../../scheduler/whole-logarithm.js';
import type { PhysicalMemory } from '../../memory/physical-memory.js';

/** What one table covers at size 0, bytes. */
const LEAST_COVERAGE = 2 ** 32;

/**
 * One exclusion vector in memory: one bit per 4 KB page, set = neither read nor write. Byte is page / 8, bit is
 * page mod 8. 4 GB take 128 KB.
 */
export class ExclusionVector {
  /** Physical address of the table, a multiple of 4 KB. */
  readonly base: HostPhysicalAddress;
  /** The table covers 4 GB x 2^size. */
  readonly size: number;
  readonly #memory: PhysicalMemory;

  /** Every page is excluded at first, also those that are not there. */
  constructor(memory: PhysicalMemory, base: HostPhysicalAddress, size: number) {
    this.#memory = memory;
    this.base = base;
    this.size = size;
    memory.fill(base, ExclusionVector.bytes(size), 0xff);
  }

  /** Bytes of a table of a size. */
  static bytes(size: number): number {
    return (LEAST_COVERAGE * 2 ** size) / PAGE_BYTES / 8;
  }

  /** Smallest size that covers that much memory. */
  static sizeFor(memoryBytes: number): number {
    return Math.max(0, ceilLog2(memoryBytes / LEAST_COVERAGE));
  }

  exclude(page: PageNumber): void {
    const address = this.#wordOf(page);
    this.#memory.writeU32(address, this.#memory.readU32(address) | (1 << (page & 31)));
  }

  permit(page: PageNumber): void {
    const address = this.#wordOf(page);
    this.#memory.writeU32(address, this.#memory.readU32(address) & ~(1 << (page & 31)));
  }

  excludes(page: PageNumber): boolean {
    return ((this.#memory.readU32(this.#wordOf(page)) >>> (page & 31)) & 1) === 1;
  }

  #wordOf(page: PageNumber): HostPhysicalAddress {
    return addressAfter(this.base, Math.floor(page / 32) * 4);
  }
}
