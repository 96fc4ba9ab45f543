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
import { spanBits } from '../../host/iommu/entry-format.js';
import { hostPhysicalAddress, requesterId } from '../../nic/addresses.js';
import { hex, requesterText } from './address.js';
import type { AmdviDump } from './dump.js';
import { Problems, type Requester, type TableSet } from './enumeration.js';
import { type EntryReader, TableWalk } from './table-walk.js';

/**
 * Reads the device table and the page tables of a dump. It lists what the tables hold; what hardware would refuse,
 * and tables that the dump lacks, become problems.
 */
export function readAmdviTables(dump: AmdviDump): TableSet {
  const problems = new Problems();
  const walk = new TableWalk(dump.pages, problems, PAGE_TABLE);
  return {
    title: `AMD-Vi: device table ${hex(dump.deviceTable)}`,
    format: 'amdvi',
    requesterField: 'device_id',
    requesters: readDevices(dump, problems),
    problems,
    visit: (requester, visitor) =>
      walk.visit(requester, requester.fields.read === true, requester.fields.write === true, visitor),
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
    const entry = readDeviceTableEntry(pages, hostPhysicalAddress(deviceTable), requesterId(deviceId));
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
    problems.noteMissing(`the dump lacks part of the device table, first at ${hex(first)}`);
  }
  return found;
}

/** AMD-Vi entries: NextLevel 7 makes a page of several equal entries, and a table may skip levels. */
const PAGE_TABLE: EntryReader = {
  // Addresses have 64 bits, which leaves 7 for the top level.
  entries: (level) => (level === 6 ? 128 : 512),
  read: (page, index, level) => {
    const low = page.getUint32(index * 8, true);
    if ((low & PTE_PRESENT) === 0) return undefined;
    const high = page.getUint32(index * 8 + 4, true);
    const next = levelField(low);
    const isPage = next === 0 || next === 7;
    const pageBits = isPage ? pageBitsOf(low, high, level) : 0;
    if ((high & PTE_RESERVED_HIGH) !== 0 || (isPage ? pageBits === 0 : next >= level)) {
      return { refused: 'has reserved bits set or a wrong level' };
    }
    const address = addressField(low, high);
    return {
      nextLevel: isPage ? 0 : next,
      address: isPage ? address - (address % 2 ** pageBits) : address,
      pageBits,
      read: (high & HIGH_READ) !== 0,
      write: (high & HIGH_WRITE) !== 0,
    };
  },
  replicas: ({ pageBits }, level) => 2 ** (pageBits - spanBits(level)),
  areEqual,
};

/** True if the `count` entries from `index` say the same. */
function areEqual(page: DataView, index: number, count: number): boolean {
  for (let at = index + 1; at < index + count; at += 1) {
    // Accessed and dirty bits, and those that are ignored, may differ.
    const low = (page.getUint32(index * 8, true) ^ page.getUint32(at * 8, true)) & 0xffff_fe01;
    const high = (page.getUint32(index * 8 + 4, true) ^ page.getUint32(at * 8 + 4, true)) & 0x67ff_ffff;
    if ((low | high) !== 0) return false;
  }
  return true;
}
