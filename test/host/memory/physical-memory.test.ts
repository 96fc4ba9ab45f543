import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArrayBank, type MemoryBank } from '../../../host/memory/memory-bank.js';
import { BANK_ALIGNMENT, PAGE_BYTES, PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { hostPhysicalAddress } from '../../../nic/addresses.js';
import { runs } from '../../support/whole.js';

const PAGES = 640; // two pieces of backing and a half, so that accesses cross them
const BYTES = PAGES * PAGE_BYTES;

/** Where pieces of backing and the banks of the placements below begin and end. */
const EDGES = [0, 1, 2].flatMap((piece) =>
  [0, 5, 8].map((pages) => piece * BANK_ALIGNMENT + pages * PAGE_BYTES),
);

const place = fc.oneof(
  fc.nat(BYTES - 1),
  fc
    .tuple(fc.constantFrom(...EDGES), fc.integer({ min: -2000, max: 2000 }))
    .map(([edge, beside]) => Math.min(BYTES - 1, Math.max(0, edge + beside))),
);

const range = fc
  .record({
    address: place,
    length: fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 70_000 })),
  })
  .map(({ address, length }) => ({ address, length: Math.min(length, BYTES - address) }));

/** A bank as a memory file is one: it knows two calls, and counts them. */
class FileLikeBank implements MemoryBank {
  readonly #file: Uint8Array;
  readonly bytes: number;
  calls = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#file = new Uint8Array(bytes);
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#within(offset, length);
    for (let index = 0; index < length; index += 1)
      target[targetOffset + index] = this.#file[offset + index] ?? 0;
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#within(offset, length);
    for (let index = 0; index < length; index += 1)
      this.#file[offset + index] = source[sourceOffset + index] ?? 0;
  }

  #within(offset: number, length: number): void {
    this.calls += 1;
    if (!(offset >= 0 && length > 0 && offset + length <= this.bytes))
      throw new Error(`${length} bytes at ${offset} of a bank of ${this.bytes}`);
  }
}

const PLACEMENTS: readonly [string, (memory: PhysicalMemory) => void][] = [
  ['without banks', () => {}],
  [
    'with a bank that ends in the middle of a megabyte',
    (memory) => {
      memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new FileLikeBank(5 * PAGE_BYTES));
    },
  ],
  ['all of it in one bank', (memory) => memory.attachBank(hostPhysicalAddress(0), new FileLikeBank(BYTES))],
  [
    'with two banks one behind the other',
    (memory) => {
      memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new ArrayBank(new Uint8Array(BANK_ALIGNMENT)));
      memory.attachBank(hostPhysicalAddress(2 * BANK_ALIGNMENT), new FileLikeBank(8 * PAGE_BYTES));
    },
  ],
];

