import type { HostPhysicalAddress } from '../../nic/addresses.js';
import type { TableMemory } from './table-walker.js';

/** Where a table builder gets its 4 KB pages. `allocate` gives a physical address, or NO_ADDRESS when there is none. */
export interface PageAllocator {
  allocate(): HostPhysicalAddress;
  release(address: HostPhysicalAddress): void;
}

/** Permissions of a mapping, to be added: READ + WRITE. */
export const READ = 1;
export const WRITE = 2;

/** How one vendor writes the 8-byte entries of its tables. Level 1 is the last. */
export interface EntryFormat {
  readonly levels: number;
  isPresent(low: number, high: number): boolean;
  /** True if a present entry at `level` holds a page, false if it points at a table. */
  isPage(low: number, high: number, level: number): boolean;
  /** Log2 of the size of the page that an entry holds. */
  pageBits(low: number, high: number, level: number): number;
  /** Physical address of the table, or of the first byte of the page, that an entry holds. */
  address(low: number, high: number, level: number): HostPhysicalAddress;
  permissions(low: number, high: number): number;
  /** The level whose entries hold pages of this size, or 0 if there are no such pages. */
  levelFor(pageBits: number): number;
  writeTable(
    memory: TableMemory,
    at: HostPhysicalAddress,
    table: HostPhysicalAddress,
    tableLevel: number,
  ): void;
  writePage(
    memory: TableMemory,
    at: HostPhysicalAddress,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): void;
}

/** Log2 of the bytes that one entry at `level` covers. */
export function spanBits(level: number): number {
  return 3 + 9 * level;
}
