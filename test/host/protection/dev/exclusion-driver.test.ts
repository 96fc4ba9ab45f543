import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../../../host/memory/physical-memory.js';
import { DeviceExclusion } from '../../../../host/protection/dev/device-exclusion.js';
import { ExclusionDriver } from '../../../../host/protection/dev/exclusion-driver.js';
import { DEFAULT_EXCLUSION_UNIT, ExclusionUnit } from '../../../../host/protection/dev/exclusion-unit.js';
import { ExclusionVector } from '../../../../host/protection/dev/exclusion-vector.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { hostPhysicalAddress, pageNumber, requesterId } from '../../../../nic/addresses.js';
import { Machine, PAGE } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';

const GB4 = 2 ** 32;
const TABLE = 0x10_0000;
/** Unit 2 of bus 1. */
const DEVICE = requesterId(0x0110);

function bench() {
  const machine = new Machine(new PlainDma());
  const { host } = machine;
  let reports = 0;
  const unit = new ExclusionUnit(host.memory, DEFAULT_EXCLUSION_UNIT, () => {
    reports += 1;
  });
  const driver = new ExclusionDriver(unit, host.processor, host.hypervisor.account);
  const vector = new ExclusionVector(host.memory, hostPhysicalAddress(TABLE), 0);
  const register = (func: number, index = 0) => {
    unit.writeConfig(4, (func << 8) | index);
    return unit.readConfig(8);
  };
  return {
    host,
    unit,
    driver,
    vector,
    register,
    reports: () => reports,
    cycles: () => host.processor.cyclesOf(host.hypervisor.account),
  };
}

describe('the hypervisor’s driver of the exclusion unit', () => {
  it('reads from the capability how many domains and maps there are', () => {
    const { driver } = bench();
    expect(driver.capability()).toEqual({ domains: 4, maps: 4 });
    const unit = new ExclusionUnit(
      new PhysicalMemory(1),
      { ...DEFAULT_EXCLUSION_UNIT, domains: 64, maps: 255 },
      () => undefined,
    );
    const { host } = bench();
    expect(new ExclusionDriver(unit, host.processor, 0).capability()).toEqual({ domains: 64, maps: 255 });
  });

  it('gives a domain its vector: where it is, how large, valid, and closed beyond', () => {
    const { driver, register, host } = bench();
    driver.setVector(2, new ExclusionVector(host.memory, hostPhysicalAddress(TABLE), 0));
    expect([register(0, 2), register(1, 2), register(0, 1)]).toEqual([TABLE | 3, 0, 0]);
    const far = { base: hostPhysicalAddress(5 * GB4 + 0xfff0_0000), size: 3 };
    driver.setVector(3, Object.assign(Object.create(ExclusionVector.prototype), far));
    expect([register(0, 3), register(1, 3)]).toEqual([0xfff0_0000 + (3 << 2) + 3, 5]);
  });

  it('puts one unit into a map, or two', () => {
    const { driver, unit } = bench();
    driver.setMap(1, { bus: 1, unit0: 2, domain0: 3 });
    driver.setMap(3, { bus: 7, unit0: 31, domain0: 1, unit1: 0, domain1: 2 });
    const domains = [0x0110, 0x0100, 0x07f8, 0x0700, 0x0708].map((id) => unit.domainOf(requesterId(id)));
    expect(domains).toEqual([3, 0, 1, 2, 0]);
  });

  it('switches checks, blocking and reports on together, and keeps them when it invalidates', () => {
    const { driver, register, unit } = bench();
    driver.enable();
    // DEV_CR: bit 0 enables, bit 2 blocks I/O, bit 3 reports.
    expect(register(4)).toBe(0b1101);
    driver.invalidate();
    expect([register(4), unit.invalidations]).toEqual([0b1101, 1]);
  });

  it('pays two configuration accesses for each register that it reads or writes', () => {
    const { driver, vector, host, cycles } = bench();
    const { configAccess } = host.processor.costs;
    const costs = [
      () => driver.capability(),
      () => driver.setVector(1, vector),
      () => driver.setMap(0, { bus: 1, unit0: 2, domain0: 1 }),
      () => driver.enable(),
      // Asks, and looks once whether it is done.
      () => driver.invalidate(),
      () => driver.takeError(),
    ].map((work) => {
      const before = cycles();
      work();
      return (cycles() - before) / configAccess;
    });
    expect(costs).toEqual([2, 4, 2, 2, 4, 2]);
  });

  it('takes the error that was caught, once: where, which way, and whether there were more', () => {
    const { driver, unit, vector, reports } = bench();
    expect(driver.takeError()).toBeUndefined();
    driver.setVector(1, vector);
    driver.setMap(0, { bus: 1, unit0: 2, domain0: 1 });
    driver.enable();
    const touch = (address: number, write: boolean) => reachedThrough(unit, DEVICE, address, 4, write);
    touch(0x1234_5670, true);
    expect(driver.takeError()).toEqual({ address: 0x1234_5670, write: true, overflowed: false });
    expect(driver.takeError()).toBeUndefined();
    touch(7 * GB4 + 0x8000_0010, false);
    touch(0x2000, true);
    expect(driver.takeError()).toEqual({ address: 7 * GB4 + 0x8000_0010, write: false, overflowed: true });
    expect([driver.takeError(), reports()]).toEqual([undefined, 2]);
  });
});

