import { beforeEach, describe, expect, it } from 'vitest';
import { timingParameters } from '../../../../host/iommu/translation/parameters.js';
import { STOPPED, TranslationCache } from '../../../../host/iommu/translation/translation-cache.js';
import { ioPageNumber, requesterId } from '../../../../nic/addresses.js';
import { translatedBy } from '../../support/places.js';
import { MapWalker, NO_CONTEXT, NOT_MAPPED, NOT_PERMITTED, page4K } from './map-walker.js';

const DEVICE = 0x0100;
const PASSING = 0x0200;
const DOMAIN = 7;
const READ_NS = 100;
const OVERHEAD_NS = 10;
/** A walk of which only the last level is left to read. */
const SHORT_NS = OVERHEAD_NS + READ_NS;
const MAPPED_PAGES = 64;
const PHYSICAL = 2 ** 30;

let walker: MapWalker;
let unit: TranslationCache;
let nowNs: number;
const clock = {
  get nowNs() {
    return nowNs;
  },
};

function build(changes: ConstructorParameters<typeof TranslationCache>[3] = {}): TranslationCache {
  walker = new MapWalker();
  walker.contexts.set(DEVICE, DOMAIN);
  walker.contexts.set(PASSING, 0);
  for (let page = 0; page < MAPPED_PAGES; page += 1)
    walker.map(DOMAIN, page4K(page * 4096, PHYSICAL + page * 4096));
  nowNs = 0;
  const times = { lookupNs: 0, tableReadNs: READ_NS, walkOverheadNs: OVERHEAD_NS, walkIntervalNs: 0 };
  unit = new TranslationCache(clock, walker, 1, {
    iotlbEntries: 16,
    iotlbWays: 16,
    replacement: 'lru',
    ...times,
    ...changes,
  });
  return unit;
}

/** Translates now; returns [physical, delay]. */
function ask(iova: number, write = false, device = DEVICE): [number, number] {
  const physical = translatedBy(unit, device, iova, write);
  unit.checkInvariants();
  return [physical, unit.delayNs];
}

/** Lets everything that is under way end. */
function wait(ns = 100_000): void {
  nowNs += ns;
}

beforeEach(() => {
  build();
});

