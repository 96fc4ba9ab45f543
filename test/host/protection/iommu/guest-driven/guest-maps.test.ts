import { describe, expect, it } from 'vitest';
import { GuestDriven } from '../../../../../host/protection/iommu/guest-driven/guest-driven.js';
import { MOST_TABLE_PAGES } from '../../../../../host/protection/iommu/guest-driven/guest-maps.js';
import type { IommuOptions } from '../../../../../host/protection/iommu/iommu.js';
import {
  busAddress,
  guestPhysicalAddress,
  ioVirtualAddress,
  pageNumber,
  requesterId,
} from '../../../../../nic/addresses.js';
import type { ContextId } from '../../../../../scheduler/branded.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER, TestGuest } from '../../../support/machine.js';
import { requesterOf, SETTLE_NS, VENDORS } from '../lab.js';

const READ = 1;
const WRITE = 2;
const BOTH = 3;
/** An address that is nobody's memory. */
const IOVA = 0xfff0_0000;
const MB2 = 2 ** 21;
const GB = 2 ** 30;
/** Where addresses end that guests may map. */
const LIMIT = 2 ** 40;

function bench(options: Omit<IommuOptions, 'strategy'> = {}, memoryBytes = 64 * 2 ** 20) {
  const machine = new Machine(new GuestDriven(options), { host: { memoryBytes } });
  const { protection, pages } = machine.host;
  const domain = machine.host.createGuest('guest', 1);
  const maps = protection.mapsOf(domain);
  const map = (iova: number, firstPage: number, count = 1, permissions = BOTH) =>
    maps.map({
      iova: ioVirtualAddress(iova),
      firstPage: pageNumber(firstPage),
      pages: count,
      permissions,
    });
  const settle = (ns = SETTLE_NS) => machine.run(ns);
  return {
    machine,
    protection,
    domain,
    maps,
    map,
    settle,
    page: () => domain.allocate(1)[0] ?? pageNumber(0),
    open: () => {
      const guest = new TestGuest(machine, domain, { ...PORT, mac: macOf(1) });
      settle();
      return guest;
    },
    unmap: (...iovas: number[]) => {
      let reports = 0;
      maps.unmap(iovas.map(ioVirtualAddress), () => {
        reports += 1;
      });
      return () => reports;
    },
    reach: (context: ContextId, address: number, write: boolean) => {
      const id = requesterId(requesterOf(context));
      const at = protection.gate.check(id, busAddress(address), 1, write, machine.kernel.nowNs);
      return at < 0 ? undefined : at;
    },
    pinned: (page: number) => pages.count(pageNumber(page)),
    tablesOf: (context: ContextId) => {
      const space = protection.ports.get(context)?.space;
      if (space === undefined) throw new Error('no such port');
      return space.address.tables;
    },
    details: () => protection.counters().details,
  };
}