describe('an exclusion vector', () => {
  it('excludes every page at first, and then just those that it is told to', () => {
    const memory = new PhysicalMemory(1024);
    const vector = new ExclusionVector(memory, hostPhysicalAddress(TABLE), 0);
    const page = fc.oneof(fc.nat(0xfffff), fc.nat(70));
    const set = new Set<number>();
    fc.assert(
      fc.property(page, fc.boolean(), (at, permits) => {
        expect(vector.excludes(pageNumber(at))).toBe(!set.has(at));
        if (permits) vector.permit(pageNumber(at));
        else vector.exclude(pageNumber(at));
        if (permits) set.add(at);
        else set.delete(at);
        expect(vector.excludes(pageNumber(at))).toBe(!permits);
        const byte = new Uint8Array(1);
        memory.read(hostPhysicalAddress(TABLE + Math.floor(at / 8)), 1, byte, 0);
        expect(((byte[0] ?? 0) >> (at % 8)) & 1).toBe(permits ? 0 : 1);
      }),
    );
  });

  it('takes 128 KB for 4 GB, and twice as much for each size more', () => {
    expect([0, 1, 4].map((size) => ExclusionVector.bytes(size))).toEqual([2 ** 17, 2 ** 18, 2 ** 21]);
    const sizes = [PAGE, GB4 - PAGE, GB4, GB4 + PAGE, 2 * GB4, 2 * GB4 + PAGE, 16 * GB4];
    expect(sizes.map((bytes) => ExclusionVector.sizeFor(bytes))).toEqual([0, 0, 0, 1, 1, 2, 4]);
    const memory = new PhysicalMemory(1024);
    const vector = new ExclusionVector(memory, hostPhysicalAddress(TABLE), 1);
    expect([vector.base, vector.size]).toEqual([TABLE, 1]);
    expect(memory.readU32(hostPhysicalAddress(TABLE + 2 ** 18 - 4))).toBe(0xffff_ffff);
    expect(memory.readU32(hostPhysicalAddress(TABLE + 2 ** 18))).toBe(0);
  });

  it('of a machine of more than 4 GB covers all of it: its last page is closed and opened as any other', () => {
    const machine = new Machine(new DeviceExclusion(), { host: { memoryBytes: 2 * GB4 } });
    const { protection, pages } = machine.host;
    const guest = machine.guest(1);
    machine.run();
    const [last = pageNumber(0)] = guest.domain.allocate(pages.freePages).slice(-1);
    expect(last * PAGE).toBeGreaterThan(GB4);
    const id = requesterId(0x100 + guest.port.context);
    const passes = () => reachedThrough(protection.gate, id, last * PAGE, 4, true) === last * PAGE;
    expect(passes()).toBe(true);
    guest.domain.release(last);
    expect(passes()).toBe(false);
    expect(reachedThrough(protection.gate, id, 2 * GB4, 4, true), 'behind the end').toBeLessThan(0);
  });
});

