import { present } from '../../scheduler/present.js';
import { type DocumentHead, documentHead } from '../report/json-document.js';
import { hex, lastByteHex, pageHex, requesterText } from './address.js';
import { type Difference, type ListComparison, shownField } from './comparison.js';
import type { Requester, TableSet } from './enumeration.js';
import type { TranslationRange } from './range-merger.js';

/** What the command writes on. `out` gets the result, `err` what went wrong. */
export interface TablesIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** A way to show tables; called in this order: begin, for each requester its ranges, end. */
export interface TablesOutput {
  begin(set: TableSet, description: string, pages: number): void;
  /** Requesters that share these tables; `ranges` follow one by one. */
  requesters(sharing: readonly Requester[]): void;
  range(range: TranslationRange): void;
  endRequesters(translations: number): void;
  end(translations: number, ranges: number, comparison: ListComparison | undefined): void;
}

const UNITS = ['KB', 'MB', 'GB', 'TB'];

/** `4 KB` for 12 bits. */
function sizeText(pageBits: number): string {
  const unit = Math.floor((pageBits - 10) / 10);
  return `${2 ** (pageBits - 10 * (unit + 1))} ${UNITS[unit] ?? '?'}`;
}

function rightsText(read: boolean, write: boolean): string {
  return `${read ? 'r' : '-'}${write ? 'w' : '-'}`;
}

