import { describe, expect, it } from 'vitest';
import { DeviceTable } from '../../../../host/iommu/amdvi/device-table.js';
import { DENY_ALL } from '../../../../host/iommu/amdvi/entries.js';
import { hostPhysicalAddress, requesterId } from '../../../../nic/addresses.js';
import { SparseMemory } from '../support/sparse-memory.js';

const BASE = 0x40_0000;

function tableOf(bytes: number, address = BASE): DeviceTable {
  return new DeviceTable(new SparseMemory(), hostPhysicalAddress(address), bytes);
}

describe('the device table (AMD 48882, 2.2.2)', () => {
  it.each([
    [4096, 127],
    [2 ** 21, 65_535],
  ])('of %d bytes has an entry for each device up to %d', (bytes, last) => {
    const table = tableOf(bytes);
    expect(table.get(requesterId(last))).toEqual(DENY_ALL);
    expect(() => table.get(requesterId(last + 1))).toThrow(`device ID is ${last + 1}, expected 0 to ${last}`);
    expect(() => table.set(requesterId(-1), DENY_ALL)).toThrow('device ID is -1');
  });

  it.each([
    [0, BASE],
    [-4096, BASE],
    [4097, BASE],
    [2048, BASE],
    [2 ** 21 + 4096, BASE],
    [4096, BASE + 2048],
  ])('of %d bytes at %d is refused', (bytes, address) => {
    expect(() => tableOf(bytes, address)).toThrow(
      `device table of ${bytes} bytes at ${address}, expected whole pages up to 2 MB`,
    );
  });

  it('blocks the interrupts of every device, and leaves the rest of each entry', () => {
    const table = tableOf(8192);
    const entry = { ...table.get(requesterId(3)), domainId: 77 };
    table.set(requesterId(3), entry);
    table.blockInterrupts();
    expect(table.get(requesterId(3))).toEqual({ ...entry, blocksInterrupts: true });
    for (const device of [0, 128, 255]) expect(table.get(requesterId(device)).blocksInterrupts).toBe(true);
  });
});