describe('a translation', () => {
  it('reads context and all levels at first, one level beside it, and nothing when it is held', () => {
    expect(ask(0x123)).toEqual([PHYSICAL + 0x123, OVERHEAD_NS + 6 * READ_NS]);
    wait();
    expect(ask(4096)).toEqual([PHYSICAL + 4096, SHORT_NS]);
    wait();
    expect(ask(0x456)).toEqual([PHYSICAL + 0x456, 0]);
    expect(unit.counters).toMatchObject({ requests: 3, walks: 2, hits: 1, contextReads: 2, tableReads: 5 });
    expect([4, 3, 2, 1].map((level) => unit.levelReads(level))).toEqual([1, 1, 1, 2]);
    expect([4, 3, 2].map((level) => unit.walkCacheHits(level))).toEqual([0, 0, 1]);
  });

  it('of a 2 MB page takes one read less and covers all of it', () => {
    walker.map(DOMAIN, { first: 2 ** 21, pageBits: 21, physical: 2 ** 31, read: true, write: true });
    expect(ask(2 ** 21 + 5)).toEqual([2 ** 31 + 5, OVERHEAD_NS + 5 * READ_NS]);
    wait();
    expect(ask(2 ** 22 - 1)).toEqual([2 ** 31 + 2 ** 21 - 1, 0]);
  });

  it('is held from the nanosecond on in which its walk ends, and shared until then', () => {
    const [, delayNs] = ask(0);
    nowNs = delayNs - 1;
    expect(ask(8)).toEqual([PHYSICAL + 8, 1]);
    expect(unit.counters).toMatchObject({ hits: 0, shared: 1 });
    nowNs = delayNs;
    expect(ask(16)).toEqual([PHYSICAL + 16, 0]);
    expect(unit.counters).toMatchObject({ hits: 1, shared: 1 });
  });

  it('is shared by requests that miss on the same page while it is walked', () => {
    ask(0);
    wait();
    expect(ask(4096)).toEqual([PHYSICAL + 4096, SHORT_NS]);
    nowNs += 40;
    expect(ask(4096 + 64)).toEqual([PHYSICAL + 4096 + 64, SHORT_NS - 40]);
    expect(unit.counters).toMatchObject({ walks: 2, shared: 1 });
    expect(unit.walksUnderWay).toBe(1);
  });

  it('waits for a walker: two walkers do four walks in two rounds', () => {
    build({ walkers: 2, walkerAssignment: 'any' });
    ask(0);
    wait();
    expect([1, 2, 3, 4].map((page) => ask(page * 4096)[1])).toEqual([
      SHORT_NS,
      SHORT_NS,
      2 * SHORT_NS,
      2 * SHORT_NS,
    ]);
  });

  it('waits for the walker that owns its page, though another is idle', () => {
    build({ walkers: 2, walkerAssignment: 'page' });
    ask(0);
    wait();
    expect([2, 4, 6, 1].map((page) => ask(page * 4096)[1])).toEqual([
      SHORT_NS,
      2 * SHORT_NS,
      3 * SHORT_NS,
      SHORT_NS,
    ]);
  });

  it('is not held beyond the entries: the least recently used goes', () => {
    build({ iotlbEntries: 2, iotlbWays: 2 });
    for (const page of [0, 1, 0, 2]) {
      ask(page * 4096);
      wait();
    }
    expect(ask(0)[1]).toBe(0);
    expect(ask(4096)[1]).toBe(SHORT_NS);
    expect(unit.cachedPages).toBe(2);
  });

  it('adds the time of a look to all', () => {
    build({ lookupNs: 7 });
    expect(ask(0)[1]).toBe(7 + OVERHEAD_NS + 6 * READ_NS);
    wait();
    expect(ask(0)[1]).toBe(7);
  });
});

describe('a request that is stopped', () => {
  it('reports the reason, after the time that the walk took', () => {
    expect(ask(2 ** 40)).toEqual([STOPPED, OVERHEAD_NS + 6 * READ_NS]);
    expect(unit.lastWalk.faultReason).toBe(NOT_MAPPED);
    expect(ask(0, false, 0x0300)).toEqual([STOPPED, expect.any(Number)]);
    expect(unit.lastWalk.faultReason).toBe(NO_CONTEXT);
    expect(unit.counters.faults).toBe(2);
  });

  it('is not cached: once mapped it goes through without an invalidation', () => {
    expect(ask(2 ** 40)[0]).toBe(STOPPED);
    wait();
    walker.map(DOMAIN, page4K(2 ** 40, 4096));
    expect(ask(2 ** 40)[0]).toBe(4096);
  });

  it('for lack of permission is walked again, so that a grant counts at once', () => {
    walker.map(DOMAIN, { ...page4K(0, PHYSICAL), write: false });
    ask(0);
    wait();
    expect(ask(0, true)[0]).toBe(STOPPED);
    expect(unit.lastWalk.faultReason).toBe(NOT_PERMITTED);
    walker.map(DOMAIN, page4K(0, PHYSICAL));
    wait();
    expect(ask(0, true)[0]).toBe(PHYSICAL);
    wait();
    expect(ask(0, true)).toEqual([PHYSICAL, 0]);
  });

  it('in the interrupt window is never a transfer, though a page there is mapped and held', () => {
    walker.map(DOMAIN, { first: 0xfee0_0000, pageBits: 21, physical: 2 ** 31, read: true, write: true });
    ask(0xfef0_0000);
    wait();
    expect(ask(0xfee0_0000, true)).toEqual([STOPPED, 0]);
    expect(unit.lastWalk.interruptWindow).toBe(true);
  });
});

