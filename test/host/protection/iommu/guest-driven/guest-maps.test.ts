import { describe, expect, it } from 'vitest';
import { ioVirtualAddress } from '../../../../../nic/addresses.js';
import { PAGE } from '../../../support/machine.js';
import { VENDORS } from '../lab.js';
import { bench, IOVA, MB2, READ, WRITE } from './bench.js';

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
