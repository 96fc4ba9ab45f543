import { addressAfter, type HostPhysicalAddress } from '../../../nic/addresses.js';
import { type EntryFormat, type PageAllocator, spanBits } from '../entry-format.js';
import { RadixTable } from '../radix-table.js';
import type { TableMemory } from '../table-walker.js';
import { addressOf, SL_PAGE_SIZE, SL_READ, SL_WRITE } from './entries.js';

const TWO_32 = 2 ** 32;

/** Second-level entries: R and W in bits 0 and 1, PS in bit 7, pages at levels 1 to 3. */
export function secondLevelFormat(levels: 3 | 4 | 5): EntryFormat {
  return {
    levels,
    isPresent: (low) => (low & (SL_READ | SL_WRITE)) !== 0,
    isPage: (low, _high, level) => level === 1 || (low & SL_PAGE_SIZE) !== 0,
    pageBits: (_low, _high, level) => spanBits(level),
    address: addressOf,
    permissions: (low) => low & (SL_READ | SL_WRITE),
    levelFor: (pageBits) => (pageBits === 12 ? 1 : pageBits === 21 ? 2 : pageBits === 30 ? 3 : 0),
    // Permissions are the AND along the walk, so a table grants all and the page decides.
    writeTable: (memory, at, table) => writeEntry(memory, at, table, SL_READ | SL_WRITE),
    writePage: (memory, at, physical, pageBits, permissions) =>
      writeEntry(memory, at, physical, permissions | (pageBits === 12 ? 0 : SL_PAGE_SIZE)),
  };
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
  return new RadixTable(memory, pages, secondLevelFormat(levels));
}
