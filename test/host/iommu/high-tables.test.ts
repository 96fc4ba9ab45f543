import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPageTable } from '../../../host/iommu/amdvi/page-table.js';
import { READ, WRITE } from '../../../host/iommu/entry-format.js';
import type { RadixTable } from '../../../host/iommu/radix-table.js';
import { VTD_FAULT, vtdFaultText } from '../../../host/iommu/vtd/fault-reasons.js';
import { createSecondLevelTable } from '../../../host/iommu/vtd/second-level-table.js';
import { hostPhysicalAddress, ioPageNumber, ioVirtualAddress, pageNumber } from '../../../nic/addresses.js';
import { runs } from '../../support/whole.js';
import { CountingPages, SparseMemory } from './support/sparse-memory.js';

const GB4 = 2 ** 32;
const MB2 = 2 ** 21;
/** Where tables lie: low, and above 4 GB. */
const PLACES = [0x10_0000, 5 * GB4 + 0xfff0_0000];
const VENDORS = [
  ['VT-d', (memory: SparseMemory, pages: CountingPages) => createSecondLevelTable(memory, pages, 4)],
  ['AMD-Vi', (memory: SparseMemory, pages: CountingPages) => createPageTable(memory, pages, 4)],
] as const;

describe.each(VENDORS)('tables of %s', (_vendor, create) => {
  it.each(PLACES)('at %d lead to pages wherever those lie', (place) => {
    const memory = new SparseMemory();
    const table = create(memory, new CountingPages(place));
    expect(table.root).toBe(place);
    const pairs = [
      [0x7000, 0x5000],
      [GB4 + 0x1000, 9 * GB4 + 0xf000],
      [2 ** 47 - 0x1000, 2 ** 52 - 0x1000],
    ] as const;
    for (const [iova, physical] of pairs)
      expect(table.map(ioVirtualAddress(iova), hostPhysicalAddress(physical), 12, READ)).toBe('mapped');
    for (const [iova, physical] of pairs)
      expect(table.find(ioVirtualAddress(iova))).toMatchObject({ physical, pageBits: 12, permissions: READ });
    table.checkInvariants();
  });

  it('are the same whether a page is named by its address or by its number, wherever it is', () => {
    const page = fc.oneof(
      fc.nat(3000),
      fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 3 }),
      fc.integer({ min: 2 ** 35 - 4, max: 2 ** 35 - 1 }),
    );
    const step = fc.record({
      page,
      physical: fc.nat(2 ** 20),
      pages: fc.constantFrom(1, 1, 1, 2, 600),
      unmaps: fc.boolean(),
      permissions: fc.constantFrom(READ, WRITE, READ | WRITE),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const [byAddress, byNumber] = [0, 1].map(() => {
          const memory = new SparseMemory();
          return { memory, table: create(memory, new CountingPages()) };
        });
        if (byAddress === undefined || byNumber === undefined) throw new Error('two tables');
        for (const { page: at, physical, pages, unmaps, permissions } of steps) {
          const outcome = ({ table }: { table: RadixTable }, byPage: boolean) => {
            try {
              if (!unmaps)
                return byPage
                  ? table.mapPage(ioPageNumber(at), pageNumber(physical), permissions)
                  : table.map(
                      ioVirtualAddress(at * 4096),
                      hostPhysicalAddress(physical * 4096),
                      12,
                      permissions,
                    );
              const freed = byPage
                ? table.unmapPages(ioPageNumber(at), pages)
                : table.unmap(ioVirtualAddress(at * 4096), pages * 4096);
              return [freed, table.bytesUnmapped, table.tablesFreed];
            } catch (error) {
              return String(error);
            }
          };
          expect(outcome(byNumber, true)).toEqual(outcome(byAddress, false));
          expect(byNumber.table.find(ioVirtualAddress(at * 4096))).toEqual(
            byAddress.table.find(ioVirtualAddress(at * 4096)),
          );
        }
        expect(byNumber.table.tableAddresses()).toEqual(byAddress.table.tableAddresses());
      }),
      { numRuns: runs(60) },
    );
  });

  it('refuse no permission and more than both, by number as by address', () => {
    const table = create(new SparseMemory(), new CountingPages());
    for (const permissions of [0, 4])
      expect(() => table.mapPage(ioPageNumber(3), pageNumber(5), permissions)).toThrow(
        `permissions are ${permissions}, expected READ, WRITE or both`,
      );
    expect(() => table.mapPage(ioPageNumber(-1), pageNumber(5), READ)).toThrow(
      /range of 4096 bytes at -4096/,
    );
    expect(table.mapPage(ioPageNumber(0), pageNumber(0), READ)).toBe('mapped');
    expect(table.find(ioVirtualAddress(5))).toMatchObject({ physical: 0, pageBits: 12 });
  });

  it('take a page of 4 KB out of a table of them, and no part of one of 2 MB', () => {
    const table = create(new SparseMemory(), new CountingPages());
    table.map(ioVirtualAddress(MB2), hostPhysicalAddress(MB2), 21, READ);
    expect(() => table.unmapPages(ioPageNumber(512), 1)).toThrow(/splits a page/);
    expect(table.unmapPages(ioPageNumber(512), 512)).toBe(0);
    expect(table.find(ioVirtualAddress(MB2))).toBeUndefined();
  });
});

describe('entries of VT-d (specification 9.8)', () => {
  it('have PS, bit 7, for a page of 2 MB or 1 GB, and 0 there for one of 4 KB and for a table', () => {
    for (const [bits, level, expected] of [
      [12, 1, 0],
      [21, 2, 1],
      [30, 3, 1],
    ] as const) {
      const memory = new SparseMemory();
      const table = createSecondLevelTable(memory, new CountingPages(), 3);
      table.map(ioVirtualAddress(0), hostPhysicalAddress(2 ** 30), bits, READ | WRITE);
      let at: number = table.root;
      for (let depth = 3; depth > level; depth -= 1) {
        const entry = memory.readU64(at);
        expect((entry >> 7n) & 1n).toBe(0n);
        at = Number(entry & 0xf_ffff_ffff_f000n);
      }
      expect((memory.readU64(at) >> 7n) & 1n).toBe(BigInt(expected));
    }
  });

  it.each([0, -1, 7, 1.5])('AMD-Vi has no tables of %d levels', (levels) => {
    expect(() => createPageTable(new SparseMemory(), new CountingPages(), levels)).toThrow(
      `levels is ${levels}, expected 1 to 6`,
    );
  });

  it('have a word for each reason of a fault, and a number for one that is none', () => {
    const words = Object.values(VTD_FAULT).map((reason) => vtdFaultText(reason));
    expect(new Set(words).size).toBe(words.length);
    expect(words.every((text) => text.length > 3)).toBe(true);
    expect(vtdFaultText(0x7f)).toMatch(/7f|127/);
  });
});
