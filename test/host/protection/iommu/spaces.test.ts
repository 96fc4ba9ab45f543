import { describe, expect, it } from 'vitest';
import { type GuestSpace, pagesOf, READ_WRITE } from '../../../../host/protection/iommu/guest-space.js';
import type { IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import {
  guestPhysicalAddress,
  ioPageAddress,
  ioPageNumber,
  pageAddress,
  pageNumber,
} from '../../../../nic/addresses.js';
import { present } from '../../../../scheduler/present.js';
import { either } from '../../../support/whole.js';
import { macOf, PAGE, PORT } from '../../support/machine.js';
import { IommuLab, SETTLE_NS } from './lab.js';

/** A page in front of the border between two tables of the last level. */
const BORDER = 511;
const [READ, WRITE] = [1, 2];

function bench(options: Partial<IommuOptions> = {}) {
  const lab = new IommuLab({ strategy: 'single-use', ...options });
  const guest = lab.guest(1);
  const entry = present(lab.iommu.ports.get(guest.port.context));
  const space: GuestSpace = entry.space;
  const { pages, hypervisor, processor } = lab.machine.host;
  const bits = (page: number) => space.address.tables.find(ioPageAddress(ioPageNumber(page)))?.pageBits;
  const counts = () => [space.counters.mapped, space.counters.unmapped, space.pinned];
  const start = counts();
  return {
    lab,
    guest,
    space,
    pages,
    bits,
    /** Pages mapped, unmapped and pinned since the beginning. */
    counts: () => counts().map((count, at) => count - (start[at] ?? 0)),
    cycles: (work: () => void) => {
      const before = processor.cyclesOf(hypervisor.account);
      work();
      return processor.cyclesOf(hypervisor.account) - before;
    },
    costs: processor.costs,
    /** Takes all memory but so many pages. */
    leave: (count: number) => guest.domain.allocate(pages.freePages - count),
  };
}

/** 1,024 pages of a guest's, aligned. */
function aligned(lab: IommuLab) {
  const owner = lab.machine.host.createGuest('owner', 1);
  owner.reserve(1024);
  return pageNumber(Math.min(...owner.ownedPages));
}

describe('pages that follow each other', () => {
  it('are mapped in large pages where both addresses are aligned, and in small ones before and behind', () => {
    const { lab, space, bits, counts } = bench();
    const first = aligned(lab);
    space.mapRange(ioPageNumber(512 * 8 + 510), pageNumber(first + 510), 514, READ_WRITE);
    expect([BORDER, 512, 1023, 1024].map((page) => bits(512 * 8 + page))).toEqual([12, 21, 21, undefined]);
    expect(counts()).toEqual([514, 0, 514]);
    space.clearRange(ioPageNumber(512 * 8 + 510), pageNumber(first + 510), 514);
    expect([510, 511, 512, 1023].map((page) => bits(512 * 8 + page))).toEqual(new Array(4).fill(undefined));
    expect(counts()).toEqual([514, 514, 514]);
    space.unpin(pageNumber(first + 510), 514);
    expect(counts()).toEqual([514, 514, 0]);
  });

  it.each([
    ['one page short of a large one', {}, 0, 511, 12],
    ['a large one, to the page', {}, 0, 512, 21],
    ['not aligned alike', {}, 1, 512, 12],
    ['of a unit without large pages', { capabilities: { pages2M: false } }, 0, 512, 12],
  ] as const)('%s', (_what, options, shift, count, expected) => {
    const { lab, space, bits } = bench(options);
    const first = aligned(lab);
    space.mapRange(ioPageNumber(512 * 8 + shift), first, count, READ_WRITE);
    expect([bits(512 * 8 + shift), bits(512 * 8 + shift + count - 1)]).toEqual([expected, expected]);
    space.clearRange(ioPageNumber(512 * 8 + shift), first, count);
    expect(bits(512 * 8 + shift)).toBeUndefined();
    space.unpin(first, count);
  });

  it('cost an entry each, and a reference for each page of them', () => {
    const { lab, space, cycles, costs } = bench();
    const first = aligned(lab);
    const at = ioPageNumber(512 * 8 + 511);
    expect(cycles(() => space.mapRange(at, pageNumber(first + 511), 513, READ_WRITE))).toBe(
      2 * costs.mapPage + 513 * costs.pinPage,
    );
    expect(cycles(() => space.clearRange(at, pageNumber(first + 511), 513))).toBe(2 * costs.unmapPage);
    expect(cycles(() => space.unpin(pageNumber(first + 511), 513))).toBe(513 * costs.unpinPage);
  });

  it.each(['mapRange', 'mapEach'] as const)(
    '%s: all of them or none, when the machine has no page left for a table between',
    (how) => {
      const { guest, space, bits, counts, leave, pages } = bench();
      const [first = pageNumber(0)] = guest.domain.allocate(4, true);
      // Three tables lead to the first two of them; the others need one more.
      leave(3);
      const at = ioPageNumber(BORDER - 1);
      expect(() => space[how](at, first, 4, READ_WRITE)).toThrow(/no memory left for the hypervisor/);
      expect([0, 1, 2, 3].map((page) => bits(at + page))).toEqual(new Array(4).fill(undefined));
      expect(counts()).toEqual([2, 2, 0]);
      for (const at of [0, 1, 2, 3]) expect(pages.count(pageNumber(first + at))).toBe(0);
      space[how](at, first, 2, READ_WRITE);
      expect(counts()).toEqual([4, 2, 2]);
      space.clear(at, 1);
      space.clear(ioPageNumber(BORDER), 1);
      space.unpin(first, 2);
    },
  );

  it('are mapped once: a second time is our own mistake, and so is what would give a table back', () => {
    const { guest, space } = bench();
    const [first = pageNumber(0)] = guest.domain.allocate(1);
    space.map(ioPageNumber(64), first, READ);
    expect(() => space.map(ioPageNumber(64), first, READ)).toThrow(/mapping of 0x40000: already-mapped/);
    space.clear(ioPageNumber(64), 1);
    space.unpin(first, 1);
    space.map(ioPageNumber(0), first, READ);
    expect(() => space.clear(ioPageNumber(0), 512)).toThrow(
      /unmapping 512 pages at 0x0 gave a table page back/,
    );
  });

  it('have the permissions that they are mapped with; without CAP.ZLR those to write can be read (V129)', () => {
    for (const [zeroLengthReads, expected] of [
      [true, [READ, WRITE, READ_WRITE]],
      [false, [READ, READ_WRITE, READ_WRITE]],
    ] as const) {
      const { guest, space } = bench({ capabilities: { zeroLengthReads } });
      const [first = pageNumber(0)] = guest.domain.allocate(3, true);
      const found = [READ, WRITE, READ_WRITE].map((permissions, at) => {
        space.map(ioPageNumber(64 + at), pageNumber(first + at), permissions);
        return space.address.tables.find(ioPageAddress(ioPageNumber(64 + at)))?.permissions;
      });
      expect(found).toEqual([...expected]);
    }
  });
});

describe('a space', () => {
  it('announces a batch of maps where the unit may have cached that there were none (caching mode, V121)', () => {
    for (const cachingMode of [false, true]) {
      const { lab, space, cycles } = bench({ cachingMode });
      const before = [lab.details('invalidations'), space.counters.flushes];
      const spent = cycles(() => space.announce());
      expect([
        lab.details('invalidations') - (before[0] ?? 0),
        space.counters.flushes - (before[1] ?? 0),
      ]).toEqual(cachingMode ? [1, 1] : [0, 0]);
      // The CPU waits for it.
      expect(spent > 2 * lab.machine.host.processor.costs.queueInvalidation).toBe(cachingMode);
      lab.settle();
    }
  });

  it('is one in which the unit remembers that there is no page, in caching mode and in no other (V121)', () => {
    for (const cachingMode of [false, true]) {
      const { lab, guest, space } = bench({ cachingMode });
      const [page = pageNumber(0)] = guest.domain.allocate(1);
      const reaches = () => lab.reach(guest, 64 * PAGE, true) !== undefined;
      expect(reaches()).toBe(false);
      lab.settle();
      space.map(ioPageNumber(64), page, READ_WRITE);
      expect(reaches()).toBe(!cachingMode);
      space.announce();
      lab.settle();
      expect(reaches()).toBe(true);
    }
  });

  it('counts flushes, of a range and of everything', () => {
    const { lab, space } = bench();
    const before = space.counters.flushes;
    const done: unknown[] = [];
    space.invalidate(ioPageNumber(7), 2, true, (...numbers) => done.push(numbers), pageNumber(5));
    space.invalidate(ioPageNumber(9), 1, true, (...numbers) => done.push(numbers));
    space.invalidateAll(() => done.push('all'));
    expect([space.counters.flushes - before, done]).toEqual([3, []]);
    lab.settle();
    expect(done).toEqual([[7, 2, 5], [9, 1, 0], 'all']);
  });

  it('that is gone does what waited for that, in order and once, and has no reference left', () => {
    const { guest, space } = bench();
    const done: number[] = [];
    space.unmapRings();
    space.unmapRings();
    for (const number of [1, 2, 3]) space.whenGone(() => done.push(number));
    space.gone();
    expect([done, space.pinned]).toEqual([[1, 2, 3], 0]);
    space.gone();
    expect(done).toHaveLength(3);
    const [first = pageNumber(0)] = guest.domain.allocate(1);
    space.map(ioPageNumber(64), first, READ);
    expect(() => space.gone()).toThrow(/a space that is gone still has 1 references/);
  });

  it('gives the addresses of rings back when there is no memory for tables to map them with', () => {
    const { guest, space, leave } = bench();
    const [first = pageNumber(0), spare = first] = guest.domain.allocate(4, true);
    // The next range lies behind all tables of the last level that there are.
    space.address.iovas.allocate(512);
    leave(0);
    expect(() => space.mapRings(pageAddress(first), 3 * PAGE)).toThrow(/no memory left for the hypervisor/);
    expect([space.pinned, space.address.iovas.allocate(4)]).toEqual([3, 2 ** 28 + 1024]);
    guest.domain.release(spare);
  });

  it('looks at each page of a buffer, and says of the first that is not the guest’s why', () => {
    const { lab, guest, space, cycles, costs } = bench();
    const other = lab.guest(2);
    const mine = guest.pages(3);
    const beside = mine + 3 * PAGE;
    const refusal = (address: number, length: number) =>
      space.refusalFor(guestPhysicalAddress(address), length);
    expect([refusal(mine, 3 * PAGE), refusal(mine, 3 * PAGE + 1), refusal(other.page(), 1)]).toEqual([
      undefined,
      'not-owner',
      'not-owner',
    ]);
    expect([refusal(mine, 0), refusal(mine + 0.5, 1), refusal(lab.machine.host.memory.bytes, 1)]).toEqual([
      'bad-length',
      'not-ram',
      'not-ram',
    ]);
    expect(cycles(() => refusal(mine + PAGE - 1, PAGE + 2))).toBe(3 * costs.validatePage);
    expect(cycles(() => refusal(beside - 1, 2))).toBe(2 * costs.validatePage);
  });

  it.each([
    [0, 1, 1],
    [PAGE - 1, 1, 1],
    [PAGE - 1, 2, 2],
    [0, PAGE, 1],
    [1, PAGE, 2],
    [5 * PAGE + 100, 16_384, 5],
  ])('a buffer at %i of %i bytes touches %i pages', (address, length, pages) => {
    expect(pagesOf(guestPhysicalAddress(address), length)).toBe(pages);
  });
});

describe.each(['direct-map', 'single-use', 'shadow-copy', 'flush-on-wrap', 'swiotlb', 'contiguous'])(
  'a port for which memory runs out on the way: %s',
  (strategy) => {
    it('is not opened, says so, and nothing is left of it', () => {
      for (let left = 0; left < 32; left += either(1, 4)) {
        const lab = new IommuLab({ strategy });
        const { host } = lab.machine;
        const domain = host.createGuest('guest', 1);
        const other = host.createGuest('other', 1);
        // Runs of pages that need tables of their own, where all of the guest is mapped.
        domain.allocate(20);
        other.allocate(1200);
        domain.allocate(1);
        lab.settle();
        other.allocate(host.pages.freePages - left);
        const owned = domain.ownedPages.size;
        let opened = true;
        try {
          lab.iommu.openPort(domain, { ...PORT, mac: macOf(1) });
        } catch (error) {
          opened = false;
          expect(String(error), `${left} pages left`).toMatch(/expected a larger host\.memoryMegabytes/);
        }
        lab.settle(SETTLE_NS);
        if (opened) continue;
        expect([host.pages.pinnedPages, domain.ownedPages.size, lab.iommu.ports.size]).toEqual([0, owned, 0]);
        expect(host.nic.contexts.every(({ state }) => state === 'free')).toBe(true);
        // Tables that were taken are kept for the next one; a table of contexts stays where it is.
        const kept = host.pages.freePages + lab.iommu.driver.spareTablePages;
        expect([left - 1, left], `${left} pages left`).toContain(kept);
      }
    });
  },
);
