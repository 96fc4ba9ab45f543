import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeviceTable } from '../../../../host/iommu/amdvi/device-table.js';
import { DENY_ALL } from '../../../../host/iommu/amdvi/entries.js';
import { createPageTable, pageSizes } from '../../../../host/iommu/amdvi/page-table.js';
import { AmdviWalker } from '../../../../host/iommu/amdvi/walker.js';
import { READ, WRITE } from '../../../../host/iommu/entry-format.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { CountingPages, SparseMemory } from '../support/sparse-memory.js';

const DEVICE = 0x21;

function machine(mode: number) {
  const memory = new SparseMemory();
  const pages = new CountingPages();
  const table = createPageTable(memory, pages, mode);
  const devices = new DeviceTable(memory, hostPhysicalAddress(0x8_0000), 0x1000);
  const entry = { ...DENY_ALL, mode, pageTable: table.root, read: true, write: true, domainId: 7 };
  devices.set(requesterId(DEVICE), entry);
  const walker = new AmdviWalker(memory, memory.reachable);
  walker.setDeviceTable(devices.address, devices.bytes);
  const out = new WalkResult();
  const translate = (iova: number, write = false) => {
    walker.walk(requesterId(DEVICE), ioVirtualAddress(iova), write, out);
    return out.ok ? out.physical + (iova % 2 ** out.pageBits) : undefined;
  };
  return { memory, pages, table, devices, translate, out, entry };
}

describe('AMD-Vi page tables as host software builds them', () => {
  it.each([1, 2, 3, 4, 5, 6])('maps pages of every size that mode %i has', (mode) => {
    for (const bits of pageSizes(mode)) {
      const { table, translate, out } = machine(mode);
      const size = 2 ** bits;
      const fits = 2 * size < 2 ** Math.min(12 + 9 * mode, 64);
      const iova = fits ? size : 0;
      expect(table.map(ioVirtualAddress(iova), hostPhysicalAddress(size % 2 ** 52), bits, READ)).toBe(
        'mapped',
      );
      expect(translate(iova + size - 1)).toBe((size % 2 ** 52) + size - 1);
      expect([out.pageBits, out.read, out.write]).toEqual([bits, true, false]);
      expect(translate(iova, true)).toBeUndefined();
      if (fits) expect(translate(iova - 1)).toBeUndefined();
      expect(table.find(ioVirtualAddress(iova))).toEqual({
        iova,
        physical: size % 2 ** 52,
        pageBits: bits,
        permissions: READ,
      });
      if (bits > 12) expect(() => table.unmap(ioVirtualAddress(iova), size / 2)).toThrow(/splits a page/);
      table.unmap(ioVirtualAddress(iova), size);
      expect(table.bytesUnmapped).toBe(size);
      expect(translate(iova)).toBeUndefined();
      table.checkInvariants();
    }
  });

  it('keeps pages apart as a model does', () => {
    const page = fc.record({
      slot: fc.nat({ max: 700 }),
      bits: fc.constantFrom(12, 12, 13, 14, 16, 20, 21, 22),
      pageNumber: fc.nat({ max: 99 }),
      permissions: fc.integer({ min: 1, max: 3 }),
      unmap: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(page, { maxLength: 30 }), (steps) => {
        const { table, translate, pages } = machine(3);
        const mapped: { start: number; end: number; physical: number; permissions: number }[] = [];
        for (const { slot, bits, pageNumber, permissions, unmap } of steps) {
          const start = Math.floor((slot * 4096) / 2 ** bits) * 2 ** bits;
          const end = start + 2 ** bits;
          const hit = mapped.filter((range) => range.start < end && start < range.end);
          if (!unmap) {
            const outcome = table.map(
              ioVirtualAddress(start),
              hostPhysicalAddress(pageNumber * 2 ** bits),
              bits,
              permissions,
            );
            expect(outcome).toBe(hit.length > 0 ? 'already-mapped' : 'mapped');
            if (hit.length === 0) mapped.push({ start, end, physical: pageNumber * 2 ** bits, permissions });
          } else if (hit.some((range) => range.start < start || range.end > end)) {
            expect(() => table.unmap(ioVirtualAddress(start), end - start)).toThrow(/splits a page/);
          } else {
            table.unmap(ioVirtualAddress(start), end - start);
            for (const range of hit) mapped.splice(mapped.indexOf(range), 1);
          }
          for (const range of mapped) {
            const last = range.end - 1;
            const expected = range.physical + (last - range.start);
            expect(translate(last)).toBe((range.permissions & READ) !== 0 ? expected : undefined);
            expect(translate(last, true)).toBe((range.permissions & WRITE) !== 0 ? expected : undefined);
          }
          table.checkInvariants();
          expect(pages.out.size).toBe(table.tables);
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('starts with a device table that denies everything', () => {
    const { devices, memory, entry } = machine(3);
    expect(devices.get(requesterId(DEVICE))).toEqual(entry);
    expect(memory.readU64(devices.address)).toBe(3n); // V and TV, mode 0, no IR, no IW
    expect(() => devices.get(requesterId(128))).toThrow(/device ID is 128, expected 0 to 127/);
    expect(() => new DeviceTable(memory, hostPhysicalAddress(0), 2 ** 22)).toThrow(/up to 2 MB/);
    expect(() => createPageTable(memory, new CountingPages(), 7)).toThrow(/levels is 7/);
  });
});
