import { describe, expect, it } from 'vitest';
import type { VtdCapabilities } from '../../../../host/iommu/vtd/capabilities.js';
import { RemappingUnit } from '../../../../host/iommu/vtd/remapping-unit.js';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';

const [CCMD, PMEN, PLMBASE, PLMLIMIT, PHMBASE, PHMLIMIT, IOTLB] = [0x28, 0x64, 0x68, 0x6c, 0x70, 0x78, 0xf8];
const GO = 1n << 63n;
const MB_2 = 0x20_0000;

function machine(capabilities: Partial<VtdCapabilities> = {}) {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const { reachable } = memory;
  const unit = new RemappingUnit({ kernel, memory, reachable, sink, interrupts, capabilities });
  return { kernel, sink, unit, registers: unit.registers };
}

describe('invalidation by register (VT-d specification, 6.5.1)', () => {
  it.each([
    ['CCMD', CCMD, 61n],
    ['IOTLB', IOTLB, 60n],
  ])('%s: without its go bit nothing is done, and one under way is not begun again', (_name, at, shift) => {
    const { kernel, sink, registers } = machine();
    const global = 1n << shift;
    registers.write64(at, global);
    expect(sink.take()).toEqual([]);
    registers.write64(at, GO | global);
    expect(sink.take()).toHaveLength(1);
    kernel.run(sink.costNs - 1);
    registers.write64(at, GO | global);
    expect(sink.take()).toEqual([]);
    kernel.run(sink.costNs);
    expect(registers.read64(at) >> 63n).toBe(0n);
    registers.write64(at, GO | global);
    expect(sink.take()).toHaveLength(1);
  });

  it.each([
    [1n, 'context global 9 108 3'],
    [2n, 'context domain 9 108 3'],
    [3n, 'context device 9 108 3'],
  ])('CCMD granularity %d', (granularity, expected) => {
    const { kernel, sink, registers } = machine();
    registers.write64(CCMD, GO | (granularity << 61n) | (3n << 32n) | (0x0108n << 16n) | 9n);
    expect(sink.take()).toEqual([expected]);
    kernel.drain();
    expect((registers.read64(CCMD) >> 59n) & 3n).toBe(granularity);
  });

  it.each([
    [1n, 'iotlb global 5 0 0 all', 1n],
    [2n, 'iotlb domain 5 0 0 all', 2n],
    [3n, 'iotlb page 5 abcd12345000 1 all', 3n],
  ])('IOTLB granularity %d', (granularity, expected, done) => {
    const { kernel, sink, registers } = machine();
    registers.write64(IOTLB - 8, 0xabcd_1234_5000n);
    registers.write64(IOTLB, GO | (granularity << 60n) | (5n << 32n));
    expect(sink.take()).toEqual([expected]);
    kernel.drain();
    expect((registers.read64(IOTLB) >> 57n) & 3n).toBe(done);
  });

  it.each([
    [1n, 'iotlb global 5 0 0 all', 1n],
    [2n, 'iotlb domain 5 0 0 all', 2n],
    [3n, 'iotlb domain 5 0 0 all', 2n],
  ])(
    'IOTLB granularity %d of a unit that cannot pick pages says what was done',
    (granularity, expected, done) => {
      const { kernel, sink, registers } = machine({ pageSelective: false });
      registers.write64(IOTLB, GO | (granularity << 60n) | (5n << 32n));
      expect(sink.take()).toEqual([expected]);
      kernel.drain();
      expect((registers.read64(IOTLB) >> 57n) & 3n).toBe(done);
    },
  );

  it('IVA.AM names up to 2^18 pages, from the first of them on', () => {
    const { kernel, sink, registers } = machine();
    registers.write64(IOTLB - 8, 0x7fff_ffff_f000n | 18n);
    registers.write64(IOTLB, GO | (3n << 60n) | (5n << 32n));
    kernel.drain();
    expect(sink.take()).toEqual([`iotlb page 5 7fffc0000000 ${2 ** 18} all`]);
    registers.write64(IOTLB - 8, 19n);
    registers.write64(IOTLB, GO | (3n << 60n) | (5n << 32n));
    expect([sink.take(), (registers.read64(IOTLB) >> 57n) & 3n]).toEqual([[], 0n]);
  });
});

describe('protected memory regions (VT-d specification, 11.4.10)', () => {
  it('count as they stood when EPM was set: bounds written later wait for the next time', () => {
    const { registers, unit } = machine();
    const blocked = (address: number) => unit.protectedRegions.blocks(hostPhysicalAddress(address), 1);
    registers.write32(PLMBASE, MB_2);
    registers.write32(PLMLIMIT, MB_2);
    registers.write64(PHMBASE, 2n ** 40n);
    registers.write64(PHMLIMIT, 2n ** 40n);
    registers.write32(PMEN, 0x8000_0000);
    registers.write32(PLMBASE, 3 * MB_2);
    registers.write32(PLMLIMIT, 3 * MB_2);
    registers.write64(PHMBASE, 2n ** 41n);
    registers.write64(PHMLIMIT, 2n ** 41n);
    expect([MB_2, 3 * MB_2, 2 ** 40, 2 ** 41].map(blocked)).toEqual([true, false, true, false]);
    registers.write32(PMEN, 0x8000_0000);
    expect([MB_2, 3 * MB_2, 2 ** 40, 2 ** 41].map(blocked)).toEqual([false, true, false, true]);
  });

  it('of one piece each: a limit right below its base switches the region off', () => {
    const { registers, unit } = machine();
    registers.write32(PLMBASE, 2 * MB_2);
    registers.write32(PLMLIMIT, MB_2);
    registers.write64(PHMBASE, 2n ** 40n + BigInt(MB_2));
    registers.write64(PHMLIMIT, 2n ** 40n);
    registers.write32(PMEN, 0x8000_0000);
    const blocked = [MB_2, 2 * MB_2, 2 ** 40, 2 ** 40 + MB_2].map((address) =>
      unit.protectedRegions.blocks(hostPhysicalAddress(address), MB_2),
    );
    expect(blocked).toEqual([false, false, false, false]);
  });
});
