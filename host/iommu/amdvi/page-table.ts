import { addressAfter, type HostPhysicalAddress, hostPhysicalAddress } from '../../../nic/addresses.js';
import { type EntryFormat, type PageAllocator, READ, spanBits, WRITE } from '../entry-format.js';
import { RadixTable } from '../radix-table.js';
import type { TableMemory } from '../table-walker.js';
import { addressField, HIGH_READ, HIGH_WRITE, levelField, PTE_PRESENT, pageBitsOf } from './entries.js';

const TWO_32 = 2 ** 32;

/**
 * AMD-Vi page table entries: PR in bit 0, NextLevel in 11:9, IR and IW in 61 and 62. A page of a standard size is
 * one entry with NextLevel 0; a size in between is 2 to 256 equal entries with NextLevel 7.
 */
class PageTableFormat implements EntryFormat {
  readonly levels: number;

  /** @param levels Mode of the device table entry that points at these tables, 1..6 */
  constructor(levels: number) {
    this.levels = levels;
  }

  isPresent(low: number): boolean {
    return (low & PTE_PRESENT) !== 0;
  }

  isPage(low: number): boolean {
    return levelField(low) === 0 || levelField(low) === 7;
  }

  pageBits(low: number, high: number, level: number): number {
    return pageBitsOf(low, high, level);
  }

  address(low: number, high: number, level: number): HostPhysicalAddress {
    const address = addressField(low, high);
    const next = levelField(low);
    if (next !== 0 && next !== 7) return address;
    return hostPhysicalAddress(address - (address % 2 ** pageBitsOf(low, high, level)));
  }

  permissions(_low: number, high: number): number {
    return ((high & HIGH_READ) !== 0 ? READ : 0) | ((high & HIGH_WRITE) !== 0 ? WRITE : 0);
  }

  levelFor(pageBits: number): number {
    return pageBits >= 12 && pageBits <= 51 ? Math.floor((pageBits - 12) / 9) + 1 : 0;
  }

  /** Permissions are the AND along the walk, so a table grants all and the page decides. */
  writeTable(
    memory: TableMemory,
    at: HostPhysicalAddress,
    table: HostPhysicalAddress,
    tableLevel: number,
  ): void {
    writeEntry(memory, at, table, tableLevel, READ | WRITE);
  }

  writePage(
    memory: TableMemory,
    at: HostPhysicalAddress,
    physical: HostPhysicalAddress,
    pageBits: number,
    permissions: number,
  ): void {
    const standard = pageBits % 9 === 3;
    // Ones from bit 12 to below the top bit of the offset, which stays zero.
    const size = standard ? 0 : 2 ** (pageBits - 1) - 4096;
    writeEntry(memory, at, addressAfter(physical, size), standard ? 0 : 7, permissions);
  }
}

function writeEntry(
  memory: TableMemory,
  at: HostPhysicalAddress,
  address: HostPhysicalAddress,
  nextLevel: number,
  permissions: number,
): void {
  const rights =
    ((permissions & READ) !== 0 ? HIGH_READ : 0) | ((permissions & WRITE) !== 0 ? HIGH_WRITE : 0);
  memory.writeU32(addressAfter(at, 4), (Math.floor(address / TWO_32) | rights) >>> 0);
  memory.writeU32(at, ((address % TWO_32) | (nextLevel << 9) | PTE_PRESENT) >>> 0);
}

/** Page tables of one AMD-Vi domain; a device table entry points at `root` with Mode = levels. */
export function createPageTable(memory: TableMemory, pages: PageAllocator, levels: number): RadixTable {
  if (!Number.isInteger(levels) || levels < 1 || levels > 6) {
    throw new RangeError(`levels is ${levels}, expected 1 to 6`);
  }
  return new RadixTable(memory, pages, new PageTableFormat(levels));
}

/** Log2 of the sizes that page tables of `levels` levels can map: 12 to 20, 21 to 29, and so on. */
export function pageSizes(levels: number): number[] {
  return Array.from({ length: Math.min(51, spanBits(levels + 1) - 1) - 11 }, (_, index) => 12 + index);
}
