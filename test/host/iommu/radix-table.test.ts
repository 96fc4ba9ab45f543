import { describe, expect, it } from 'vitest';
import { createPageTable } from '../../../host/iommu/amdvi/page-table.js';
import { READ, WRITE } from '../../../host/iommu/entry-format.js';
import { createSecondLevelTable } from '../../../host/iommu/vtd/second-level-table.js';
import { hostPhysicalAddress, ioVirtualAddress } from '../../../nic/addresses.js';
import { CountingPages, SparseMemory } from './support/sparse-memory.js';

const MB_2 = 2 ** 21;
const GB = 2 ** 30;

function machine(levels: 3 | 4 = 3, first = 0x10_0000) {
  const memory = new SparseMemory();
  const pages = new CountingPages(first);
  const table = createSecondLevelTable(memory, pages, levels);
  const map = (iova: number, physical: number, bits = 12, permissions = READ | WRITE) =>
    table.map(ioVirtualAddress(iova), hostPhysicalAddress(physical), bits, permissions);
  const unmap = (iova: number, bytes: number) => table.unmap(ioVirtualAddress(iova), bytes);
  const find = (iova: number) => table.find(ioVirtualAddress(iova));
  return { memory, pages, table, map, unmap, find };
}

describe('what a table takes', () => {
  it.each([
    ['the last page of physical memory', 0, 2 ** 52 - 4096, 12],
    ['the last page of the space', 2 ** 39 - 4096, 0, 12],
    ['the last 1 GB', 2 ** 39 - GB, 2 ** 52 - GB, 30],
  ])('%s', (_what, iova, physical, bits) => {
    const { map, find } = machine();
    expect(map(iova, physical, bits)).toBe('mapped');
    expect(find(iova)).toEqual({ iova, physical, pageBits: bits, permissions: READ | WRITE });
  });

  it.each([
    ['a physical address of 2^52', 0, 2 ** 52, 12, READ, 'physical address is 4503599627370496'],
    ['one below 0', 0, -4096, 12, READ, 'physical address is -4096'],
    ['one that is not aligned', 0, 2048, 12, READ, 'expected a multiple of 2^12 below 2^52'],
    ['the page behind the space', 2 ** 39, 0, 12, READ, 'range of 4096 bytes at 549755813888'],
    ['an IOVA below 0', -4096, 0, 12, READ, 'range of 4096 bytes at -4096'],
    ['a large page across its end', 2 ** 39 - MB_2 / 2, 0, 21, READ, 'expected multiples of 2097152'],
    ['a page of 512 GB, above its levels', 0, 0, 39, READ, 'page of 2^39 bytes: no such size here'],
    ['no permission', 0, 0, 12, 0, 'permissions are 0, expected READ, WRITE or both'],
    ['more than both', 0, 0, 12, 4, 'permissions are 4, expected READ, WRITE or both'],
  ])('refuses %s', (_what, iova, physical, bits, permissions, message) => {
    expect(() => machine().map(iova, physical, bits, permissions)).toThrow(message);
  });

  it('only a table of four levels has the 512 GB page of AMD-Vi', () => {
    const memory = new SparseMemory();
    const size = (levels: number) => {
      const table = createPageTable(memory, new CountingPages(), levels);
      return table.map(ioVirtualAddress(0), hostPhysicalAddress(0), 39, READ);
    };
    expect(() => size(3)).toThrow('page of 2^39 bytes: no such size here');
    expect(size(4)).toBe('mapped');
  });

  it.each([2, 11, 52, 57])(
    'six levels of AMD-Vi have no page of 2^%d bytes: sizes are 2^12 to 2^51',
    (bits) => {
      const table = createPageTable(new SparseMemory(), new CountingPages(), 6);
      expect(() => table.map(ioVirtualAddress(0), hostPhysicalAddress(0), bits, READ)).toThrow(
        `page of 2^${bits} bytes: no such size here`,
      );
      for (const good of [12, 51])
        expect(
          createPageTable(new SparseMemory(), new CountingPages(), 6).map(
            ioVirtualAddress(0),
            hostPhysicalAddress(0),
            good,
            READ,
          ),
        ).toBe('mapped');
    },
  );

  it('finds nothing outside of its space', () => {
    const { map, find } = machine();
    for (const iova of [0, 2 ** 39 - 4096]) map(iova, 0x5000);
    for (const outside of [2 ** 39, 2 ** 40 - 4096, -4096, -(2 ** 39)]) expect(find(outside)).toBeUndefined();
    expect([find(0)?.physical, find(2 ** 39 - 1)?.physical]).toEqual([0x5000, 0x5000]);
  });

  it('cannot be without a page for its root', () => {
    expect(() => createSecondLevelTable(new SparseMemory(), new CountingPages(0, 0), 3)).toThrow(
      'no page for the top table',
    );
  });

  it.each([
    ['nothing', 0, 0],
    ['less than nothing', 8192, -4096],
    ['half a page', 0, 2048],
    ['from within a page', 2048, 4096],
    ['beyond the space', 2 ** 39 - 4096, 8192],
  ])('refuses to unmap %s', (_what, iova, bytes) => {
    expect(() => machine().unmap(iova, bytes)).toThrow(`range of ${bytes} bytes at ${iova}`);
  });
});