describe('lines of vectors that the unit keeps', () => {
  it('are its domain’s own, whatever else is looked up between and however few there are', () => {
    const lookUp = fc.record({
      domain: fc.integer({ min: 1, max: 3 }),
      page: fc.integer({ min: 0, max: 4 }).chain((line) => fc.nat(511).map((at) => line * 512 + at)),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(2559)), {
          maxLength: 60,
          selector: ([domain, page]) => `${domain} ${page}`,
        }),
        fc.array(lookUp, { maxLength: 60 }),
        fc.constantFrom(1, 2, 4, 8),
        (excluded, asked, cacheLines) => {
          const memory = new PhysicalMemory(1024);
          const unit = new ExclusionUnit(memory, { ...DEFAULT_EXCLUSION_UNIT, cacheLines }, () => undefined);
          const { host } = bench();
          const driver = new ExclusionDriver(unit, host.processor, 0);
          const vectors = [1, 2, 3].map((domain) => {
            const vector = new ExclusionVector(memory, hostPhysicalAddress(TABLE * domain), 0);
            for (let page = 0; page < 2560; page += 1) vector.permit(pageNumber(page));
            driver.setVector(domain, vector);
            driver.setMap(domain, { bus: domain, unit0: 0, domain0: domain });
            return vector;
          });
          driver.enable();
          for (const [domain, page] of excluded) vectors[domain - 1]?.exclude(pageNumber(page));
          for (const { domain, page } of asked) {
            const id = requesterId(domain << 8);
            const isExcluded = excluded.some(([of, at]) => of === domain && at === page);
            expect(reachedThrough(unit, id, page * PAGE, 4, false) < 0).toBe(isExcluded);
            const word = unit.wordOf(id, hostPhysicalAddress(page * PAGE));
            expect(((memory.readU32(hostPhysicalAddress(word)) >>> (page & 31)) & 1) === 1).toBe(isExcluded);
          }
          expect(unit.checks).toBe(asked.length);
          expect(unit.walks).toBeLessThanOrEqual(asked.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are nowhere for a device whose domain has no vector, and for memory that none covers', () => {
    const { driver, unit, vector } = bench();
    driver.setMap(0, { bus: 1, unit0: 2, domain0: 1 });
    const wordOf = (address: number) => unit.wordOf(DEVICE, hostPhysicalAddress(address));
    expect(wordOf(0)).toBe(-1);
    driver.setVector(1, vector);
    expect([0, 31 * PAGE, 32 * PAGE, GB4 - 1, GB4].map(wordOf)).toEqual([
      TABLE,
      TABLE,
      TABLE + 4,
      TABLE + 2 ** 17 - 4,
      -1,
    ]);
    expect(unit.wordOf(requesterId(0x0118), hostPhysicalAddress(0)), 'of domain 0').toBe(-1);
  });

  it('are read where the upper half of the base says', () => {
    // A memory that is asked for a word says where it lies.
    const asked: number[] = [];
    const unit = new ExclusionUnit(
      {
        readU32: (address) => {
          asked.push(address);
          return 0;
        },
      },
      DEFAULT_EXCLUSION_UNIT,
      () => undefined,
    );
    const { host } = bench();
    const driver = new ExclusionDriver(unit, host.processor, 0);
    const base = hostPhysicalAddress(3 * GB4 + 0x8000_0000);
    driver.setVector(0, Object.assign(Object.create(ExclusionVector.prototype), { base, size: 0 }));
    driver.enable();
    reachedThrough(unit, DEVICE, 512 * PAGE, 4, false);
    expect(asked).toEqual(Array.from({ length: 16 }, (_, word) => base + 64 + word * 4));
    expect(unit.wordOf(DEVICE, hostPhysicalAddress(512 * PAGE))).toBe(base + 64);
  });
});

describe('a unit that can be', () => {
  const make = (options: Partial<typeof DEFAULT_EXCLUSION_UNIT>) => () => new DeviceExclusion({ ...options });

  it.each([
    [{ domains: 2 }],
    [{ domains: 64 }],
    [{ maps: 1 }],
    [{ maps: 255 }],
    [{ cacheLines: 1 }],
    [{ cacheLines: 4096 }],
    [{ walkNs: 0 }],
    [{ walkNs: 1_000_000 }],
  ])('has %o', (options) => {
    expect(make(options)).not.toThrow();
  });

  it.each([
    [{ domains: 65 }, 'dev.domains is 65, expected a whole number from 2 to 64'],
    [{ domains: 2.5 }, 'dev.domains is 2.5'],
    [{ maps: 256 }, 'dev.maps is 256, expected a whole number from 1 to 255'],
    [{ cacheLines: 0 }, 'dev.cacheLines is 0, expected a whole number from 1 to 4096'],
    [{ cacheLines: 8192 }, 'dev.cacheLines is 8192'],
    [{ walkNs: 1_000_001 }, 'dev.walkNs is 1000001, expected a whole number from 0 to 1000000'],
  ])('has not %o', (options, message) => {
    expect(make(options)).toThrow(message);
  });
});
