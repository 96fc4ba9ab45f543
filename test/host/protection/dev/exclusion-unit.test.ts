import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DENIED } from '../../../../host/bus/access-gate.js';
import { PhysicalMemory } from '../../../../host/memory/physical-memory.js';
import { DEFAULT_EXCLUSION_UNIT, ExclusionUnit } from '../../../../host/protection/dev/exclusion-unit.js';
import { hostPhysicalAddress, requesterId } from '../../../../nic/addresses.js';
import { reachedThrough } from '../../support/places.js';

// The registers as AMD's drivers know them, written out once more.
const FUNCTION_INDEX = 4;
const DATA = 8;
const [BASE_LO, BASE_HI, MAP, CAP, CR, ERR_STATUS, ERR_ADDR_LO, ERR_ADDR_HI] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;
const ENABLE = 1 << 0;
const REPORT = 1 << 3;
const INVALIDATE = 1 << 4;
const PROTECT_LOADER = 1 << 5;

const TABLE = 0x100000;
const PAGE = 4096;

class Bench {
  readonly memory = new PhysicalMemory(1024);
  reports = 0;
  readonly unit = new ExclusionUnit(this.memory, DEFAULT_EXCLUSION_UNIT, () => {
    this.reports += 1;
  });

  write(func: number, index: number, value: number): void {
    this.unit.writeConfig(FUNCTION_INDEX, (func << 8) | index);
    this.unit.writeConfig(DATA, value);
  }

  read(func: number, index = 0): number {
    this.unit.writeConfig(FUNCTION_INDEX, (func << 8) | index);
    return this.unit.readConfig(DATA);
  }

  /** byte = page / 8, bit = page mod 8. */
  exclude(page: number, table = TABLE): void {
    const byte = new Uint8Array(1);
    this.memory.read(hostPhysicalAddress(table + (page >> 3)), 1, byte, 0);
    byte[0] = (byte[0] ?? 0) | (1 << (page & 7));
    this.memory.write(hostPhysicalAddress(table + (page >> 3)), 1, byte, 0);
  }

  passes(requester: number, address: number, write = false, length = 4): boolean {
    const answer = reachedThrough(this.unit, requester, address, length, write);
    expect([address, DENIED]).toContain(answer);
    return answer === address;
  }
}

/** Unit 2 of bus 1 in domain 1 with a table at TABLE that covers 4 GB; everything enabled. */
function ready(control = ENABLE): Bench {
  const bench = new Bench();
  bench.write(BASE_LO, 1, TABLE | 1);
  bench.write(MAP, 0, 2 | (1 << 5) | (1 << 12) | (1 << 20));
  bench.write(CR, 0, control);
  return bench;
}
const DEVICE = (1 << 8) | (2 << 3);