describe.each(VENDORS)('what a guest maps for itself, on %s', (vendor) => {
  it('is within reach of its device while a port is open, and pinned for as long', () => {
    const { maps, map, page, open, reach, pinned, settle, protection, details } = bench({ vendor });
    const [before, after] = [page(), page()];
    expect(map(IOVA, before)).toBe('mapped');
    expect(pinned(before)).toBe(0);
    const { context } = open().port;
    expect(map(IOVA + PAGE, after)).toBe('mapped');
    expect([reach(context, IOVA + 5, true), reach(context, IOVA + PAGE + 7, false)]).toEqual([
      before * PAGE + 5,
      after * PAGE + 7,
    ]);
    expect([pinned(before), pinned(after)]).toEqual([1, 1]);
    const port = protection.ports.get(context)?.port;
    if (port === undefined) throw new Error('no port');
    protection.closePort(port);
    expect([pinned(before), pinned(after)], 'the unit has not reported').toEqual([1, 1]);
    settle();
    expect([pinned(before), pinned(after)]).toEqual([0, 0]);
    // A mapping outlives the port.
    expect(maps.count).toBe(2);
    const next = open().port.context;
    expect(reach(next, IOVA, true)).toBe(before * PAGE);
    expect(details()).toMatchObject({ guestMaps: 2, guestUnmaps: 0, guestMappings: 2 });
  });

  it('is for what it was mapped for: a page to read is not written, one to write is not read', () => {
    const { map, page, open, reach } = bench({ vendor });
    map(IOVA, page(), 1, READ);
    const { context } = open().port;
    map(IOVA + PAGE, page(), 1, WRITE);
    const can = (at: number) => [false, true].map((write) => reach(context, at, write) !== undefined);
    expect([can(IOVA), can(IOVA + PAGE), can(IOVA + 2 * PAGE)]).toEqual([
      [true, false],
      [false, true],
      [false, false],
    ]);
  });

  it('is out of reach, unpinned and reported when the unit has said so, and not before', () => {
    const { map, page, open, reach, unmap, pinned, settle, maps } = bench({ vendor });
    const { context } = open().port;
    const [one, other] = [page(), page()];
    map(IOVA, one);
    map(IOVA + PAGE, other);
    for (const at of [IOVA, IOVA + PAGE]) reach(context, at, true);
    settle();
    const reports = unmap(IOVA);
    expect([reports(), pinned(one), maps.count]).toEqual([0, 1, 1]);
    // The unit still has it in its cache.
    expect(reach(context, IOVA, true)).toBe(one * PAGE);
    settle();
    expect([reports(), pinned(one), reach(context, IOVA, true)]).toEqual([1, 0, undefined]);
    expect([reach(context, IOVA + PAGE, true), pinned(other)]).toEqual([other * PAGE, 1]);
  });

  it('may be unmapped together: one report for all of it, behind the last', () => {
    const { map, page, open, unmap, pinned, settle, maps } = bench({ vendor });
    open();
    const pages = Array.from({ length: 40 }, page);
    for (const [at, one] of pages.entries()) map(IOVA + at * PAGE, one);
    const addresses = pages.map((_, at) => IOVA + at * PAGE);
    // Up to 32 one by one; for more, all that the guest has is invalidated once.
    const few = unmap(...addresses.slice(0, 3));
    expect(maps.counters.invalidations).toBe(3);
    expect(few()).toBe(0);
    settle();
    expect([few(), ...pages.slice(0, 4).map(pinned)]).toEqual([1, 0, 0, 0, 1]);
    const many = unmap(...addresses.slice(3, 36));
    expect(maps.counters.invalidations).toBe(4);
    expect([many(), pinned(pages[3] ?? 0)]).toEqual([0, 1]);
    settle();
    expect([many(), ...pages.map(pinned)]).toEqual([1, ...pages.map((_, at) => (at < 36 ? 0 : 1))]);
    expect(maps.counters).toEqual({
      maps: 40,
      pagesMapped: 40,
      unmaps: 36,
      pagesUnmapped: 36,
      invalidations: 4,
    });
  });

  it('is invalidated range by range up to 32 ranges', () => {
    const { map, page, open, unmap, settle, maps } = bench({ vendor });
    open();
    for (let at = 0; at < 65; at += 1) map(IOVA + at * PAGE, page());
    const addresses = Array.from({ length: 65 }, (_, at) => IOVA + at * PAGE);
    unmap(...addresses.slice(0, 32));
    settle();
    expect(maps.counters.invalidations).toBe(32);
    unmap(...addresses.slice(32));
    settle();
    expect(maps.counters.invalidations).toBe(33);
  });

  it('is unmapped at once where no port is open; what it has not mapped is passed over', () => {
    const { map, page, unmap, open, maps, details } = bench({ vendor });
    map(IOVA, page());
    map(IOVA + 8 * PAGE, page());
    expect(unmap(IOVA, IOVA + PAGE)()).toBe(1);
    expect([maps.count, maps.counters.unmaps, maps.counters.invalidations]).toEqual([1, 1, 0]);
    open();
    expect(unmap(0x1000)(), 'nothing is there to wait for').toBe(1);
    expect(details()).toMatchObject({ guestMaps: 2, guestUnmaps: 1, guestMappings: 1 });
  });

  it('lies in pages of 2 MB where both addresses allow it, and in small ones while unmaps are under way', () => {
    const { machine, map, open, tablesOf, unmap, settle, reach, pinned } = bench({ vendor });
    const owner = machine.host.createGuest('owner', 1);
    owner.reserve(1024);
    const first = Math.min(...owner.ownedPages);
    expect(first % 512).toBe(0);
    const { context } = open().port;
    const bitsAt = (at: number) => tablesOf(context).find(ioVirtualAddress(at))?.pageBits;
    map(2 * MB2, first, 512);
    map(4 * MB2 + PAGE, first + 512, 512);
    expect([bitsAt(2 * MB2), bitsAt(4 * MB2 + PAGE)]).toEqual([21, 12]);
    const last = (first + 511) * PAGE;
    expect(reach(context, 3 * MB2 - PAGE, true)).toBe(last);
    unmap(2 * MB2);
    // A cache may still know the table that was emptied.
    map(6 * MB2, first, 512);
    expect(bitsAt(6 * MB2)).toBe(12);
    settle();
    map(8 * MB2, first, 512);
    expect(bitsAt(8 * MB2)).toBe(21);
    const reports = [unmap(6 * MB2), unmap(8 * MB2), unmap(4 * MB2 + PAGE)];
    settle(1_000_000);
    expect(reports.map((count) => count())).toEqual([1, 1, 1]);
    for (let page = first; page < first + 1024; page += 1) expect(pinned(page)).toBe(0);
    for (const at of [2, 6, 8]) expect(reach(context, at * MB2, true)).toBeUndefined();
  });

  it('is put into a new port’s tables anew, in large pages again', () => {
    const { machine, map, open, tablesOf, unmap, protection, settle } = bench({ vendor });
    const owner = machine.host.createGuest('owner', 1);
    owner.reserve(512);
    const first = Math.min(...owner.ownedPages);
    const guest = open();
    map(0, first);
    unmap(0);
    map(2 * MB2, first, 512);
    expect(tablesOf(guest.port.context).find(ioVirtualAddress(2 * MB2))?.pageBits).toBe(12);
    protection.closePort(guest.port);
    settle();
    const { context } = open().port;
    expect(tablesOf(context).find(ioVirtualAddress(2 * MB2))?.pageBits).toBe(21);
    unmap(2 * MB2);
    settle();
    machine.host.checkInvariants();
  });

  it('can be wanted back only when no mapping has it', () => {
    const { machine, map, page, open, unmap, settle, protection, domain } = bench({ vendor });
    open();
    const [mapped, free] = [page(), page()];
    map(IOVA, mapped);
    expect([mapped, free].map((one) => protection.relinquish(domain, one))).toEqual([false, true]);
    unmap(IOVA);
    expect(protection.relinquish(domain, mapped)).toBe(false);
    settle();
    expect(protection.relinquish(domain, mapped)).toBe(true);
    machine.host.checkInvariants();
  });

  it('costs a hypercall each time that a port is open, and none otherwise', () => {
    const { machine, map, page, open, unmap, settle } = bench({ vendor });
    const { hypervisor } = machine.host;
    const calls = () => hypervisor.hypercalls;
    const pages = [page(), page(), page()];
    const before = calls();
    map(IOVA, pages[0] ?? 0);
    unmap(IOVA);
    expect(calls()).toBe(before);
    open();
    const opened = calls();
    map(IOVA, pages[1] ?? 0);
    map(IOVA + PAGE, pages[2] ?? 0);
    expect(calls() - opened).toBe(2);
    unmap(IOVA, IOVA + PAGE);
    expect(calls() - opened).toBe(3);
    settle();
  });
});