describe.each(PLACEMENTS)('physical memory %s', (_title, attach) => {
  it('is what one flat array is', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), at: range, seed: fc.nat(255) }),
      fc.record({ kind: fc.constant('fill' as const), at: range, seed: fc.nat(255) }),
      fc.record({ kind: fc.constant('read' as const), at: range, seed: fc.constant(0) }),
      fc.record({ kind: fc.constant('word' as const), at: range, seed: fc.nat(0xffffffff) }),
      fc.record({ kind: fc.constant('copy' as const), at: range, seed: place }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), (operations) => {
        const memory = new PhysicalMemory(PAGES);
        attach(memory);
        const flat = new Uint8Array(BYTES);
        for (const { kind, at, seed } of operations) {
          const { address, length } = at;
          if (kind === 'write') {
            const source = Uint8Array.from({ length: length + 3 }, (_, index) => index * 5 + seed);
            memory.write(hostPhysicalAddress(address), length, source, 3);
            flat.set(source.subarray(3), address);
          } else if (kind === 'fill') {
            memory.fill(hostPhysicalAddress(address), length, seed);
            flat.fill(seed, address, address + length);
          } else if (kind === 'word') {
            const aligned = address - (address % 4);
            memory.writeU32(hostPhysicalAddress(aligned), seed);
            new DataView(flat.buffer).setUint32(aligned, seed, true);
            expect(memory.readU32(hostPhysicalAddress(aligned))).toBe(seed);
          } else if (kind === 'copy') {
            const most = Math.min(length, BYTES - seed);
            if (Math.abs(seed - address) < most) continue;
            memory.copy(hostPhysicalAddress(address), hostPhysicalAddress(seed), most);
            flat.copyWithin(seed, address, address + most);
          }
          const back = new Uint8Array(length + 2).fill(0xee);
          memory.read(hostPhysicalAddress(address), length, back, 1);
          expect(back[0]).toBe(0xee);
          expect(back[length + 1]).toBe(0xee);
          expect(Buffer.compare(back.subarray(1, length + 1), flat.subarray(address, address + length))).toBe(
            0,
          );
        }
      }),
      { numRuns: runs(60) },
    );
  });

  it('reads zero where nothing was written, in every way', () => {
    const memory = new PhysicalMemory(PAGES);
    attach(memory);
    const target = new Uint8Array(BYTES).fill(0xee);
    memory.read(hostPhysicalAddress(0), BYTES, target, 0);
    expect(target.every((byte) => byte === 0)).toBe(true);
    for (let address = 0; address < BYTES; address += 4096 + 4)
      expect(memory.readU32(hostPhysicalAddress(address))).toBe(0);
    memory.checkInvariants();
  });
});

