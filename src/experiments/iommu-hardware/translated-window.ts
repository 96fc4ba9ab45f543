import { READ, WRITE } from '../../../host/iommu/entry-format.js';
import { NO_ADDRESS, type TableWalker } from '../../../host/iommu/table-walker.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../host/iommu/vtd/capabilities.js';
import { ContextTables } from '../../../host/iommu/vtd/context-tables.js';
import { TRANSLATION_TYPE } from '../../../host/iommu/vtd/entries.js';
import { createSecondLevelTable } from '../../../host/iommu/vtd/second-level-table.js';
import { VtdWalker } from '../../../host/iommu/vtd/walker.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { addressAfter, hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { PageKind } from './latency-rows.js';

/** The card's requester ID, bus 5. */
export const REQUESTER_ID = requesterId(0x0500);
/** Where windows start, as the device sees them. */
export const WINDOW_IOVA = ioVirtualAddress(2 ** 32);

const PAGE_BYTES = 4096;
const LEVELS = 4;

/** log2 of the bytes of a page. */
const PAGE_BITS = { '4k': 12, super: 21 } as const satisfies Record<PageKind, number>;

/**
 * A window of host memory mapped for a device through VT-d tables, with pages of one kind. The tables are real and are
 * walked word by word.
 */
export function mapWindow(windowBytes: number, kind: PageKind): TableWalker {
  const pageBits = PAGE_BITS[kind];
  const pageBytes = 2 ** pageBits;
  const pages = Math.ceil(windowBytes / pageBytes);
  const tablePages = 8 + Math.ceil(windowBytes / 2 ** 21);
  // The window itself begins where a page of its kind can.
  const windowStart = Math.ceil((tablePages * PAGE_BYTES) / pageBytes) * pageBytes;
  const memory = new PhysicalMemory((windowStart + pages * pageBytes) / PAGE_BYTES);
  let nextPage = 0;
  const allocator = {
    allocate: () => (nextPage < tablePages ? hostPhysicalAddress(nextPage++ * PAGE_BYTES) : NO_ADDRESS),
    release: () => undefined,
  };
  const contexts = new ContextTables(memory, allocator);
  const table = createSecondLevelTable(memory, allocator, LEVELS);
  for (let page = 0; page < pages; page += 1) {
    const physical = hostPhysicalAddress(windowStart + page * pageBytes);
    const outcome = table.map(addressAfter(WINDOW_IOVA, page * pageBytes), physical, pageBits, READ | WRITE);
    if (outcome !== 'mapped') throw new InvariantViolation(`page ${page} of the window: ${outcome}`);
  }
  contexts.set(REQUESTER_ID, {
    present: true,
    faultProcessingDisable: false,
    translationType: TRANSLATION_TYPE.TRANSLATE,
    secondLevelTable: table.root,
    addressWidth: LEVELS - 2,
    domainId: 1,
  });
  const walker = new VtdWalker(memory, DEFAULT_VTD_CAPABILITIES);
  walker.rootTable = contexts.rootTable;
  return walker;
}
