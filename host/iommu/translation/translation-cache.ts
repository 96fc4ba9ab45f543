import {
  addressAfter,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  ioPageNumber,
  type PageNumber,
  pageAfter,
  pageNumber,
  pageOf,
  type RequesterId,
  WIDE_ADDRESS,
} from '../../../nic/addresses.js';
import type { Clock } from '../../../scheduler/clock.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import type { ContextGranularity, InvalidationSink, IotlbGranularity } from '../invalidation-sink.js';
import { pageWithin } from '../page-arithmetic.js';
import { ENTRY_WORDS, isInterruptPage, type TableWalker, WalkResult } from '../table-walker.js';
import { ContextCache } from './context-cache.js';
import { Iotlb } from './iotlb.js';
import { type EndedWalk, emptyWalk, OutstandingWalks } from './outstanding-walks.js';
import { type TimingParameters, timingParameters } from './parameters.js';
import { type CacheSlot, NO_SLOT } from './tag-store.js';
import { WalkCaches } from './walk-caches.js';
import { WalkerPool } from './walker-pool.js';

/** Returned by `translate` for a request that is stopped. The reason is in `lastWalk`. */
export const STOPPED = pageNumber(-1);

/** Counts since the start. Every request is one of: hit, shared, walk, bypassed. */
export interface TranslationCounters {
  requests: number;
  /** Answered by the IOTLB. */
  hits: number;
  /** Waited for a walk that was under way for the same page. */
  shared: number;
  /** Walks begun. Reading only a context, to find that the IOTLB has the page, is one too. */
  walks: number;
  /** Settled by a cached context alone, or in the interrupt window: no translation is looked for. */
  bypassed: number;
  /** Requests that were stopped. */
  faults: number;
  contextHits: number;
  /** Reads of root, context or device-table entries. */
  contextReads: number;
  /** Reads of page-table entries. */
  tableReads: number;
  /** Time that requests waited for their translation, all together, ns. */
  waitedNs: number;
}

/** One walk of the tables, as it is booked. */
export interface WalkEvent {
  /** The walker that does it; one after the other per walker. */
  readonly walker: number;
  readonly requesterId: RequesterId;
  readonly iova: IoVirtualAddress;
  readonly write: boolean;
  /** When the request came, when its walker begins, and when the translation or its fault is known, ns. */
  readonly askedNs: number;
  readonly startNs: number;
  readonly endNs: number;
  /** Reads of the requester's entry, and of page-table entries. */
  readonly contextReads: number;
  readonly tableReads: number;
  readonly ok: boolean;
}

/** Is told of every walk when it is booked: its times lie ahead. */
export type WalkWatcher = (walk: WalkEvent) => void;

/**
 * The caches and walkers of an IOMMU: says where a request goes and how long it takes to know. The vendor's walker
 * says what the tables hold; here is what that costs, and what the caches still hold after the tables changed. What
 * is cached is believed until software invalidates it: entries of requesters, pointers to tables, pages, and in
 * caching mode that there is no page.
 *
 * Times of requests do not decrease. A request is answered at once with the delay that it will meet: walks are
 * booked ahead, and enter the caches when their time has come. Nothing is allocated per request.
 */
export class TranslationCache implements InvalidationSink {
  readonly parameters: TimingParameters;
  readonly counters: TranslationCounters = {
    requests: 0,
    hits: 0,
    shared: 0,
    walks: 0,
    bypassed: 0,
    faults: 0,
    contextHits: 0,
    contextReads: 0,
    tableReads: 0,
    waitedNs: 0,
  };
  /** Devices that have stopped answering invalidations of their own translations. */
  readonly silentDevices = new Set<RequesterId>();
  /** The last walk, whether it succeeded or not. Of a request that `translate` has just stopped, the reason is in it. */
  readonly lastWalk = new WalkResult();
  readonly #clock: Clock;
  readonly #walker: TableWalker;
  readonly #iotlb: Iotlb;
  readonly #walkCaches: WalkCaches;
  readonly #contexts: ContextCache;
  readonly #pool: WalkerPool;
  readonly #outstanding: OutstandingWalks;
  /** The walk that is being booked. */
  readonly #booked: EndedWalk = emptyWalk();
  readonly #cachesAbsence: boolean;
  readonly #watchers: WalkWatcher[] = [];
  #delayNs = 0;
  #nowNs = 0;

