import { spanBits } from '../../host/iommu/radix-table.js';
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
import { hex, requesterText } from './address.js';
import type { VtdDump } from './dump.js';
import { type PageVisitor, Problems, type Requester, type TableSet, tableReadLimit } from './enumeration.js';

const BOTH = SL_READ | SL_WRITE;

/**
 * Reads the root, context and second-level tables of a dump. It lists what the tables hold; what hardware would
 * refuse, and tables that the dump lacks, become problems. A width that the dump's CAP register does not offer is a
 * problem too, but its tables are listed all the same.
 */
export function readVtdTables(dump: VtdDump): TableSet {
  const problems = new Problems();
  const walk = new VtdTables(dump, problems);
  return {
    title: `Intel VT-d: root table ${hex(dump.rootTable)}`,
    format: 'vtd',
    requesterField: 'source_id',
    requesters: readContexts(dump, problems),
    problems,
    visit: (requester, visitor) => walk.visit(requester, visitor),
  };
}

function readContexts(dump: VtdDump, problems: Problems): Requester[] {
  const { pages, rootTable } = dump;
  const found: Requester[] = [];
  const root = pages.pageAt(rootTable);
  if (root === undefined) {
    problems.note(`the dump lacks the root table at ${hex(rootTable)}`);
    return found;
  }
  for (let bus = 0; bus < 256; bus += 1) {
    const low = root.getUint32(bus * 16, true);
    if ((low & 1) === 0) continue;
    const contextTable = addressOf(low, root.getUint32(bus * 16 + 4, true));
    const upper = root.getUint32(bus * 16 + 8, true) | root.getUint32(bus * 16 + 12, true);
    if (((low & 0xffe) | upper) !== 0) problems.note(`root entry of bus ${hex(bus)} has reserved bits set`);
    if (pages.pageAt(contextTable) === undefined) {
      problems.note(`the dump lacks the context table of bus ${hex(bus)} at ${hex(contextTable)}`);
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
  const entry = readContextEntry(dump.pages, contextTable, devfn);
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

class VtdTables {
  readonly #dump: VtdDump;
  readonly #problems: Problems;
  #tablesLeft = 0;

  constructor(dump: VtdDump, problems: Problems) {
    this.#dump = dump;
    this.#problems = problems;
  }

  visit(requester: Requester, visitor: PageVisitor): void {
    this.#tablesLeft = tableReadLimit(this.#dump.pages.count);
    if (requester.levels > 0) this.#table(requester.table, requester.levels, 0, BOTH, visitor);
  }

  #table(table: number, level: number, basePage: number, permissions: number, visitor: PageVisitor): void {
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
    for (let index = 0; index < 512; index += 1) {
      const low = pageNumber.getUint32(index * 8, true);
      if ((low & BOTH) === 0) continue;
      const high = pageNumber.getUint32(index * 8 + 4, true);
      const isPage = level === 1 || (low & SL_PAGE_SIZE) !== 0;
      const address = addressOf(low, high);
      const mustBeZero = isPage
        ? address % 2 ** spanBits(level)
        : (low & SL_SNOOP) | (high & SL_HIGH_TRANSIENT);
      if ((isPage && level > 3) || mustBeZero !== 0) {
        this.#problems.note(
          `entry ${index} of the level ${level} table at ${hex(table)} has reserved bits set`,
        );
        continue;
      }
      const granted = permissions & low;
      if (granted === 0) continue;
      const page = basePage + index * spanPages;
      if (isPage) {
        visitor(page, address / 4096, spanBits(level), (granted & SL_READ) !== 0, (granted & SL_WRITE) !== 0);
      } else {
        this.#table(address, level - 1, page, granted, visitor);
      }
    }
  }
}
