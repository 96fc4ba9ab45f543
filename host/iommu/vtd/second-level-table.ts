import { addressAfter, type HostPhysicalAddress } from '../../../nic/addresses.js';
import { type EntryFormat, type PageAllocator, spanBits } from '../entry-format.js';
import { RadixTable } from '../radix-table.js';
import type { TableMemory } from '../table-walker.js';
import { addressOf, SL_PAGE_SIZE, SL_READ, SL_WRITE } from './entries.js';

const TWO_32 = 2 ** 32;

/**
 * Second-level entries: R and W in bits 0 and 1, PS in bit 7, pages at levels 1 to 3. A class, so that the tables of all
 * domains share their functions, and the engine knows which it calls.
 */
class SecondLevelFormat implements EntryFormat {
  readonly levels: number;

  constructor(levels: 3 | 4 | 5) {
    this.levels = levels;
  }

  isPresent(low: number): boolean {
    return (low & (SL_READ | SL_WRITE)) !== 0;
  }

  isPage(low: number, _high: number, level: number): boolean {
    return level === 1 || (low & SL_PAGE_SIZE) !== 0;
  }

  pageBits(_low: number, _high: number, level: number): number {
    return spanBits(level);
  }

  address(low: number, high: number): HostPhysicalAddress {
    return addressOf(low, high);
  }

  permissions(low: number): number {
    return low & (SL_READ | SL_WRITE);
  }

  levelFor(pageBits: number): number {
    return pageBits === 12 ? 1 : pageBits === 21 ? 2 : pageBits === 30 ? 3 : 0;
  }

  /** Permissions are the AND along the walk, so a table grants all and the page decides. */
  writeTable(memory: TableMemory, at: HostPhysicalAddress, table: HostPhysicalAddress): void {
    writeEntry(memory, at, table, SL_READ | SL_WRITE);
  }

  writePage(
    memory: TableMemory,
    at: HostPhysicalAddress,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): void {
    writeEntry(memory, at, physical, permissions | (pageBits === 12 ? 0 : SL_PAGE_SIZE));
  }
}

function writeEntry(
  memory: TableMemory,
  at: HostPhysicalAddress,
  address: HostPhysicalAddress,
  flags: number,
): void {
  const high = Math.floor(address / TWO_32);
  memory.writeU32(addressAfter(at, 4), high);
  memory.writeU32(at, ((address - high * TWO_32) | flags) >>> 0);
}

/** Second-level tables of one VT-d domain; a context entry points at `root` with AW = levels - 2. */
export function createSecondLevelTable(
  memory: TableMemory,
  pages: PageAllocator,
  levels: 3 | 4 | 5,
): RadixTable {
  return new RadixTable(memory, pages, new SecondLevelFormat(levels));
}