  /**
   * @param seed of the choice of victims in the caches, a whole number
   * @param cachesAbsence whether entries that are not present are cached as well (VT-d's caching mode, CAP.CM)
   */
  constructor(
    clock: Clock,
    walker: TableWalker,
    seed: number,
    changes: Partial<TimingParameters> = {},
    cachesAbsence = false,
  ) {
    const all = timingParameters(changes);
    this.#cachesAbsence = cachesAbsence;
    this.parameters = all;
    this.#clock = clock;
    this.#outstanding = new OutstandingWalks(clock);
    this.#walker = walker;
    this.#iotlb = new Iotlb(all.iotlbEntries, all.iotlbWays, all.replacement, seed);
    this.#contexts = new ContextCache(all.contextEntries, all.contextWays, all.replacement, seed + 1);
    this.#walkCaches = new WalkCaches(all.walkCacheEntries, all.walkCacheWays, all.replacement, seed + 2);
    this.#pool = new WalkerPool(clock, all.walkers, all.walkerAssignment, all.walkIntervalNs);
  }

  /** Time until the last request's translation, or its fault, is known, ns. */
  get delayNs(): number {
    return this.#delayNs;
  }

  /** Translations that the IOTLB holds. */
  get cachedPages(): number {
    return this.#iotlb.size;
  }

  /** Requesters that the context cache holds. */
  get cachedContexts(): number {
    return this.#contexts.size;
  }

  /** Walks that found the pointer of `level` in its walk cache. */
  walkCacheHits(level: number): number {
    return this.#walkCaches.hits[level] ?? absent();
  }

  /** Table reads made at `level`; those of level 1 are the last of a walk to a 4 KB page. */
  levelReads(level: number): number {
    return this.#walkCaches.reads[level] ?? absent();
  }

  /** From now on `watcher` is told of every walk, until the returned function is called. It costs nothing while there is none. */
  watchWalks(watcher: WalkWatcher): () => void {
    this.#watchers.push(watcher);
    return () => {
      const at = this.#watchers.indexOf(watcher);
      if (at >= 0) this.#watchers.splice(at, 1);
    };
  }

  /** Walks under way. */
  get walksUnderWay(): number {
    this.#settle();
    return this.#outstanding.count;
  }

