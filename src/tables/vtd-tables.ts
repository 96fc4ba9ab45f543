import { spanBits } from '../../host/iommu/entry-format.js';
import {
  addressOf,
  readContextEntry,
  SL_HIGH_TRANSIENT,
  SL_PAGE_SIZE,
  SL_READ,
  SL_SNOOP,
  SL_WRITE,
  TRANSLATION_TYPE,
} from '../../host/iommu/vtd/entries.js';
import { hostPhysicalAddress } from '../../nic/addresses.js';
import { hex, requesterText } from './address.js';
import type { VtdDump } from './dump.js';
import { Problems, type Requester, type TableSet } from './enumeration.js';
import { type EntryReader, TableWalk } from './table-walk.js';

/**
 * Reads the root, context and second-level tables of a dump. It lists what the tables hold; what hardware would
 * refuse, and tables that the dump lacks, become problems. A width that the dump's CAP register does not offer is a
 * problem too, but its tables are listed all the same.
 */
export function readVtdTables(dump: VtdDump): TableSet {
  const problems = new Problems();
  const walk = new TableWalk(dump.pages, problems, SECOND_LEVEL);
  return {
    title: `Intel VT-d: root table ${hex(dump.rootTable)}`,
    format: 'vtd',
    requesterField: 'source_id',
    requesters: readContexts(dump, problems),
    problems,
    visit: (requester, visitor) => walk.visit(requester, true, true, visitor),
  };
}

function readContexts(dump: VtdDump, problems: Problems): Requester[] {
  const { pages, rootTable } = dump;
  const found: Requester[] = [];
  const root = pages.pageAt(rootTable);
  if (root === undefined) {
    problems.noteMissing(`the dump lacks the root table at ${hex(rootTable)}`);
    return found;
  }
  for (let bus = 0; bus < 256; bus += 1) {
    const low = root.getUint32(bus * 16, true);
    if ((low & 1) === 0) continue;
    const contextTable = addressOf(low, root.getUint32(bus * 16 + 4, true));
    const upper = root.getUint32(bus * 16 + 8, true) | root.getUint32(bus * 16 + 12, true);
    if (((low & 0xffe) | upper) !== 0) problems.note(`root entry of bus ${hex(bus)} has reserved bits set`);
    if (pages.pageAt(contextTable) === undefined) {
      problems.noteMissing(`the dump lacks the context table of bus ${hex(bus)} at ${hex(contextTable)}`);
      continue;
    }
    for (let devfn = 0; devfn < 256; devfn += 1) {
      const requester = readContext(dump, contextTable, (bus << 8) | devfn, problems);
      if (requester !== undefined) found.push(requester);
    }
  }
  return found;
}

function readContext(
  dump: VtdDump,
  contextTable: number,
  requesterId: number,
  problems: Problems,
): Requester | undefined {
  const devfn = requesterId & 0xff;
  const entry = readContextEntry(dump.pages, hostPhysicalAddress(contextTable), devfn);
  if (!entry.present) return undefined;
  const name = `context entry of ${requesterText(requesterId)}`;
  const at = contextTable + devfn * 16;
  const reserved = (dump.pages.readU32(at) & 0xff0) | (dump.pages.readU32(at + 8) & 0xff00_0080);
  if ((reserved | dump.pages.readU32(at + 12)) !== 0) problems.note(`${name} has reserved bits set`);

  let treatment: Requester['treatment'] = 'translated';
  if (entry.translationType === TRANSLATION_TYPE.PASS_THROUGH) treatment = 'pass-through';
  if (entry.translationType === 3) {
    problems.note(`${name} has translation type 3, which is reserved`);
    treatment = 'blocked';
  } else if (entry.addressWidth < 1 || entry.addressWidth > 3) {
    problems.note(`${name} has address width ${entry.addressWidth}, expected 1, 2 or 3`);
    if (treatment === 'translated') treatment = 'blocked';
  } else if (dump.cap !== undefined && ((dump.cap >> BigInt(8 + entry.addressWidth)) & 1n) === 0n) {
    problems.note(
      `${name} asks for ${30 + 9 * entry.addressWidth} bits, which the CAP register does not offer`,
    );
  }
  const translated = treatment === 'translated';
  return {
    requesterId,
    domainId: entry.domainId,
    table: translated ? entry.secondLevelTable : 0,
    levels: translated ? entry.addressWidth + 2 : 0,
    treatment,
    fields: {
      bus: requesterId >>> 8,
      devfn,
      translation_type: entry.translationType,
      address_width: entry.addressWidth,
      domain: entry.domainId,
      table: entry.secondLevelTable,
    },
  };
}

/** Second-level entries: a page is one entry, and permissions are the AND along the walk. */
const SECOND_LEVEL: EntryReader = {
  entries: () => 512,
  read: (page, index, level) => {
    const low = page.getUint32(index * 8, true);
    if ((low & (SL_READ | SL_WRITE)) === 0) return undefined;
    const high = page.getUint32(index * 8 + 4, true);
    const isPage = level === 1 || (low & SL_PAGE_SIZE) !== 0;
    const address = addressOf(low, high);
    const mustBeZero = isPage
      ? address % 2 ** spanBits(level)
      : (low & SL_SNOOP) | (high & SL_HIGH_TRANSIENT);
    if ((isPage && level > 3) || mustBeZero !== 0) return { refused: 'has reserved bits set' };
    return {
      nextLevel: isPage ? 0 : level - 1,
      address,
      pageBits: isPage ? spanBits(level) : 0,
      read: (low & SL_READ) !== 0,
      write: (low & SL_WRITE) !== 0,
    };
  },
  replicas: () => 1,
  areEqual: () => true,
};