describe('physical memory', () => {
  it.each([1, 2, 3, 65_537, 4 * PAGE_BYTES + 6])('has no word at %d', (address) => {
    const memory = new PhysicalMemory(PAGES);
    const message = 'expected an address that is a multiple of 4';
    expect(() => memory.readU32(hostPhysicalAddress(address))).toThrow(message);
    expect(() => memory.writeU32(hostPhysicalAddress(address), 1)).toThrow(message);
    expect(() => memory.readU64(hostPhysicalAddress(address))).toThrow(message);
    expect(() => memory.writeU64(hostPhysicalAddress(address), 1n)).toThrow(message);
    expect(memory.touchedBytes).toBe(0);
  });

  it('reads and writes 64-bit words little-endian', () => {
    const memory = new PhysicalMemory(1);
    memory.writeU64(hostPhysicalAddress(8), 0x0123456789abcdefn);
    expect(memory.readU64(hostPhysicalAddress(8))).toBe(0x0123456789abcdefn);
    expect(memory.readU32(hostPhysicalAddress(8))).toBe(0x89abcdef);
    const byte = new Uint8Array(1);
    memory.read(hostPhysicalAddress(8), 1, byte, 0);
    expect(byte[0]).toBe(0xef);
  });

  it('costs what is touched: 24 guests of 128 MB, one page each, cost 24 pieces of 1 MB', () => {
    const guestBytes = 128 * 2 ** 20;
    const memory = new PhysicalMemory((24 * guestBytes) / PAGE_BYTES);
    const target = new Uint8Array(PAGE_BYTES);
    for (let guest = 0; guest < 24; guest += 1)
      memory.read(hostPhysicalAddress(guest * guestBytes), PAGE_BYTES, target, 0);
    memory.fill(hostPhysicalAddress(0), memory.bytes, 0);
    expect(memory.touchedBytes).toBe(0);
    for (let guest = 0; guest < 24; guest += 1)
      memory.writeU32(hostPhysicalAddress(guest * guestBytes), guest + 1);
    expect(memory.touchedBytes).toBe(24 * 2 ** 20);
  });

  it('ends where it ends', () => {
    const memory = new PhysicalMemory(2);
    expect(memory.contains(hostPhysicalAddress(8191), 1)).toBe(true);
    expect(memory.contains(hostPhysicalAddress(8191), 2)).toBe(false);
    expect(memory.contains(hostPhysicalAddress(-1), 1)).toBe(false);
    expect(memory.contains(hostPhysicalAddress(Number.NaN), 1)).toBe(false);
    expect(() => memory.readU32(hostPhysicalAddress(8192))).toThrow(
      /0x2000, expected an address below 0x2000/,
    );
    expect(() => memory.write(hostPhysicalAddress(8190), 4, new Uint8Array(4), 0)).toThrow(RangeError);
  });

  it.each([0, -1, 1.5, 2 ** 26 + 1, Number.NaN])('cannot be built with %s pages', (pages) => {
    expect(() => new PhysicalMemory(pages)).toThrow(/memory\.pages is .*, expected/);
  });

  it('shows a bank what is written to its place, and nothing else', () => {
    const memory = new PhysicalMemory(PAGES);
    const shared = new Uint8Array(3 * PAGE_BYTES);
    memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new ArrayBank(shared));
    memory.writeU32(hostPhysicalAddress(BANK_ALIGNMENT + 8), 0x04030201);
    memory.write(hostPhysicalAddress(BANK_ALIGNMENT + 3 * PAGE_BYTES - 2), 4, Uint8Array.of(5, 6, 7, 8), 0);
    expect([...shared.subarray(8, 12), ...shared.subarray(-2)]).toEqual([1, 2, 3, 4, 5, 6]);
    shared[0] = 99;
    expect(memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT))).toBe(99);
    // What did not fit is RAM of the machine behind the bank.
    expect(memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT + 3 * PAGE_BYTES))).toBe(0x0807);
  });

  it('reads a buffer from a bank with one call', () => {
    const memory = new PhysicalMemory(PAGES);
    const bank = new FileLikeBank(BANK_ALIGNMENT);
    memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), bank);
    memory.read(hostPhysicalAddress(BANK_ALIGNMENT + 100), 9018, new Uint8Array(9018), 0);
    expect(bank.calls).toBe(1);
    memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT));
    expect(bank.calls).toBe(2);
    memory.read(hostPhysicalAddress(0), 9018, new Uint8Array(9018), 0);
    expect(bank.calls).toBe(2);
  });

  it('is zero again where a bank was taken away, and has no trace of what was there before it', () => {
    const memory = new PhysicalMemory(PAGES);
    memory.fill(hostPhysicalAddress(0), BYTES, 0xaa);
    const touched = memory.touchedBytes;
    memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new FileLikeBank(PAGE_BYTES));
    expect(memory.touchedBytes).toBe(touched - BANK_ALIGNMENT);
    expect(memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT))).toBe(0);
    memory.writeU32(hostPhysicalAddress(BANK_ALIGNMENT), 1);
    memory.detachBank(hostPhysicalAddress(BANK_ALIGNMENT));
    expect(memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT))).toBe(0);
    expect(memory.readU32(hostPhysicalAddress(BANK_ALIGNMENT - 4))).toBe(0xaaaaaaaa);
    memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new FileLikeBank(2 * PAGE_BYTES));
    memory.checkInvariants();
  });

  it.each([
    [PAGE_BYTES, PAGE_BYTES, /whole pages at a multiple of 0x100000/],
    [0, 100, /whole pages/],
    [2 * BANK_ALIGNMENT, 129 * PAGE_BYTES, /expected an address below/],
    [BANK_ALIGNMENT, PAGE_BYTES, /two memory banks at 0x100000/],
    [0, BANK_ALIGNMENT + PAGE_BYTES, /two memory banks at 0x0/],
  ])('takes no bank at %d of %d bytes', (address, bytes, message) => {
    const memory = new PhysicalMemory(PAGES);
    memory.attachBank(hostPhysicalAddress(BANK_ALIGNMENT), new FileLikeBank(BANK_ALIGNMENT));
    expect(() => memory.attachBank(hostPhysicalAddress(address), new FileLikeBank(bytes))).toThrow(message);
    memory.checkInvariants();
  });

  it('takes away only a bank that is there', () => {
    const memory = new PhysicalMemory(PAGES);
    expect(() => memory.detachBank(hostPhysicalAddress(0))).toThrow('no memory bank begins at 0x0');
  });
});