function plural(count: number, one: string): string {
  const many = one.endsWith('y') ? `${one.slice(0, -1)}ies` : `${one}s`;
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** Differences and problems that are shown. */
const MAX_SHOWN = 20;
/** Lines that are written together: tables may hold millions of ranges. */
const LINES_AT_ONCE = 1000;

/** Readable text: one paragraph per set of tables, one line per range. */
export class TextOutput implements TablesOutput {
  readonly #io: TablesIo;
  #set: TableSet | undefined;
  #lines: string[] = [];

  constructor(io: TablesIo) {
    this.#io = io;
  }

  begin(set: TableSet, description: string, pages: number): void {
    this.#set = set;
    const domains = new Set(set.requesters.map((requester) => requester.domainId)).size;
    const what = set.format === 'vtd' ? 'context' : 'device';
    if (description !== '') this.#line(description);
    const counts = [plural(set.requesters.length, what), plural(domains, 'domain'), plural(pages, 'page')];
    this.#line(`${set.title}, ${counts.join(', ')}`);
  }

  requesters(sharing: readonly Requester[]): void {
    const [first] = sharing;
    if (first === undefined) return;
    const names = sharing.map((requester) => requesterText(requester.requesterId));
    const shown = names.length > 8 ? [...names.slice(0, 7), `... (${names.length} in all)`] : names;
    const tables =
      first.levels > 0 ? `${plural(first.levels, 'level')}, table ${hex(first.table)}` : first.treatment;
    this.#line(`\n${shown.join(', ')}  domain ${first.domainId}, ${tables}`);
  }

  range({ iovaPage, physicalPage, pages, pageBits, read, write }: TranslationRange): void {
    const count = pages / 2 ** (pageBits - 12);
    const iova = `${pageHex(iovaPage)}-${lastByteHex(iovaPage + pages)}`;
    const size = count === 1 ? sizeText(pageBits) : `${count} x ${sizeText(pageBits)}`;
    this.#line(
      `  ${iova.padEnd(26)} -> ${pageHex(physicalPage).padEnd(14)} ${rightsText(read, write)}  ${size}`,
    );
  }

  endRequesters(translations: number): void {
    if (translations === 0) this.#line('  nothing mapped');
  }

  end(translations: number, ranges: number, comparison: ListComparison | undefined): void {
    this.#line(`\n${plural(translations, 'translation')} in ${plural(ranges, 'range')}`);
    const problems = present(this.#set).problems.list;
    if (problems.length > 0) this.#line(`\n${plural(problems.length, 'problem')}:`);
    for (const problem of problems.slice(0, MAX_SHOWN)) this.#line(`  ${problem}`);
    if (problems.length > MAX_SHOWN) this.#line(`  and ${problems.length - MAX_SHOWN} more`);
    if (comparison !== undefined) this.#check(comparison);
    this.#flush();
  }

  #check(comparison: ListComparison): void {
    const missingTables = present(this.#set).problems.missing;
    if (missingTables > 0) {
      this.#line(`check: incomplete, since the dump lacks ${plural(missingTables, 'table')}`);
    } else if (comparison.equal) {
      this.#line(`check: all ${plural(comparison.matched, 'translation')} as the file lists them`);
      return;
    }
    const { missing, extra, different } = comparison.counts;
    this.#line(`check: ${missing} missing, ${extra} extra, ${different} different`);
    const shown = comparison.differences.slice(0, MAX_SHOWN);
    for (const difference of shown) this.#line(`  ${sidesText(difference)}`);
    const rest = missing + extra + different - shown.length;
    if (rest > 0) this.#line(`  and ${rest} more (see --json)`);
  }

  #line(text: string): void {
    this.#lines.push(text);
    if (this.#lines.length >= LINES_AT_ONCE) this.#flush();
  }

  #flush(): void {
    this.#io.out(`${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}

function sidesText({ kind, requesterId, listed, found }: Difference): string {
  const sides = [];
  if (listed !== undefined) sides.push(`listed ${sideText(listed)}`);
  if (found !== undefined) sides.push(`found ${sideText(found)}`);
  return `${kind.padEnd(9)} ${requesterText(requesterId)}  ${sides.join(', ')}`;
}

function sideText(side: Readonly<Record<string, unknown>>): string {
  const { iova, physical, page_bits: pageBits, read, write } = side;
  if (iova === undefined) {
    return Object.entries(side)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ');
  }
  const size = sizeText(Number(pageBits));
  return `${String(iova)} -> ${String(physical)} ${rightsText(read === true, write === true)} ${size}`;
}

/** Addresses are hexadecimal text: `0x1000`. */
type Address = string;

/** A range of I/O virtual addresses that one requester may use. */
interface RangeJson {
  readonly iova: Address;
  /** Last byte of the range. */
  readonly iova_last: Address;
  readonly physical: Address;
  /** Log2 of the size of its pages, bytes. */
  readonly page_bits: number;
  /** Pages of that size. */
  readonly pages: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** One requester, with the fields of its entry in the dump's own words. */
interface RequesterJson {
  readonly treatment: Requester['treatment'];
  readonly translation_count: number;
  readonly translations: readonly RangeJson[];
  readonly domain?: number;
  /** Physical address of its top table. */
  readonly table?: Address;
}

/** What `tables --json` prints; scenarios/tables-document.schema.json is made from this type. */
export interface TablesDocumentJson extends DocumentHead<'tables'> {
  /** Format of the tables. */
  readonly kind: TableSet['format'];
  readonly description: string;
  /** 4 KB pages that the dump holds. */
  readonly pages: number;
  /** Of VT-d: requesters by `source_id`. */
  readonly contexts?: readonly (RequesterJson & { readonly source_id: Address })[];
  /** Of AMD-Vi: requesters by `device_id`. */
  readonly devices?: readonly (RequesterJson & { readonly device_id: Address })[];
  readonly translation_count: number;
  readonly range_count: number;
  /** What hardware would refuse, and what the dump lacks. */
  readonly problems: readonly string[];
  /** With `--check`: how the tables compare with the dump's own list. */
  readonly check: {
    readonly equal: boolean;
    /** Pages on which both agree. */
    readonly matched: number;
    readonly missing: number;
    readonly extra: number;
    readonly different: number;
    readonly differences: readonly (Pick<Difference, 'kind' | 'listed' | 'found'> & {
      readonly source_id?: Address;
      readonly device_id?: Address;
    })[];
  } | null;
}

/** For programs: one JSON document in the dump's own words, written as it is found. */
export class JsonOutput implements TablesOutput {
  readonly #io: TablesIo;
  #set: TableSet | undefined;
  #first = true;
  #sharing: readonly Requester[] = [];
  #ranges: object[] = [];

  constructor(io: TablesIo) {
    this.#io = io;
  }

  begin(set: TableSet, description: string, pages: number): void {
    this.#set = set;
    const head = JSON.stringify({ ...documentHead('tables'), kind: set.format, description, pages });
    this.#io.out(`${head.slice(0, -1)},"${set.format === 'vtd' ? 'contexts' : 'devices'}":[`);
  }

  requesters(sharing: readonly Requester[]): void {
    this.#sharing = sharing;
    this.#ranges = [];
  }

  range({ iovaPage, physicalPage, pages, pageBits, read, write }: TranslationRange): void {
    this.#ranges.push({
      iova: pageHex(iovaPage),
      iova_last: lastByteHex(iovaPage + pages),
      physical: pageHex(physicalPage),
      page_bits: pageBits,
      pages: pages / 2 ** (pageBits - 12),
      read,
      write,
    });
  }

  endRequesters(translations: number): void {
    const ranges = JSON.stringify(this.#ranges);
    for (const { requesterId, treatment, fields } of this.#sharing) {
      const shown = Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, shownField(name, value)]),
      );
      const head = JSON.stringify({
        [present(this.#set).requesterField]: hex(requesterId),
        ...shown,
        treatment,
        translation_count: translations,
      });
      this.#io.out(`${this.#first ? '' : ','}\n${head.slice(0, -1)},"translations":${ranges}}`);
      this.#first = false;
    }
  }

  end(translations: number, ranges: number, comparison: ListComparison | undefined): void {
    const tail = JSON.stringify({
      translation_count: translations,
      range_count: ranges,
      problems: present(this.#set).problems.list,
      check: comparison === undefined ? null : this.#check(comparison),
    });
    this.#io.out(`\n],${tail.slice(1)}\n`);
  }

  #check(comparison: ListComparison): object {
    return {
      equal: comparison.equal,
      matched: comparison.matched,
      ...comparison.counts,
      differences: comparison.differences.map(({ kind, requesterId, listed, found }) => ({
        kind,
        [present(this.#set).requesterField]: hex(requesterId),
        ...(listed === undefined ? {} : { listed }),
        ...(found === undefined ? {} : { found }),
      })),
    };
  }
}
