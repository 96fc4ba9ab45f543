import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES, PhysicalMemory } from '../../../host/memory/physical-memory.js';

const PAGES = 640; // two pieces of backing and a half, so that accesses cross them
const BYTES = PAGES * PAGE_BYTES;

const range = fc
  .record({ address: fc.nat(BYTES - 1), length: fc.integer({ min: 1, max: 70_000 }) })
  .map(({ address, length }) => ({ address, length: Math.min(length, BYTES - address) }));

describe('physical memory', () => {
  it('is what one flat array is', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), at: range, seed: fc.nat(255) }),
      fc.record({ kind: fc.constant('fill' as const), at: range, seed: fc.nat(255) }),
      fc.record({ kind: fc.constant('read' as const), at: range, seed: fc.constant(0) }),
      fc.record({ kind: fc.constant('word' as const), at: range, seed: fc.nat(0xffffffff) }),
      fc.record({ kind: fc.constant('copy' as const), at: range, seed: fc.nat(BYTES - 1) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), (operations) => {
        const memory = new PhysicalMemory(PAGES);
        const flat = new Uint8Array(BYTES);
        for (const { kind, at, seed } of operations) {
          const { address, length } = at;
          if (kind === 'write') {
            const source = Uint8Array.from({ length: length + 3 }, (_, index) => index * 5 + seed);
            memory.write(address, length, source, 3);
            flat.set(source.subarray(3), address);
          } else if (kind === 'fill') {
            memory.fill(address, length, seed);
            flat.fill(seed, address, address + length);
          } else if (kind === 'word') {
            const aligned = address - (address % 4);
            memory.writeU32(aligned, seed);
            new DataView(flat.buffer).setUint32(aligned, seed, true);
            expect(memory.readU32(aligned)).toBe(seed);
          } else if (kind === 'copy') {
            const most = Math.min(length, BYTES - seed);
            if (Math.abs(seed - address) < most) continue;
            memory.copy(address, seed, most);
            flat.copyWithin(seed, address, address + most);
          }
          const back = new Uint8Array(length + 2).fill(0xee);
          memory.read(address, length, back, 1);
          expect(back[0]).toBe(0xee);
          expect(back[length + 1]).toBe(0xee);
          expect(Buffer.compare(back.subarray(1, length + 1), flat.subarray(address, address + length))).toBe(
            0,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 2, 3, 65_537, 4 * PAGE_BYTES + 6])('has no word at %d', (address) => {
    const memory = new PhysicalMemory(PAGES);
    const message = 'expected an address that is a multiple of 4';
    expect(() => memory.readU32(address)).toThrow(message);
    expect(() => memory.writeU32(address, 1)).toThrow(message);
    expect(() => memory.readU64(address)).toThrow(message);
    expect(() => memory.writeU64(address, 1n)).toThrow(message);
    expect(memory.touchedBytes).toBe(0);
  });

  it('reads and writes 64-bit words little-endian', () => {
    const memory = new PhysicalMemory(1);
    memory.writeU64(8, 0x0123456789abcdefn);
    expect(memory.readU64(8)).toBe(0x0123456789abcdefn);
    expect(memory.readU32(8)).toBe(0x89abcdef);
    const byte = new Uint8Array(1);
    memory.read(8, 1, byte, 0);
    expect(byte[0]).toBe(0xef);
  });

  it('costs what is touched: 24 guests of 128 MB, a page each, cost 24 pieces of 1 MB', () => {
    const guestBytes = 128 * 2 ** 20;
    const memory = new PhysicalMemory((24 * guestBytes) / PAGE_BYTES);
    const target = new Uint8Array(PAGE_BYTES);
    for (let guest = 0; guest < 24; guest += 1) memory.read(guest * guestBytes, PAGE_BYTES, target, 0);
    memory.fill(0, memory.bytes, 0);
    expect(memory.touchedBytes).toBe(0);
    for (let guest = 0; guest < 24; guest += 1) memory.writeU32(guest * guestBytes, guest + 1);
    expect(memory.touchedBytes).toBe(24 * 2 ** 20);
  });

  it('ends where it ends', () => {
    const memory = new PhysicalMemory(2);
    expect(memory.contains(8191, 1)).toBe(true);
    expect(memory.contains(8191, 2)).toBe(false);
    expect(memory.contains(-1, 1)).toBe(false);
    expect(memory.contains(Number.NaN, 1)).toBe(false);
    expect(() => memory.readU32(8192)).toThrow(/0x2000, expected an address below 0x2000/);
    expect(() => memory.write(8190, 4, new Uint8Array(4), 0)).toThrow(RangeError);
  });

  it.each([0, -1, 1.5, 2 ** 26 + 1, Number.NaN])('cannot be built with %s pages', (pages) => {
    expect(() => new PhysicalMemory(pages)).toThrow(/memory\.pages is .*, expected/);
  });
});
