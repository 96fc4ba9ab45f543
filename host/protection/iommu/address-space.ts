import { ParameterError } from '../../../scheduler/errors.js';
import type { RadixTable } from '../../iommu/radix-table.js';
import type { IommuDriver } from './iommu-driver.js';
import { IovaAllocator } from './iova-allocator.js';

/** Most bits of I/O virtual addresses that are used: the lower half of 48. */
const MAX_IOVA_BITS = 47;
/** Bits below which no address is allocated: physical addresses are there. */
const PHYSICAL_BITS = 40;

/**
 * What the unit knows as one domain: its number, its tables, and the addresses in it that are free. It belongs to one
 * port; where the whole card has one requester ID, all ports have to share one.
 */
export class AddressSpace {
  readonly domainId: number;
  readonly tables: RadixTable;
  readonly iovas: IovaAllocator;

  constructor(driver: IommuDriver, domainId: number) {
    this.domainId = domainId;
    this.tables = driver.createTables();
    this.iovas = new IovaAllocator(firstAllocated(driver), endOfAddresses(driver));
  }
}

/** First I/O virtual address that is allocated here; below it addresses have another meaning. */
export function firstAllocated(driver: Pick<IommuDriver, 'features'>): number {
  // Tables of 39 bits have the upper half of them.
  return Math.min(2 ** PHYSICAL_BITS, endOfAddresses(driver) / 2);
}

function endOfAddresses({ features }: Pick<IommuDriver, 'features'>): number {
  return Math.min(2 ** MAX_IOVA_BITS, 2 ** features.addressBits);
}

/** Domain numbers: one is given out again only when no cache knows anything of it. */
export class DomainNumbers {
  readonly #limit: number;
  readonly #free: number[] = [];
  #next: number;

  /** @param first number to give; @param limit one past the last. */
  constructor(first: number, limit: number) {
    this.#next = first;
    this.#limit = limit;
  }

  /** @throws ParameterError when all are taken. */
  take(): number {
    const number = this.#free.pop() ?? this.#next++;
    if (number >= this.#limit)
      throw new ParameterError(
        `all ${this.#limit} domain IDs of the IOMMU are taken, expected fewer guests at a time, or more bits: iommu.capabilities.domainBits`,
      );
    return number;
  }

  giveBack(number: number): void {
    this.#free.push(number);
  }
}