describe('pass-through', () => {
  it('costs the context once and holds no page', () => {
    expect(ask(0x5123, true, PASSING)).toEqual([0x5123, OVERHEAD_NS + 2 * READ_NS]);
    wait();
    expect(ask(0x7123, false, PASSING)).toEqual([0x7123, 0]);
    expect([unit.cachedPages, unit.cachedContexts, unit.counters.bypassed]).toEqual([0, 1, 1]);
  });
});

describe('an invalidation', () => {
  const remap = () => walker.map(DOMAIN, page4K(0, 2 ** 35));

  it('is needed: until then the device goes where the tables said before', () => {
    ask(0);
    wait();
    remap();
    expect(ask(8)[0]).toBe(PHYSICAL + 8);
    unit.invalidateIotlb('page', DOMAIN, ioPageNumber(0), 1, true);
    expect(ask(8)[0]).toBe(2 ** 35 + 8);
  });

  it('reaches a walk that is under way: its page is neither shared nor cached', () => {
    ask(0);
    remap();
    unit.invalidateIotlb('domain', DOMAIN, ioPageNumber(0), 0, false);
    expect(ask(8)[0]).toBe(2 ** 35 + 8);
    wait();
    expect(ask(16)).toEqual([2 ** 35 + 16, 0]);
  });

  it('with leaf-only keeps the walk caches; without, all levels are read again', () => {
    ask(0);
    wait();
    unit.invalidateIotlb('page', DOMAIN, ioPageNumber(0), 1, true);
    expect(ask(0)[1]).toBe(SHORT_NS);
    wait();
    unit.invalidateIotlb('page', DOMAIN, ioPageNumber(0), 1, false);
    expect(ask(0)[1]).toBe(OVERHEAD_NS + 4 * READ_NS);
  });

  it('of a range drops what overlaps it, a large page too, and nothing else', () => {
    walker.map(DOMAIN, { first: 2 ** 21, pageBits: 21, physical: 2 ** 31, read: true, write: true });
    const held = () => [0, 4096, 8192, 2 ** 21].map((iova) => ask(iova)[1] === 0);
    held();
    wait();
    expect(held()).toEqual([true, true, true, true]);
    unit.invalidateIotlb('page', DOMAIN, ioPageNumber(0), 2, true);
    expect(held()).toEqual([false, false, true, true]);
    wait();
    unit.invalidateIotlb('page', DOMAIN, ioPageNumber(512 + 64), 1, true);
    expect(held()).toEqual([true, true, true, false]);
    wait();
    unit.invalidateIotlb('page', DOMAIN + 1, ioPageNumber(0), 2 ** 20, false);
    expect(held()).toEqual([true, true, true, true]);
    unit.invalidateIotlb('global', 0, ioPageNumber(0), 0, false);
    expect(unit.cachedPages).toBe(0);
  });

  it('of contexts makes them read again, and what they had is left to the IOTLB command', () => {
    ask(0);
    wait();
    unit.invalidateContexts('device', DOMAIN, requesterId(DEVICE), 0);
    expect(ask(0)).toEqual([PHYSICAL, OVERHEAD_NS + 2 * READ_NS]);
    expect(unit.counters.tableReads).toBe(4);
  });

  it('of a device takes its functions together under a function mask', () => {
    const functions = [0, 1, 2, 4].map((number) => DEVICE + number);
    for (const device of functions) walker.contexts.set(device, DOMAIN);
    const fill = () => {
      for (const device of functions) ask(0, false, device);
      wait();
      ask(0);
    };
    for (const [mask, left] of [
      [0, 3],
      [1, 2],
      [2, 1],
      [3, 0],
    ] as const) {
      fill();
      unit.invalidateContexts('device', DOMAIN, requesterId(DEVICE), mask);
      expect(unit.cachedContexts).toBe(left);
    }
  });

  it('reports its cost', () => {
    build({
      globalInvalidationNs: 3,
      domainInvalidationNs: 2,
      pageInvalidationNs: 1,
      deviceTlbInvalidationNs: 9,
    });
    expect(unit.invalidateIotlb('global', 0, ioPageNumber(0), 0, false)).toBe(3);
    expect(unit.invalidateIotlb('domain', DOMAIN, ioPageNumber(0), 0, false)).toBe(2);
    expect(unit.invalidateIotlb('page', DOMAIN, ioPageNumber(0), 1, false)).toBe(1);
    expect(unit.invalidateContexts('global', 0, requesterId(0), 0)).toBe(3);
    expect(unit.invalidateContexts('domain', DOMAIN, requesterId(0), 0)).toBe(2);
    expect(unit.invalidateContexts('device', 0, requesterId(DEVICE), 0)).toBe(2);
    expect(unit.invalidateDeviceTlb(requesterId(DEVICE))).toBe(9);
    unit.silentDevices.add(requesterId(DEVICE));
    expect([
      unit.invalidateDeviceTlb(requesterId(DEVICE)),
      unit.invalidateDeviceTlb(requesterId(PASSING)),
    ]).toEqual([-1, 9]);
  });
});

