import type { NicDriver } from '../../guests/nic-driver.js';
import type { Host } from '../../host/host.js';
import { HYPERVISOR } from '../../host/hypervisor/hypervisor.js';
import type { PageKind } from '../../host/memory/page-ownership.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import { pageNumber } from '../../nic/addresses.js';
import type { ShownGuest } from './columns.js';
import { isContextPort } from './probes.js';

/** Pages of one use that the picture shows together. */
export interface PageBlock {
  /** Domain whose column they are drawn in: the one that they serve, not always their owner. */
  readonly column: number;
  readonly title: string;
  /** Page numbers, and how many more there are that are not shown. */
  readonly pages: readonly number[];
  readonly more: number;
}

/** What pages of the hypervisor are shown as, in this order. */
const OWN_KINDS = [
  ['descriptor-ring', 'rings'],
  ['hypervisor', 'hypervisor'],
  ['io-table', 'tables'],
  ['shadow', 'shadow'],
] as const;

/** Pages of a block that are drawn. */
const MOST_PAGES = 64;

/** A guest with buffers that can be pointed at. */
export interface MappedGuest extends ShownGuest {
  readonly driver?: NicDriver;
}

/** Which pages of memory the picture shows: rings and buffers of each guest, and the hypervisor's tables. */
export function memoryMap(host: Host, guests: readonly MappedGuest[]): PageBlock[] {
  const blocks: PageBlock[] = [];
  const shown = new Set<number>();
  const add = (column: number, title: string, pages: Iterable<number>) => {
    const fresh = [...new Set(pages)].filter((page) => !shown.has(page));
    for (const page of fresh) shown.add(page);
    if (fresh.length === 0) return;
    blocks.push({
      column,
      title,
      pages: fresh.slice(0, MOST_PAGES),
      more: Math.max(0, fresh.length - MOST_PAGES),
    });
  };
  for (const { domain, port, driver } of guests) {
    const rings = isContextPort(port) ? port.ringMemory : undefined;
    if (rings !== undefined) {
      const first = Math.floor(rings.address / PAGE_BYTES);
      add(domain.id, 'rings', range(first, Math.ceil(rings.bytes / PAGE_BYTES)));
    }
    if (driver === undefined) continue;
    const buffers = (slots: number, at: (index: number) => number) =>
      Array.from({ length: slots }, (_, index) => Math.floor(at(index) / PAGE_BYTES));
    add(
      domain.id,
      'transmit',
      buffers(port.transmit.slots, (index) => driver.transmitBuffer(index)),
    );
    add(
      domain.id,
      'receive',
      buffers(port.receive.slots, (index) => driver.receiveBuffer(index)),
    );
  }
  for (const domain of host.hypervisor.domains) {
    if (domain.kind !== 'driver-domain') continue;
    add(domain.id, 'driver domain', ownedBy(host, domain.id, shown));
  }
  const own = ownPages(host);
  for (const [kind, title] of OWN_KINDS) add(0, title, own.get(kind) ?? []);
  return blocks;
}

function* range(first: number, count: number): Iterable<number> {
  for (let page = first; page < first + count; page += 1) yield page;
}

/** The first pages of a domain that are in use by the card: all of a driver domain would be too many. */
function* ownedBy(host: Host, domain: number, shown: ReadonlySet<number>): Iterable<number> {
  let found = 0;
  for (let page = 0; page < host.pages.pageCount && found < MOST_PAGES; page += 1) {
    if (host.pages.owner(pageNumber(page)) !== domain || shown.has(page)) continue;
    found += 1;
    yield page;
  }
}

/** The hypervisor's own pages that are shown, by what they are for. */
function ownPages({ pages }: Host): ReadonlyMap<PageKind, readonly number[]> {
  const found = new Map<PageKind, number[]>(OWN_KINDS.map(([kind]) => [kind, []]));
  for (let page = 0; page < pages.pageCount; page += 1) {
    const number = pageNumber(page);
    if (pages.owner(number) === HYPERVISOR) found.get(pages.kind(number))?.push(page);
  }
  return found;
}

/** Bit of a page's state: it waits to be released. */
export const RELEASING = 0x80;

/** Owner of each page of the blocks, in their order, and its references (at most 127; RELEASING beside them). */
export function pageStates(
  host: Host,
  blocks: readonly PageBlock[],
): { owners: Int16Array; pins: Uint8Array } {
  const count = blocks.reduce((sum, { pages }) => sum + pages.length, 0);
  const owners = new Int16Array(count);
  const pins = new Uint8Array(count);
  let at = 0;
  for (const { pages } of blocks) {
    for (const page of pages) {
      owners[at] = host.pages.owner(pageNumber(page));
      pins[at] =
        Math.min(127, host.pages.count(pageNumber(page))) |
        (host.pages.isReleasing(pageNumber(page)) ? RELEASING : 0);
      at += 1;
    }
  }
  return { owners, pins };
}
