import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { hostPhysicalAddress, ioPageOf, ioVirtualAddress } from '../../../../nic/addresses.js';
import type { MapWalker } from './map-walker.js';
import { NaiveCache } from './naive-cache.js';

/** What the reference needs to know of the hardware; caches are lru, walkers own pages. */
export interface NaiveParameters {
  readonly entries: number;
  readonly ways: number;
  readonly walkCacheEntries: number;
  readonly contextEntries: number;
  readonly walkers: number;
  readonly intervalNs: number;
  readonly lookupNs: number;
  readonly overheadNs: number;
  readonly readNs: number;
}

interface Walk {
  readonly endNs: number;
  readonly requester: number;
  readonly domain: number;
  readonly iova: number;
  readonly first: number;
  readonly pageBits: number;
  readonly physical: number;
  readonly permissions: string;
  readonly pointers: number[];
  /** The tables that the entry named, or that a cached pointer led to. */
  readonly entryRoot: number;
  readonly root: number;
  fillsContext: boolean;
  fillsPointers: boolean;
  fillsPage: boolean;
}

export interface Answer {
  readonly physical: number;
  readonly delayNs: number;
  readonly how: 'hit' | 'shared' | 'walk';
}

/** The reference: caches as lists, walks as objects, everything searched from the front. */
export class NaiveUnit {
  readonly #of: NaiveParameters;
  readonly #walker: MapWalker;
  readonly #pages: NaiveCache;
  readonly #pointers: NaiveCache[];
  readonly #contexts: NaiveCache;
  readonly #held = new Map<string, { physical: number; permissions: string }>();
  /** What the context cache and the pointer caches hold, by tag; what is not in a cache does not count. */
  readonly #entries = new Map<number, { domain: number; root: number }>();
  readonly #rootOfPointer = new Map<string, number>();
  readonly #freeAtNs: number[];
  readonly #starts: number[] = [];
  #walks: Walk[] = [];
  /** What the unit counts beside hits, shared walks and walks. */
  readonly counted = { requests: 0, contextHits: 0, contextReads: 0, tableReads: 0, waitedNs: 0, faults: 0 };