  /** The page of memory behind a page of 4 KB, or STOPPED with the reason in `lastWalk`. Watchers are told of the offset. */
  translate(requesterId: RequesterId, page: IoPageNumber, offset: number, write: boolean): PageNumber {
    this.#settle();
    const { counters } = this;
    counters.requests += 1;
    this.#delayNs = this.parameters.lookupNs;
    if (isInterruptPage(page)) return this.#stopAtWindow(requesterId, page, write);
    const context = this.#contexts.find(requesterId);
    let domain = -1;
    if (context >= 0) {
      counters.contextHits += 1;
      if (this.#contexts.decides(context)) return this.#bypass(context, page, write);
      if (!this.#contexts.grants(context, write))
        return this.#startWalk(requesterId, context, page, offset, write);
      domain = this.#contexts.domain(context);
      const slot = this.#iotlb.find(domain, page);
      if (slot >= 0) {
        // A page that is held without the permission is walked again: the tables may grant it by now.
        if (this.#iotlb.permits(slot, write)) {
          this.#countHit();
          return this.#iotlb.physicalPage(slot, page);
        }
        if (this.#iotlb.isAbsent(slot)) return this.#stopAtCachedAbsence(context, page, write);
      }
    }
    const row = this.#outstanding.find(requesterId, domain, page, write);
    if (row < 0) return this.#startWalk(requesterId, context, page, offset, write);
    counters.shared += 1;
    this.#delayNs = Math.max(this.#delayNs, this.#outstanding.endsInNs(row));
    counters.waitedNs += this.#delayNs;
    return this.#outstanding.physicalPage(row, page);
  }

  invalidateContexts(
    granularity: ContextGranularity,
    domainId: number,
    requesterId: RequesterId,
    functionMask: number,
  ): number {
    this.#contexts.invalidate(granularity, domainId, requesterId, functionMask);
    this.#outstanding.discardContexts(granularity, domainId, requesterId, functionMask);
    const { globalInvalidationNs, domainInvalidationNs } = this.parameters;
    return granularity === 'global' ? globalInvalidationNs : domainInvalidationNs;
  }

  invalidateIotlb(
    granularity: IotlbGranularity,
    domainId: number,
    first: IoPageNumber,
    pages: number,
    leafOnly: boolean,
  ): number {
    const { globalInvalidationNs, domainInvalidationNs, pageInvalidationNs } = this.parameters;
    if (granularity === 'page') {
      const end = first + pages;
      this.#iotlb.removeRange(domainId, first, end);
      if (!leafOnly) this.#walkCaches.removeRange(domainId, first, end);
      this.#outstanding.discard(domainId, first, end, leafOnly);
      return pageInvalidationNs;
    }
    if (granularity === 'domain') {
      this.#iotlb.removeDomain(domainId);
      if (!leafOnly) this.#walkCaches.removeDomain(domainId);
      this.#outstanding.discard(domainId, ioPageNumber(0), Number.POSITIVE_INFINITY, leafOnly);
      return domainInvalidationNs;
    }
    this.#iotlb.clear();
    if (!leafOnly) this.#walkCaches.clear();
    this.#outstanding.discard(-1, ioPageNumber(0), Number.POSITIVE_INFINITY, leafOnly);
    return globalInvalidationNs;
  }

  /** No device here keeps translations of its own; only the way there and back takes time. */
  invalidateDeviceTlb(requesterId: RequesterId): number {
    return this.silentDevices.has(requesterId) ? -1 : this.parameters.deviceTlbInvalidationNs;
  }

  checkInvariants(): void {
    this.#iotlb.checkInvariants();
    this.#walkCaches.checkInvariants();
    this.#contexts.checkInvariants();
    this.#outstanding.checkInvariants();
    this.#pool.checkInvariants();
    const { requests, hits, shared, walks, bypassed } = this.counters;
    if (hits + shared + walks + bypassed !== requests) {
      throw new InvariantViolation(
        `${requests} requests, but ${hits + shared + walks + bypassed} accounted for`,
      );
    }
    if (this.#outstanding.nextEndNs < this.#nowNs)
      throw new InvariantViolation('a walk that ended is still under way');
  }

  #countHit(): void {
    this.counters.hits += 1;
    this.counters.waitedNs += this.#delayNs;
  }

  /** The interrupt window: the walker has the answer without looking at memory. */
  #stopAtWindow(requesterId: RequesterId, page: IoPageNumber, write: boolean): PageNumber {
    const { counters, lastWalk } = this;
    counters.bypassed += 1;
    counters.waitedNs += this.#delayNs;
    this.#walker.walk(requesterId, ioPageAddress(page), write, lastWalk);
    return this.#outcome(page);
  }

  /** The cached entry of the requester settles the request, at no cost. */
  #bypass(context: CacheSlot, page: IoPageNumber, write: boolean): PageNumber {
    const { counters, lastWalk } = this;
    counters.bypassed += 1;
    counters.waitedNs += this.#delayNs;
    lastWalk.reset();
    this.#contexts.load(context, lastWalk.entry);
    this.#walker.applyEntry(page, write, lastWalk);
    return this.#outcome(page);
  }

  /** The IOTLB says that there is no page. What may be logged is the entry's to say. */
  #stopAtCachedAbsence(context: CacheSlot, page: IoPageNumber, write: boolean): PageNumber {
    const { lastWalk } = this;
    this.#countHit();
    lastWalk.reset();
    this.#contexts.load(context, lastWalk.entry);
    if (this.#walker.applyEntry(page, write, lastWalk)) this.#walker.stopAtAbsentPage(write, lastWalk);
    return this.#outcome(page);
  }

  /** Where the walk in `lastWalk` leads, or STOPPED. */
  #outcome(page: IoPageNumber): PageNumber {
    const { lastWalk } = this;
    if (lastWalk.ok) return pageAfter(pageOf(lastWalk.physical), pageWithin(page, lastWalk.pageBits));
    this.counters.faults += 1;
    return STOPPED;
  }