describe('room for a guest’s mappings', () => {
  it('ends where our own addresses begin', () => {
    const { map, page, maps } = bench();
    expect(map(LIMIT - PAGE, page())).toBe('mapped');
    expect(map(LIMIT - PAGE, page(), 2)).toBe('no-room');
    expect(map(LIMIT, page())).toBe('no-room');
    // Tables of three levels have 39 bits, of which the upper half is ours.
    const narrow = bench({ capabilities: { tableLevels: [3] } });
    expect(narrow.map(2 ** 38 - PAGE, narrow.page())).toBe('mapped');
    expect(narrow.map(2 ** 38, narrow.page())).toBe('no-room');
    expect(maps.count).toBe(1);
  });

  it('is 4 GB of 2 MB regions, in one piece or scattered', () => {
    const { map, maps } = bench();
    const regions = MOST_TABLE_PAGES / 2;
    expect(map(0, 0, regions * 512 + 1), 'more than there are').toBe('no-room');
    expect(map(PAGE, 0, regions * 512), 'as many pages, in one region more').toBe('no-room');
    expect(map(0, 0, regions * 512)).toBe('mapped');
    expect(map(100 * GB, 0)).toBe('no-room');
    // In a region that is in use already there is room.
    expect(map(4 * GB - PAGE, 0)).toBe('mapped');
    expect(maps.count).toBe(2);
    maps.clear();
    expect(maps.count).toBe(0);
    for (let at = 0; at < regions; at += 1) expect(map(at * 2 * MB2, 0)).toBe('mapped');
    expect(map(regions * 2 * MB2, 0)).toBe('no-room');
    maps.unmap([ioVirtualAddress(0)], () => undefined);
    expect(map(regions * 2 * MB2, 0)).toBe('mapped');
  });

  it('is what is left of the machine for tables while a port is open', () => {
    const { machine, map, page, open, domain } = bench();
    const own = page();
    open();
    const { pages } = machine.host;
    map(0, own);
    // All but three pages: two new tables and two of those above are more.
    domain.allocate(pages.freePages - 3);
    expect(map(10 * GB, own)).toBe('no-room');
    // In a table that is there it needs two for those above at most.
    expect(map(PAGE, own)).toBe('mapped');
    domain.release(own);
    machine.host.checkInvariants();
  });

  it('is needed for a port as well: without it none opens, and nothing is left of the try', () => {
    const { machine, map, page, domain, protection, maps } = bench();
    const own = page();
    for (let at = 0; at < 40; at += 1) map(at * GB, own);
    const { pages } = machine.host;
    const rest = domain.allocate(pages.freePages - 60);
    const free = pages.freePages;
    expect(() => protection.openPort(domain, { ...PORT, mac: macOf(1) })).toThrow(
      /guest: \d+ pages are free for its translation tables, expected a larger host\.memoryMegabytes/,
    );
    machine.run(SETTLE_NS);
    expect([pages.pinnedPages, maps.count]).toEqual([0, 40]);
    expect(pages.freePages).toBeGreaterThanOrEqual(free - 1);
    for (const one of rest.slice(0, 100)) domain.release(one);
    const port = protection.openPort(domain, { ...PORT, mac: macOf(1) });
    expect(pages.count(own)).toBe(40);
    protection.closePort(port);
    machine.run(SETTLE_NS);
    expect(pages.count(own)).toBe(0);
  });

  it('is not taken by tables that are emptied: they count for as long as they stay', () => {
    const { map, page, open, unmap, settle, tablesOf } = bench({}, 128 * 2 ** 20);
    const own = page();
    const { context } = open().port;
    let mapped = 0;
    let refused = 0;
    for (let at = 0; at < 2100; at += 1) {
      if (map(at * GB * 0.4921875, own) === 'mapped') {
        mapped += 1;
        unmap(at * GB * 0.4921875);
        settle(3_000);
      } else refused += 1;
    }
    expect(refused).toBeGreaterThan(0);
    expect(mapped).toBeGreaterThan(1000);
    expect(tablesOf(context).tables).toBeLessThanOrEqual(MOST_TABLE_PAGES);
  });
});