describe("AMD's exclusion unit", () => {
  it('shows its capability block', () => {
    const bench = new Bench();
    expect(bench.unit.readConfig(0) & 0xff).toBe(0x0f);
    expect((bench.unit.readConfig(0) >>> 16) & 7).toBe(0);
    expect((bench.read(CAP) >>> 8) & 0xff).toBe(4);
    expect((bench.read(CAP) >>> 16) & 0xff).toBe(4);
    expect(bench.unit.readConfig(FUNCTION_INDEX)).toBe(3 << 8);
    // Behind the block there is nothing, whatever register is chosen; and a write there chooses none.
    bench.unit.writeConfig(12, 0xffff);
    expect([12, 16, 0x100].map((offset) => bench.unit.readConfig(offset))).toEqual([0, 0, 0]);
    expect(bench.unit.readConfig(FUNCTION_INDEX)).toBe(3 << 8);
  });

  it('lets everything pass until it is enabled and the domain has a valid table', () => {
    const bench = ready(0);
    bench.exclude(5);
    expect(bench.passes(DEVICE, 5 * PAGE)).toBe(true);
    bench.write(CR, 0, ENABLE);
    expect(bench.passes(DEVICE, 5 * PAGE)).toBe(false);
    bench.write(BASE_LO, 1, TABLE);
    expect(bench.passes(DEVICE, 5 * PAGE)).toBe(true);
  });

  it('a map that names a domain which the unit does not have excludes nothing', () => {
    const bench = ready();
    bench.exclude(5);
    bench.write(MAP, 0, 2 | (1 << 5) | (1 << 12) | (63 << 20));
    expect(bench.unit.domainOf(requesterId(DEVICE))).toBe(63);
    expect(bench.passes(DEVICE, 5 * PAGE)).toBe(true);
    expect([bench.read(BASE_LO, 63), bench.read(MAP, 200)]).toEqual([0, 0]);
  });

  it('blocks the page whose bit is set, reads and writes, and its neighbours not', () => {
    const bench = ready();
    for (const frame of [0, 7, 8, 31, 32, 511, 512, 0xfffff]) bench.exclude(frame);
    for (const frame of [0, 7, 8, 31, 32, 511, 512, 0xfffff]) {
      for (const write of [false, true]) {
        expect(bench.passes(DEVICE, frame * PAGE, write)).toBe(false);
        expect(bench.passes(DEVICE, frame * PAGE + 4092, write)).toBe(false);
      }
    }
    for (const frame of [1, 6, 9, 30, 33, 510, 513, 0xffffe])
      expect(bench.passes(DEVICE, frame * PAGE)).toBe(true);
  });

  it.each([
    [0x0110, 1],
    [0x0117, 1],
    [0x010f, 0],
    [0x0118, 2],
    [0x011f, 2],
    [0x0120, 0],
    [0x0210, 0],
    [0x0010, 0],
  ])('knows requester %s by bus and unit, not by function: domain %s', (requester, domain) => {
    const bench = new Bench();
    // unit0 = 2 in domain 1, unit1 = 3 in domain 2, bus 1.
    bench.write(MAP, 1, 2 | (1 << 5) | (3 << 6) | (1 << 11) | (1 << 12) | (1 << 20) | (2 << 26));
    expect(bench.unit.domainOf(requesterId(requester))).toBe(domain);
  });

  it('covers 4 GB x 2^size, and lets the protect bit say what happens beyond', () => {
    for (const size of [0, 1, 3]) {
      const bench = ready();
      const end = 2 ** (32 + size);
      bench.write(BASE_LO, 1, TABLE | (size << 2) | 1);
      expect(bench.passes(DEVICE, end)).toBe(true);
      bench.write(BASE_LO, 1, TABLE | (size << 2) | 3);
      expect(bench.passes(DEVICE, end)).toBe(false);
      expect(bench.passes(DEVICE, 2 ** 47)).toBe(false);
      expect(bench.passes(DEVICE, end - PAGE)).toBe(true);
      bench.exclude(end / PAGE - 1);
      bench.write(CR, 0, ENABLE | INVALIDATE);
      expect(bench.passes(DEVICE, end - 1, false, 1)).toBe(false);
    }
  });

  it('goes by what it has read of a table until bit 4 of the control register makes it forget', () => {
    const bench = ready();
    expect(bench.passes(DEVICE, 9 * PAGE)).toBe(true);
    bench.exclude(9);
    expect(bench.passes(DEVICE, 9 * PAGE), 'the old line is still in the walk cache').toBe(true);
    expect(bench.unit.delayNs).toBe(0);
    bench.write(CR, 0, ENABLE | INVALIDATE);
    expect(bench.read(CR), 'bit 4 clears itself').toBe(ENABLE);
    expect(bench.passes(DEVICE, 9 * PAGE)).toBe(false);
    expect(bench.unit.delayNs).toBe(DEFAULT_EXCLUSION_UNIT.walkNs);
    expect(bench.unit.walks).toBe(2);
  });

  it('captures the first error, notes that there were more, and reports if asked to', () => {
    const bench = ready(ENABLE | REPORT);
    bench.exclude(0x1234);
    bench.exclude(0x1235);
    bench.passes(DEVICE, 0x1234567, true);
    expect(bench.read(ERR_STATUS)).toBe((0x80000000 | (1 << 29) | (1 << 5) | (2 << 2) | 2) >>> 0);
    expect(bench.read(ERR_ADDR_LO)).toBe(0x1234564);
    bench.passes(DEVICE, 0x1235000, false);
    expect(bench.read(ERR_STATUS) & (1 << 30)).not.toBe(0);
    expect(bench.read(ERR_STATUS) & 3).toBe(2);
    expect(bench.read(ERR_ADDR_LO)).toBe(0x1234564);
    expect(bench.unit.errorsLost).toBe(1);
    bench.write(ERR_STATUS, 0, 0);
    bench.passes(DEVICE, 0x1235000, false);
    expect(bench.read(ERR_STATUS)).toBe((0x80000000 | (1 << 29) | (1 << 5) | (2 << 2) | 1) >>> 0);
    expect(bench.reports).toBe(2);
    bench.write(CR, 0, ENABLE);
    bench.write(ERR_STATUS, 0, 0);
    bench.write(BASE_LO, 1, TABLE | 3);
    bench.passes(DEVICE, 0xab_1234_5678, true);
    expect([bench.read(ERR_ADDR_HI), bench.read(ERR_ADDR_LO)]).toEqual([0xab, 0x12345678]);
    expect(bench.reports).toBe(2);
  });

  it("protects the secure loader's 64 KB from every device, table or not", () => {
    const bench = new Bench();
    bench.unit.setLoaderBlock(hostPhysicalAddress(0x40000));
    bench.write(CR, 0, ENABLE | PROTECT_LOADER);
    for (const [address, passes] of [
      [0x3fffc, true],
      [0x3fffd, false],
      [0x40000, false],
      [0x4fffc, false],
      [0x50000, true],
    ] as const)
      expect(bench.passes(DEVICE, address)).toBe(passes);
    bench.write(CR, 0, ENABLE);
    expect(bench.passes(DEVICE, 0x40000)).toBe(true);
  });

  it('keeps the bits that are there and drops the others', () => {
    const bench = new Bench();
    for (let domain = 0; domain < 4; domain += 1) {
      bench.write(BASE_LO, domain, 0xffffffff);
      bench.write(BASE_HI, domain, 0xffffffff);
      expect(bench.read(BASE_LO, domain)).toBe(0xfffff07f);
      expect(bench.read(BASE_HI, domain)).toBe(0xffff);
    }
    bench.write(CR, 0, 0xffffffff);
    expect(bench.read(CR)).toBe(0x6d);
    bench.write(CAP, 0, 0);
    expect(bench.read(CAP)).not.toBe(0);
    bench.write(BASE_LO, 4, 1);
    expect(bench.read(BASE_LO, 4)).toBe(0);
    bench.write(8, 0, 1);
    expect(bench.read(8)).toBe(0);
  });

  it('agrees with the bits in memory once its cache is invalidated, for any table', () => {
    const frame = fc.oneof(fc.nat(0xfffff), fc.nat(2000));
    fc.assert(
      fc.property(
        fc.uniqueArray(frame, { maxLength: 40 }),
        fc.array(frame, { maxLength: 40 }),
        (blocked, asked) => {
          const bench = ready();
          for (const one of blocked) bench.exclude(one);
          const set = new Set(blocked);
          for (const one of [...asked, ...blocked])
            expect(bench.passes(DEVICE, one * PAGE + 8)).toBe(!set.has(one));
        },
      ),
    );
  });

  it.each([
    [{ domains: 1 }, /dev\.domains is 1, expected/],
    [{ maps: 0 }, /dev\.maps is 0, expected/],
    [{ cacheLines: 12 }, /dev\.cacheLines is 12, expected a power of two/],
    [{ walkNs: -1 }, /dev\.walkNs is -1, expected/],
  ])('cannot be built with %o', (options, message) => {
    const make = () =>
      new ExclusionUnit(new PhysicalMemory(1), { ...DEFAULT_EXCLUSION_UNIT, ...options }, () => {});
    expect(make).toThrow(message);
  });
});
