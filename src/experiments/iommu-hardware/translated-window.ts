import { READ, WRITE } from '../../../host/iommu/radix-table.js';
import type { TableWalker } from '../../../host/iommu/table-walker.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../host/iommu/vtd/capabilities.js';
import { ContextTables } from '../../../host/iommu/vtd/context-tables.js';
import { TRANSLATION_TYPE } from '../../../host/iommu/vtd/entries.js';
import { createSecondLevelTable } from '../../../host/iommu/vtd/second-level-table.js';
import { VtdWalker } from '../../../host/iommu/vtd/walker.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { InvariantViolation } from '../../../scheduler/errors.js';

/** The card's requester ID, bus 5. */
export const REQUESTER_ID = 0x0500;
/** Where windows start, as the device sees them. */
export const WINDOW_IOVA = 2 ** 32;

const PAGE_BYTES = 4096;
const LEVELS = 4;

/**
 * A window of host memory mapped for a device through VT-d tables, 4 KB pages only, as the measurements had it
 * (super pages off). The tables are real and are walked word by word.
 */
export function mapWindow(windowBytes: number): TableWalker {
  const pages = Math.ceil(windowBytes / PAGE_BYTES);
  const tableFrames = 8 + Math.ceil(pages / 512);
  const memory = new PhysicalMemory(tableFrames + pages);
  let nextFrame = 0;
  const frames = {
    allocate: () => (nextFrame < tableFrames ? nextFrame++ * PAGE_BYTES : -1),
    release: () => undefined,
  };
  const contexts = new ContextTables(memory, frames);
  const table = createSecondLevelTable(memory, frames, LEVELS);
  for (let page = 0; page < pages; page += 1) {
    const physical = (tableFrames + page) * PAGE_BYTES;
    const outcome = table.map(WINDOW_IOVA + page * PAGE_BYTES, physical, 12, READ | WRITE);
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