describe('a guest behind an IOMMU of its own', () => {
  it('has one port at a time on it', () => {
    const { open, protection, domain, machine } = bench();
    open();
    expect(() => protection.openPort(domain, { ...PORT, mac: macOf(2) })).toThrow(
      /guest has two ports on one IOMMU/,
    );
    machine.run(SETTLE_NS);
    expect(protection.ports.size).toBe(1);
  });

  it('is asked for nothing while its port is open: its machine goes after it', () => {
    const { open, maps, protection, map, page } = bench();
    map(IOVA, page());
    const guest = open();
    expect(() => maps.clear()).toThrow(/guest has a port and no machine/);
    protection.closePort(guest.port);
    maps.clear();
    expect(maps.count).toBe(0);
  });

  it('names its buffers by its own addresses, and its rings by none of ours', () => {
    const { machine, map, domain, protection, page } = bench();
    const rings = domain.allocate(3, true);
    const buffer = page();
    map(IOVA, rings[0] ?? 0, 3);
    map(IOVA + 16 * PAGE, buffer);
    const port = protection.openPort(domain, {
      ...PORT,
      mac: macOf(1),
      ownRings: guestPhysicalAddress(IOVA),
    });
    const context = machine.host.nic.contexts[port.context];
    expect([context?.transmit.base, context?.receive.base, context?.statusAddress]).toEqual([
      IOVA,
      IOVA + PAGE,
      IOVA + 2 * PAGE,
    ]);
    expect(protection.handOver).toBe('write');
    // The driver writes its descriptor itself: one frame of 100 bytes.
    const bytes = frame(STRANGER, macOf(1), 100);
    machine.poke(buffer * PAGE + 32, bytes);
    const descriptor = new DataView(new ArrayBuffer(16));
    descriptor.setBigUint64(0, BigInt(IOVA + 16 * PAGE + 32), true);
    descriptor.setUint16(8, 100, true);
    descriptor.setUint16(10, 1, true);
    machine.poke((rings[0] ?? 0) * PAGE, new Uint8Array(descriptor.buffer));
    machine.host.window.write(domain.id, port.context, 0, 1);
    machine.run();
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([bytes]);
    protection.closePort(port);
    machine.run();
    expect(machine.host.pages.pinnedPages).toBe(0);
  });

  it('cannot share one requester ID with others', () => {
    expect(() => new GuestDriven({ oneRequesterId: true })).toThrow(/iommu\.oneRequesterId is true/);
    expect(() => new GuestDriven({ oneRequesterId: false })).not.toThrow();
    expect(() => new GuestDriven({ vendor: 'amdvi', cachingMode: true })).toThrow(/cachingMode is true/);
  });
});