  constructor(walker: MapWalker, of: NaiveParameters) {
    this.#of = of;
    this.#walker = walker;
    this.#pages = new NaiveCache(of.entries, of.ways, 'lru');
    this.#pointers = [0, 1, 2, 3, 4].map(
      () => new NaiveCache(of.walkCacheEntries, of.walkCacheEntries, 'lru'),
    );
    this.#contexts = new NaiveCache(of.contextEntries, of.contextEntries, 'lru');
    this.#freeAtNs = new Array<number>(of.walkers).fill(0);
  }

  translate(requester: number, iova: number, write: boolean, nowNs: number): Answer {
    this.#settle(nowNs);
    const answer = this.#answer(requester, iova, write, nowNs);
    this.counted.requests += 1;
    this.counted.waitedNs += answer.delayNs;
    if (answer.physical < 0) this.counted.faults += 1;
    return answer;
  }

  #answer(requester: number, iova: number, write: boolean, nowNs: number): Answer {
    const { lookupNs, overheadNs, readNs, walkers, intervalNs } = this.#of;
    const needed = write ? 'w' : 'r';
    const entry = this.#contexts.has(0, 0, requester) ? this.#entries.get(requester) : undefined;
    const known = entry?.domain ?? -1;
    if (entry !== undefined) this.counted.contextHits += 1;
    if (known >= 0) {
      const held = this.#lookUp(known, iova);
      if (held?.permissions.includes(needed)) return { physical: held.at, delayNs: lookupNs, how: 'hit' };
    }
    const shared = this.#walks.find(
      (walk) =>
        walk.fillsPage &&
        walk.permissions.includes(needed) &&
        (known >= 0 ? walk.domain === known : walk.requester === requester && walk.fillsContext) &&
        iova >= walk.first &&
        iova < walk.first + 2 ** walk.pageBits,
    );
    if (shared !== undefined) {
      const delayNs = Math.max(lookupNs, shared.endNs - nowNs);
      return { physical: shared.physical + (iova - shared.first), delayNs, how: 'shared' };
    }
    const domain = entry?.domain ?? this.#walker.contexts.get(requester) ?? -1;
    const entryRoot = entry?.root ?? this.#walker.rootOf(domain);
    let reads = known >= 0 ? 0 : 2;
    const held = known < 0 ? this.#lookUp(domain, iova) : undefined;
    const usable = held?.permissions.includes(needed) === true;
    const found = new WalkResult();
    let root = entryRoot;
    if (!usable) {
      const cached = [2, 3, 4].find((level) =>
        this.#pointer(level).has(domain, 3 + 9 * level, pageOf(iova, level)),
      );
      if (cached !== undefined) root = this.#rootOfPointer.get(pointerTag(domain, iova, cached)) ?? entryRoot;
      found.startAt(hostPhysicalAddress(root * 2 ** 20), cached === undefined ? 4 : cached - 1, 3);
      this.#walker.walkTables(ioPageOf(ioVirtualAddress(iova)), write, found);
      reads += found.levels;
    }
    this.counted.contextReads += known >= 0 ? 0 : 2;
    this.counted.tableReads += found.levels;
    const pointers = [...found.tableLevel.slice(0, found.levels)].slice(0, -1);
    const walker = Math.floor(iova / 4096) % walkers;
    const earliestNs = Math.max(nowNs + lookupNs, this.#freeAtNs[walker] ?? 0);
    const startNs = Math.min(
      ...[earliestNs, ...this.#starts.map((start) => start + intervalNs)].filter(
        (at) => at >= earliestNs && this.#starts.every((start) => Math.abs(at - start) >= intervalNs),
      ),
    );
    this.#starts.push(startNs);
    const endNs = startNs + overheadNs + reads * readNs;
    this.#freeAtNs[walker] = endNs;
    const span = 2 ** (found.ok ? found.pageBits : 12);
    const first = iova - (iova % span);
    this.#walks.push({
      endNs,
      requester,
      domain,
      entryRoot,
      root,
      iova,
      first,
      pageBits: Math.log2(span),
      physical: found.physical,
      permissions: (found.read ? 'r' : '') + (found.write ? 'w' : ''),
      pointers,
      fillsContext: true,
      fillsPointers: pointers.length > 0,
      fillsPage: found.ok && !usable,
    });
    // Walks that end together do so in the order in which they began: sort is stable.
    this.#walks.sort((a, b) => a.endNs - b.endNs);
    const walked = found.ok ? found.physical + (iova - first) : -1;
    return { physical: usable && held !== undefined ? held.at : walked, delayNs: endNs - nowNs, how: 'walk' };
  }

  /** Drops what a range of a domain has (domain -1: everything). */
  invalidate(domain: number, from: number, to: number, leafOnly: boolean): void {
    const named = (of: number, bits: number, page: number) =>
      domain < 0 || (of === domain && page * 2 ** bits < to && (page + 1) * 2 ** bits > from);
    this.#pages.drop(named);
    if (!leafOnly) for (const pointers of this.#pointers) pointers.drop(named);
    for (const walk of this.#walks) {
      if (!named(walk.domain, walk.pageBits, walk.first / 2 ** walk.pageBits)) continue;
      walk.fillsPage = false;
      if (!leafOnly) walk.fillsPointers = false;
    }
  }

  invalidateContexts(covers: (domain: number, requester: number) => boolean): void {
    this.#contexts.drop((_domain, _bits, of) => covers(this.#entries.get(of)?.domain ?? -1, of));
    for (const walk of this.#walks) if (covers(walk.domain, walk.requester)) walk.fillsContext = false;
  }

  #settle(nowNs: number): void {
    for (const walk of this.#walks.filter(({ endNs }) => endNs <= nowNs)) {
      if (walk.fillsContext) {
        this.#contexts.add(0, 0, walk.requester);
        this.#entries.set(walk.requester, { domain: walk.domain, root: walk.entryRoot });
      }
      if (walk.fillsPointers) {
        for (const level of walk.pointers) {
          this.#pointer(level).add(walk.domain, 3 + 9 * level, pageOf(walk.iova, level));
          this.#rootOfPointer.set(pointerTag(walk.domain, walk.iova, level), walk.root);
        }
      }
      if (walk.fillsPage) {
        const page = walk.first / 2 ** walk.pageBits;
        this.#pages.add(walk.domain, walk.pageBits, page);
        const { physical, permissions } = walk;
        this.#held.set(`${walk.domain}/${walk.pageBits}/${page}`, { physical, permissions });
      }
    }
    this.#walks = this.#walks.filter(({ endNs }) => endNs > nowNs);
  }

  #lookUp(domain: number, iova: number): { at: number; permissions: string } | undefined {
    for (const bits of [12, 21]) {
      const page = Math.floor(iova / 2 ** bits);
      const held = this.#held.get(`${domain}/${bits}/${page}`);
      if (held !== undefined && this.#pages.has(domain, bits, page)) {
        return { at: held.physical + (iova % 2 ** bits), permissions: held.permissions };
      }
    }
    return undefined;
  }

  #pointer(level: number): NaiveCache {
    const cache = this.#pointers[level];
    if (cache === undefined) throw new Error(`no level ${level}`);
    return cache;
  }
}

function pageOf(iova: number, level: number): number {
  return Math.floor(iova / 2 ** (3 + 9 * level));
}

function pointerTag(domain: number, iova: number, level: number): string {
  return `${domain}/${level}/${pageOf(iova, level)}`;
}
