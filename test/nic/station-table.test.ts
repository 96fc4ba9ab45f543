import { describe, expect, it } from 'vitest';
import { isGroup, isGroupAt, ofHalves, readMac } from '../../nic/station-address.js';
import { StationTable } from '../../nic/station-table.js';

/** Addresses that agree in one half or the other, with bits at the border of each. */
const ADDRESSES = [
  0x020000000001, 0x020000000002, 0x020000ffffff, 0x020001000001, 0xffffff000001, 0xffffffffffff,
  0x000000800000, 0x0000017fffff,
];

/** As it stands in a frame (IEEE 802.3), behind three other bytes. */
function inFrame(address: number): Uint8Array {
  const hex = address.toString(16).padStart(12, '0');
  return Uint8Array.from([9, 9, 9, ...(hex.match(/../gu) ?? []).map((byte) => Number.parseInt(byte, 16))]);
}

describe('station addresses', () => {
  it.each(ADDRESSES)('are read from a frame as they are written there: %i', (address) => {
    expect(readMac(inFrame(address), 3)).toBe(address);
    expect(isGroupAt(inFrame(address), 3)).toBe(isGroup(address));
    expect(ofHalves(Math.floor(address / 2 ** 24), address % 2 ** 24)).toBe(address);
  });

  it('beyond the end of a frame are none', () => {
    expect(() => readMac(inFrame(1), 4)).toThrow();
  });
});

describe('a table by station address', () => {
  it('finds each address, as a number and in a frame, and no other', () => {
    const table = new StationTable<number>();
    for (const [index, address] of ADDRESSES.entries()) {
      table.set(address, index);
      expect(table.size).toBe(index + 1);
      for (const [other, at] of ADDRESSES.entries()) {
        const expected = other <= index ? other : undefined;
        expect([table.get(at), table.at(inFrame(at), 3)]).toEqual([expected, expected]);
      }
    }
  });

  it('holds one value of an address, and counts it once', () => {
    const table = new StationTable<string>();
    table.set(0x020000000001, 'first');
    table.set(0x020000000001, 'second');
    expect([table.get(0x020000000001), table.size]).toEqual(['second', 1]);
    table.delete(0x020000000002);
    table.delete(0x030000000001);
    expect(table.size).toBe(1);
    table.delete(0x020000000001);
    table.delete(0x020000000001);
    expect([table.get(0x020000000001), table.size]).toEqual([undefined, 0]);
  });
});
