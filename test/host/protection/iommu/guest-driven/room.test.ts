import { describe, expect, it } from 'vitest';
import { GuestDriven } from '../../../../../host/protection/iommu/guest-driven/guest-driven.js';
import { MOST_TABLE_PAGES } from '../../../../../host/protection/iommu/guest-driven/guest-maps.js';
import { guestPhysicalAddress, ioVirtualAddress } from '../../../../../nic/addresses.js';
import { frame, macOf, PAGE, PORT, STRANGER } from '../../../support/machine.js';
import { SETTLE_NS } from '../lab.js';
import { bench, GB, IOVA, LIMIT, MB2 } from './bench.js';

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

  it('is for a port a table for each region, and for its rings one a level, to the page', () => {
    // A region and its gigabyte, two above them, four of the rings; the port's own top table is made before.
    const needed = 8;
    for (const left of [needed, needed + 1, needed + 2]) {
      const { machine, map, page, domain, protection } = bench();
      const own = page();
      map(0, own);
      domain.allocate(machine.host.pages.freePages - left);
      const open = () => protection.openPort(domain, { ...PORT, mac: macOf(1) });
      const refusal = `guest: ${left - 1} pages are free for its translation tables`;
      if (left - 1 < needed) expect(open).toThrow(refusal);
      else expect(open, `${left} pages left`).not.toThrow(refusal);
    }
  });

  it('is not taken by tables that are emptied: they count for as long as they stay', () => {
    const { map, page, open, unmap, settle, tablesOf } = bench({}, 128 * 2 ** 20);
    const own = page();
    const { context } = open().port;
    let mapped = 0;
    let refused = 0;
    // As many as it takes: each leaves two tables behind.
    for (let at = 0; refused === 0 && at < 2100; at += 1) {
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