describe('a page that becomes a table', () => {
  it('begins empty, whatever it held, and the page behind it is left as it is', () => {
    const memory = new SparseMemory();
    const first = 0x10_0000;
    // Root, two tables below it, and the page that would be next.
    const behind = first + 3 * 4096;
    for (let at = first; at < behind + 4096; at += 4) memory.writeU32(hostPhysicalAddress(at), 0xffff_ffff);
    const table = createSecondLevelTable(memory, new CountingPages(first), 3);
    expect(table.map(ioVirtualAddress(0), hostPhysicalAddress(0x5000), 12, READ)).toBe('mapped');
    expect(table.tableAddresses()).toEqual([first, first + 4096, first + 2 * 4096]);
    let filled = 0;
    for (let at = first; at < behind; at += 8) if (memory.readU32(hostPhysicalAddress(at)) !== 0) filled += 1;
    expect(filled, 'an entry on each level').toBe(3);
    for (let at = behind; at < behind + 4096; at += 4)
      expect(memory.readU32(hostPhysicalAddress(at))).toBe(0xffff_ffff);
  });
});

describe('unmap', () => {
  it('takes exactly its range, over tables and sizes, and says how much was there', () => {
    const { map, unmap, find, table } = machine();
    map(0, 0x7000);
    map(4096, 0x8000);
    map(MB_2, MB_2, 21);
    map(2 * MB_2, 0x9000);
    expect(unmap(4096, 2 * MB_2)).toBe(0);
    expect(table.bytesUnmapped).toBe(4096 + MB_2 + 4096);
    expect([0, 4096, MB_2, 2 * MB_2].map((iova) => find(iova)?.physical)).toEqual([
      0x7000,
      undefined,
      undefined,
      undefined,
    ]);
    table.checkInvariants();
  });

  it('of one page, small or large, touches no neighbour', () => {
    const { map, unmap, find, table } = machine();
    for (const [iova, bits] of [
      [0, 12],
      [4096, 12],
      [8192, 12],
      [MB_2, 21],
      [2 * MB_2, 21],
      [GB, 30],
      [2 * GB, 30],
    ] as const)
      map(iova, iova, bits);
    for (const [iova, bytes] of [
      [4096, 4096],
      [2 * MB_2, MB_2],
      [2 * GB, GB],
    ] as const) {
      expect([unmap(iova, bytes), table.bytesUnmapped, table.tablesFreed]).toEqual([0, bytes, 0]);
      expect(find(iova)).toBeUndefined();
    }
    expect([0, 8192, MB_2, GB].map((iova) => find(iova)?.iova)).toEqual([0, 8192, MB_2, GB]);
  });

  it('that would split a page is refused, at either end, and changes nothing', () => {
    const { map, unmap, find } = machine();
    map(MB_2, 0, 21);
    map(0, 0x7000);
    expect(() => unmap(MB_2 + 4096, 4096)).toThrow(`unmap at ${MB_2 + 4096} splits a page`);
    expect(() => unmap(0, MB_2 + 4096)).toThrow(`unmap up to ${MB_2 + 4096} splits a page`);
    expect([find(0)?.physical, find(MB_2)?.physical]).toEqual([0x7000, 0]);
  });

  it('that covers all of a table gives it back, with all below it', () => {
    const { map, unmap, table, pages } = machine();
    map(0, 0x7000);
    map(MB_2 - 4096, 0x8000);
    map(MB_2, 0x9000);
    const tables = table.tables;
    expect(unmap(0, GB)).toBe(3);
    expect([table.tables, table.bytesUnmapped, pages.out.size]).toEqual([tables - 3, 3 * 4096, 1]);
    table.checkInvariants();
  });

  it('works on a table at physical address 0', () => {
    const { map, unmap, find, table } = machine(3, 0);
    expect(table.root).toBe(0);
    map(0, 0x7000);
    expect(find(0)?.physical).toBe(0x7000);
    unmap(0, 4096);
    expect(find(0)).toBeUndefined();
    expect(table.tableAddresses()).toContain(0);
  });
});

describe('map over what is there', () => {
  it('leaves a page as it is, also below or above the new one', () => {
    const { map, find } = machine();
    map(0, 0x7000);
    expect([map(0, 0x8000), map(0, 0, 21), map(0, 0, 30)]).toEqual(Array(3).fill('already-mapped'));
    map(GB, GB, 30);
    expect([map(GB, 0), map(GB + MB_2, 0, 21)]).toEqual(['already-mapped', 'already-mapped']);
    expect([find(0)?.physical, find(GB + MB_2)?.pageBits]).toEqual([0x7000, 30]);
  });

  it('puts a page in place of tables that hold nothing any more, and gives them back', () => {
    const { map, unmap, table, find } = machine();
    map(0, 0x7000);
    unmap(0, 4096);
    expect(map(0, 0, 30)).toBe('mapped');
    expect([table.tablesFreed, table.tables, find(5 * MB_2)?.pageBits]).toEqual([2, 1, 30]);
    map(GB, 0x7000);
    expect(table.tablesFreed).toBe(0);
    table.checkInvariants();
  });
});