describe('timing parameters', () => {
  it.each([
    [
      { iotlbEntries: 0 },
      'iommu.timing.iotlbEntries is 0, expected a whole number of entries from 1 to 65,536',
    ],
    [
      { iotlbEntries: 64, iotlbWays: 48 },
      'iommu.timing.iotlbWays is 48, expected a divisor of iotlbEntries, 64',
    ],
    [{ tableReadNs: 1.5 }, 'iommu.timing.tableReadNs is 1.5, expected whole nanoseconds from 0 to 10^9'],
    [{ walkers: Number.NaN }, 'iommu.timing.walkers is NaN'],
    [{ replacement: 'clock' as 'lru' }, 'iommu.timing.replacement is "clock", expected random, lru or fifo'],
    [{ walkerAssignment: 'none' as 'any' }, 'iommu.timing.walkerAssignment is "none", expected page or any'],
  ])('%o is refused', (changes, message) => {
    expect(() => timingParameters(changes)).toThrow(message);
  });

  it('go back in time never', () => {
    nowNs = 10;
    ask(0);
    nowNs = 9;
    expect(() => ask(0)).toThrow('request at 9 ns, after one at 10 ns');
  });
});

describe('a watcher of walks', () => {
  it('is told of each walk as it is booked, and no more once it has left', () => {
    build({ lookupNs: 7 });
    const seen: unknown[] = [];
    const others: unknown[] = [];
    const leave = unit.watchWalks((walk) => seen.push(walk));
    const leaveToo = unit.watchWalks((walk) => others.push(walk));
    nowNs = 100;
    ask(0x123, true);
    const startNs = 107;
    const endNs = startNs + OVERHEAD_NS + 6 * READ_NS;
    const counted = { contextReads: 2, tableReads: 4, ok: true };
    expect(seen).toEqual([
      { walker: 0, requesterId: DEVICE, iova: 0x123, write: true, askedNs: 100, startNs, endNs, ...counted },
    ]);
    wait();
    ask(0x456);
    expect(seen).toHaveLength(1);
    leave();
    leave();
    ask(4096);
    expect([seen.length, others.length]).toEqual([1, 2]);
    leaveToo();
    ask(8192);
    expect(others).toHaveLength(2);
  });
});

describe('"not present" that is cached (caching mode)', () => {
  it('is found by a requester whose entry had to be read, and still says why', () => {
    const other = DEVICE + 1;
    build();
    unit = new TranslationCache(
      clock,
      walker,
      1,
      { iotlbEntries: 16, iotlbWays: 16, walkIntervalNs: 0 },
      true,
    );
    walker.contexts.set(other, DOMAIN);
    expect(ask(2 ** 30)[0]).toBe(STOPPED);
    wait();
    walker.map(DOMAIN, page4K(2 ** 30, 4096));
    expect(ask(2 ** 30, false, other)[0]).toBe(STOPPED);
    expect(unit.lastWalk.faultReason).toBe(NOT_MAPPED);
    expect([unit.counters.faults, unit.lastWalk.levels]).toEqual([2, 0]);
  });
});
