import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressSpace,
  DomainNumbers,
  firstAllocated,
} from '../../../../host/protection/iommu/address-space.js';
import { IovaAllocator, NO_RANGE } from '../../../../host/protection/iommu/iova-allocator.js';
import { orderOf } from '../../../../host/protection/iommu/page-order.js';
import { TablePages } from '../../../../host/protection/iommu/table-pages.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { type IoPageNumber, pageNumber } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { Machine, PAGE } from '../../support/machine.js';
import { IommuLab } from './lab.js';

describe('the order of a number of pages', () => {
  it('is log2 of the next power of two (AM of VT-d, 6.5.2.3)', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 512, 513, 2 ** 31].map(orderOf)).toEqual([0, 1, 2, 2, 3, 3, 4, 9, 10, 31]);
  });
});

describe('ranges of I/O virtual addresses', () => {
  it('are powers of two aligned to their size, one behind the other, and used again by size (alloc_iova_fast)', () => {
    const iovas = new IovaAllocator(10 * PAGE, 100 * PAGE);
    expect([1, 2, 3, 1].map((pages) => iovas.allocate(pages))).toEqual([10, 12, 16, 20]);
    iovas.free(iovas.allocate(4), 4);
    iovas.free(10 as IoPageNumber, 1);
    // A range of three takes four pages, so the one of four fits.
    expect(iovas.allocate(3)).toBe(24);
    expect([iovas.allocate(1), iovas.allocate(1)]).toEqual([10, 28]);
  });

  it('end with the last page, and none is given behind it', () => {
    const iovas = new IovaAllocator(0, 8 * PAGE);
    expect([iovas.allocate(4), iovas.allocate(5), iovas.allocate(4)]).toEqual([0, NO_RANGE, 4]);
    expect(iovas.allocate(1)).toBe(NO_RANGE);
    expect(NO_RANGE).toBeLessThan(0);
    iovas.free(4 as IoPageNumber, 4);
    expect([iovas.allocate(1), iovas.allocate(4)]).toEqual([NO_RANGE, 4]);
  });

  it('never overlap, whatever is asked for and given back', () => {
    const step = fc.record({
      pages: fc.integer({ min: 1, max: 70 }),
      frees: fc.boolean(),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const iovas = new IovaAllocator(0, 4096 * PAGE);
        const held: { first: IoPageNumber; pages: number }[] = [];
        for (const { pages, frees, which } of steps) {
          const [gone] = frees && held.length > 0 ? held.splice(which % held.length, 1) : [];
          if (gone !== undefined) {
            iovas.free(gone.first, gone.pages);
            continue;
          }
          const first = iovas.allocate(pages);
          if (first < 0) continue;
          expect(first % 2 ** orderOf(pages)).toBe(0);
          expect(first + pages).toBeLessThanOrEqual(4096);
          for (const other of held)
            expect(first + pages <= other.first || other.first + other.pages <= first).toBe(true);
          held.push({ first, pages });
        }
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('an address space', () => {
  it('begins above all memory, and in the upper half of 39 bits where tables have three levels', () => {
    const first = (addressBits: number) =>
      firstAllocated({
        features: {
          levels: 4,
          addressBits,
          largePages: true,
          maxOrder: 18,
          domainLimit: 16,
          cachingMode: false,
          writeOnlyPages: true,
          deviceTlbs: true,
          interruptRemapping: true,
        },
      });
    expect([39, 40, 41, 48, 57].map(first)).toEqual([2 ** 38, 2 ** 39, 2 ** 40, 2 ** 40, 2 ** 40]);
  });

  it('ends with the lower half of 48 bits, or with the unit’s tables', () => {
    const last = (tableLevels: readonly (3 | 4 | 5)[]) => {
      const { driver } = new IommuLab({ strategy: 'single-use', capabilities: { tableLevels } }).iommu;
      const { iovas } = new AddressSpace(driver, 9);
      // The largest power of two that fits, as often as it does.
      let end = 0;
      for (let pages = 2 ** 31; pages >= 2 ** 20; pages /= 2)
        for (let at = iovas.allocate(pages); at >= 0; at = iovas.allocate(pages))
          end = Math.max(end, at + pages);
      return end * PAGE;
    };
    expect([last([3]), last([4])]).toEqual([2 ** 39, 2 ** 47]);
  });

  it('has a number of its own: the last one is given, and one that comes back is given again', () => {
    const numbers = new DomainNumbers(2, 5);
    expect([numbers.take(), numbers.take(), numbers.take()]).toEqual([2, 3, 4]);
    expect(() => numbers.take()).toThrow('all 5 domain IDs of the IOMMU are taken');
    numbers.giveBack(3);
    expect(numbers.take()).toBe(3);
    expect(() => numbers.take()).toThrow('all 5 domain IDs');
  });
});

describe('pages for translation tables', () => {
  it('are the hypervisor’s, and one that comes back is used before any other', () => {
    const { host } = new Machine(new PlainDma());
    const tables = new TablePages(host.hypervisor);
    const [one, two] = [tables.allocate(), tables.allocate()];
    expect([one, two].map((at) => host.pages.kind(pageNumber(at / PAGE)))).toEqual(['io-table', 'io-table']);
    expect([tables.used, tables.spare]).toEqual([2, 0]);
    const free = host.pages.freePages;
    tables.release(one);
    expect([tables.used, tables.spare, host.pages.freePages]).toEqual([1, 1, free]);
    expect(tables.allocate()).toBe(one);
    expect([tables.used, tables.spare]).toEqual([2, 0]);
    expect(tables.allocate()).not.toBe(two);
    expect(host.pages.freePages).toBe(free - 1);
  });
});
