import {
  addressField,
  DTE_BYTES,
  HIGH_READ,
  HIGH_WRITE,
  levelField,
  PTE_PRESENT,
  PTE_RESERVED_HIGH,
  pageBitsOf,
  readDeviceTableEntry,
} from '../../host/iommu/amdvi/entries.js';
import { spanBits } from '../../host/iommu/radix-table.js';
import { hex, requesterText } from './address.js';
import type { AmdviDump } from './dump.js';
import { type PageVisitor, Problems, type Requester, type TableSet, tableReadLimit } from './enumeration.js';

const BOTH = HIGH_READ | HIGH_WRITE;

/**
 * Reads the device table and the page tables of a dump. It lists what the tables hold; what hardware would refuse,
 * and tables that the dump lacks, become problems.
 */
export function readAmdviTables(dump: AmdviDump): TableSet {
  const problems = new Problems();
  const walk = new AmdviTables(dump, problems);
  return {
    title: `AMD-Vi: device table ${hex(dump.deviceTable)}`,
    format: 'amdvi',
    requesterField: 'device_id',
    requesters: readDevices(dump, problems),
    problems,
    visit: (requester, visitor) => walk.visit(requester, visitor),
  };
}

/** Devices with a valid entry. The others pass untranslated; there may be thousands of them. */
function readDevices(dump: AmdviDump, problems: Problems): Requester[] {
  const { pages, deviceTable } = dump;
  const found: Requester[] = [];
  const entries = Math.floor((dump.deviceTableBytes ?? 2 ** 21) / DTE_BYTES);
  const missing: number[] = [];
  for (let deviceId = 0; deviceId < entries; deviceId += 1) {
    const at = deviceTable + deviceId * DTE_BYTES;
    if (!pages.has(at)) {
      // A dump that does not tell the table's size ends where its pages end.
      if (dump.deviceTableBytes === undefined && deviceId > 0) break;
      missing.push(at - (at % 4096));
      deviceId += (4096 - (at % 4096)) / DTE_BYTES - 1;
      continue;
    }
    const entry = readDeviceTableEntry(pages, deviceTable, deviceId);
    if (!entry.valid) continue;
    let treatment: Requester['treatment'] = 'translated';
    if (!entry.translationValid || !(entry.read || entry.write)) treatment = 'blocked';
    else if (entry.mode === 0) treatment = 'pass-through';
    if (entry.mode === 7) {
      problems.note(`device table entry of ${requesterText(deviceId)} has mode 7, which is reserved`);
      treatment = 'blocked';
    }
    const translated = treatment === 'translated';
    found.push({
      requesterId: deviceId,
      domainId: entry.domainId,
      table: translated ? entry.pageTable : 0,
      levels: translated ? entry.mode : 0,
      treatment,
      fields: {
        mode: entry.mode,
        domain: entry.domainId,
        table: entry.pageTable,
        read: entry.read,
        write: entry.write,
      },
    });
  }
  const [first] = missing;
  if (first !== undefined) {
    problems.note(`the dump lacks part of the device table, first at ${hex(first)}`);
  }
  return found;
}

class AmdviTables {
  readonly #dump: AmdviDump;
  readonly #problems: Problems;
  #tablesLeft = 0;

  constructor(dump: AmdviDump, problems: Problems) {
    this.#dump = dump;
    this.#problems = problems;
  }

  visit(requester: Requester, visitor: PageVisitor): void {
    this.#tablesLeft = tableReadLimit(this.#dump.pages.count);
    const { read, write } = requester.fields;
    const rights = (read === true ? HIGH_READ : 0) | (write === true ? HIGH_WRITE : 0);
    if (requester.levels > 0) this.#table(requester.table, requester.levels, 0, rights, visitor);
  }

  #table(table: number, level: number, basePage: number, rights: number, visitor: PageVisitor): void {
    const pageNumber = this.#dump.pages.pageAt(table);
    if (pageNumber === undefined) {
      this.#problems.note(`the dump lacks the level ${level} table at ${hex(table)}`);
      return;
    }
    if (this.#tablesLeft === 0) {
      this.#problems.note(`gave up at ${hex(table)}: the tables point back at themselves`);
      return;
    }
    this.#tablesLeft -= 1;
    const spanPages = 2 ** (spanBits(level) - 12);
    // Addresses have 64 bits, which leaves 7 for the top level.
    const entries = level === 6 ? 128 : 512;
    for (let index = 0; index < entries; index += 1) {
      const low = pageNumber.getUint32(index * 8, true);
      if ((low & PTE_PRESENT) === 0) continue;
      const high = pageNumber.getUint32(index * 8 + 4, true);
      const next = levelField(low);
      const isPage = next === 0 || next === 7;
      const pageBits = isPage ? pageBitsOf(low, high, level) : 0;
      if ((high & PTE_RESERVED_HIGH) !== 0 || (isPage ? pageBits === 0 : next >= level)) {
        this.#problems.note(
          `entry ${index} of the level ${level} table at ${hex(table)} has reserved bits set or a wrong level`,
        );
        continue;
      }
      const granted = rights & high;
      if ((granted & BOTH) === 0) continue;
      const page = basePage + index * spanPages;
      const address = addressField(low, high);
      if (!isPage) {
        this.#table(address, next, page, granted, visitor);
        continue;
      }
      const readable = (granted & HIGH_READ) !== 0;
      const writable = (granted & HIGH_WRITE) !== 0;
      const physicalPage = (address - (address % 2 ** pageBits)) / 4096;
      const count = 2 ** (pageBits - spanBits(level));
      if (isWhole(pageNumber, index, count)) {
        visitor(page, physicalPage, pageBits, readable, writable);
        index += count - 1;
      } else {
        this.#problems.note(
          `entry ${index} of the level ${level} table at ${hex(table)} is one of ${count} that should be equal`,
        );
        visitor(page, physicalPage + (index % count) * spanPages, spanBits(level), readable, writable);
      }
    }
  }
}

/** True if the `count` entries from `index`, where a page of that many entries may start, say the same. */
function isWhole(page: DataView, index: number, count: number): boolean {
  if (index % count !== 0) return false;
  for (let at = index + 1; at < index + count; at += 1) {
    // Accessed and dirty bits, and those that are ignored, may differ.
    const low = (page.getUint32(index * 8, true) ^ page.getUint32(at * 8, true)) & 0xffff_fe01;
    const high = (page.getUint32(index * 8 + 4, true) ^ page.getUint32(at * 8 + 4, true)) & 0x67ff_ffff;
    if ((low | high) !== 0) return false;
  }
  return true;
}