  /** @param context slot of the requester's entry, or -1 if it has to be read */
  #startWalk(
    requesterId: RequesterId,
    context: CacheSlot,
    page: IoPageNumber,
    offset: number,
    write: boolean,
  ): PageNumber {
    const { counters, parameters, lastWalk } = this;
    const walker = this.#walker;
    lastWalk.reset();
    let entryRead = true;
    if (context >= 0) this.#contexts.load(context, lastWalk.entry);
    else entryRead = walker.readEntry(requesterId, write, lastWalk);
    const contextReads = lastWalk.contextReads;
    const translated = entryRead && walker.applyEntry(page, write, lastWalk);
    const entryRights = translated ? lastWalk.rights : 0;
    if (lastWalk.ok && contextReads === 0) {
      // Nothing was read: the unit does not translate, or an exclusion range lets the request pass.
      counters.bypassed += 1;
      counters.waitedNs += this.#delayNs;
      return this.#outcome(page);
    }
    const domain = lastWalk.domainId;
    // Only the entry was missing: its domain may have the page.
    const slot = translated && context < 0 ? this.#iotlb.find(domain, page) : NO_SLOT;
    const held = slot >= 0 && (this.#iotlb.permits(slot, write) || this.#iotlb.isAbsent(slot));
    if (translated && !held) {
      this.#walkCaches.shorten(domain, page, write, lastWalk);
      walker.walkTables(page, write, lastWalk);
      this.#walkCaches.count(lastWalk);
    } else if (held && this.#iotlb.isAbsent(slot)) {
      walker.stopAtAbsentPage(write, lastWalk);
    }
    const walkNs = parameters.walkOverheadNs + (contextReads + lastWalk.levels) * parameters.tableReadNs;
    this.#delayNs = this.#pool.book(page, parameters.lookupNs, walkNs);
    counters.walks += 1;
    counters.contextReads += contextReads;
    counters.tableReads += lastWalk.levels;
    counters.waitedNs += this.#delayNs;
    this.#book(requesterId, page, translated, entryRights, held);
    if (this.#watchers.length > 0) {
      const first = ioPageAddress(page);
      const at = first < WIDE_ADDRESS ? addressAfter(first, offset) : first;
      this.#tellWatchers(requesterId, at, write, walkNs);
    }
    return held && !this.#iotlb.isAbsent(slot) ? this.#iotlb.physicalPage(slot, page) : this.#outcome(page);
  }

  #tellWatchers(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, walkNs: number): void {
    const askedNs = this.#clock.nowNs;
    const endNs = askedNs + this.#delayNs;
    const startNs = endNs - walkNs;
    const { contextReads, levels: tableReads, ok } = this.lastWalk;
    const walker = this.#pool.lastWalker;
    const times = { askedNs, startNs, endNs };
    const walk = { walker, requesterId, iova, write, ...times, contextReads, tableReads, ok };
    for (const watcher of this.#watchers) watcher(walk);
  }

  /** Notes the walk in `lastWalk`, whose findings the caches get at its end. */
  #book(
    requesterId: RequesterId,
    page: IoPageNumber,
    translated: boolean,
    entryRights: number,
    held: boolean,
  ): void {
    const { lastWalk } = this;
    const booked = this.#booked;
    const absentEntry = this.#cachesAbsence && lastWalk.absent === 'entry';
    const absentPage = this.#cachesAbsence && lastWalk.absent === 'page';
    booked.requesterId = requesterId;
    booked.domainId = lastWalk.domainId;
    booked.page = page;
    booked.pageBits = lastWalk.ok ? lastWalk.pageBits : 12;
    booked.physical = lastWalk.physical;
    booked.read = lastWalk.read;
    booked.write = lastWalk.write;
    for (let word = 0; word < ENTRY_WORDS; word += 1) booked.entry[word] = lastWalk.entry[word] ?? absent();
    booked.entryDecides = lastWalk.entryPasses || absentEntry;
    booked.entryRights = entryRights;
    booked.levels = lastWalk.levels;
    for (let step = 0; step < lastWalk.levels; step += 1) {
      booked.tableAddress[step] = lastWalk.tableAddress[step] ?? absent();
      booked.tableLevel[step] = lastWalk.tableLevel[step] ?? absent();
      booked.tableRights[step] = lastWalk.tableRights[step] ?? absent();
    }
    booked.fillsContext = lastWalk.passThrough || translated || absentEntry;
    booked.fillsPointers = lastWalk.levels > 1;
    booked.fillsPage = !held && ((lastWalk.ok && !lastWalk.passThrough) || absentPage);
    this.#outstanding.add(this.#delayNs, booked);
  }

  /** Lets the walks that have ended by now into the caches. */
  #settle(): void {
    const { nowNs } = this.#clock;
    if (!(nowNs >= this.#nowNs))
      throw new RangeError(`request at ${nowNs} ns, after one at ${this.#nowNs} ns`);
    this.#nowNs = nowNs;
    while (this.#outstanding.hasEnded) {
      const walk = this.#outstanding.takeEnded();
      if (walk.fillsContext)
        this.#contexts.insert(
          walk.requesterId,
          walk.domainId,
          walk.entryDecides,
          walk.entryRights,
          walk.entry,
        );
      if (walk.fillsPointers) this.#walkCaches.fill(walk);
      if (walk.fillsPage) {
        this.#iotlb.insert(walk.domainId, walk.pageBits, walk.page, walk.physical, walk.read, walk.write);
      }
    }
  }
}
