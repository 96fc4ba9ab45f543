import type { Host } from '../../../host/host.js';
import { HYPERVISOR } from '../../../host/hypervisor/hypervisor.js';
import type { PageKind } from '../../../host/memory/page-ownership.js';
import { PAGE_BYTES, pageNumber } from '../../../nic/addresses.js';
import type { ShownGuest } from '../../lab/columns.js';
import type { PageBlock } from '../../lab/memory-map.js';
import { isContextPort } from '../../lab/probes.js';

/** Pages of a block that are drawn. */
const MOST_PAGES = 64;

/** What the hypervisor's own pages are called, by their use. */
const TITLES: Partial<Record<PageKind, string>> = {
  'descriptor-ring': 'rings',
  hypervisor: 'hypervisor',
  'io-table': 'tables',
  shadow: 'shadow',
};

/**
 * Which pages the picture shows of a machine with real guests: rings, the hypervisor's own, and of the guests' RAM, which
 * has far too many, those that are pinned now. Looks at every page once.
 */
export function liveMemoryMap(host: Host, guests: readonly ShownGuest[]): PageBlock[] {
  const { pages, hypervisor } = host;
  const blocks = new Map<string, { column: number; title: string; pages: number[]; more: number }>();
  const add = (column: number, title: string, page: number) => {
    const key = `${column} ${title}`;
    const block = blocks.get(key) ?? { column, title, pages: [], more: 0 };
    blocks.set(key, block);
    if (block.pages.length < MOST_PAGES) block.pages.push(page);
    else block.more += 1;
  };
  const ringPages = new Set<number>();
  for (const { domain, port } of guests) {
    const rings = isContextPort(port) ? port.ringMemory : undefined;
    if (rings === undefined) continue;
    const { address, bytes } = rings;
    const first = Math.floor(address / PAGE_BYTES);
    for (let page = first; page < first + Math.ceil(bytes / PAGE_BYTES); page += 1) {
      ringPages.add(page);
      add(domain.id, 'rings', page);
    }
  }
  for (let at = 0; at < pages.pageCount; at += 1) {
    const page = pageNumber(at);
    const owner = pages.owner(page);
    const kind = hypervisor.domains[owner]?.kind;
    if (kind === undefined || ringPages.has(at)) continue;
    if (owner === HYPERVISOR) {
      const title = TITLES[pages.kind(page)];
      if (title !== undefined) add(HYPERVISOR, title, at);
    } else if (kind === 'driver-domain') add(owner, 'driver domain', at);
    else if (pages.count(page) > 0) add(owner, 'pinned', at);
  }
  return [...blocks.values()];
}
