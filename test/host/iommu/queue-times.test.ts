import { describe, expect, it } from 'vitest';
import { writeCommand } from '../../../host/iommu/amdvi/commands.js';
import { AmdviUnit } from '../../../host/iommu/amdvi/unit.js';
import { InterruptResult } from '../../../host/iommu/interrupt-remapping.js';
import { WalkResult } from '../../../host/iommu/table-walker.js';
import { ContextCache } from '../../../host/iommu/translation/context-cache.js';
import { timingParameters } from '../../../host/iommu/translation/parameters.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../host/iommu/vtd/capabilities.js';
import { writeDescriptor } from '../../../host/iommu/vtd/invalidation-descriptors.js';
import { RemappingUnit } from '../../../host/iommu/vtd/remapping-unit.js';
import { VtdWalker } from '../../../host/iommu/vtd/walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../nic/addresses.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from './support/recording-sink.js';
import { SparseMemory } from './support/sparse-memory.js';

const QUEUE = 0x2_0000;
const DEVICES = 0x1_0000;
const DEVICE = requesterId(5);
const TIMING = { descriptorFetchNs: 50, statusWriteNs: 10, deviceTimeoutNs: 5_000 };

function amdvi() {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  for (const page of [0, DEVICES, QUEUE, 0x3_0000]) memory.add(page);
  const sink = new RecordingSink();
  const unit = new AmdviUnit({
    kernel,
    memory,
    reachable: memory.reachable,
    sink,
    interrupts: new RecordingInterrupts(),
    timing: TIMING,
  });
  const write = (offset: number, value: bigint) => unit.registers.write64(offset, value);
  write(0x00, BigInt(DEVICES));
  write(0x08, (8n << 56n) | BigInt(QUEUE));
  write(0x10, (8n << 56n) | 0x3_0000n);
  write(0x18, 1n | (1n << 2n) | (1n << 12n));
  return { kernel, memory, sink, unit, write };
}

function vtd() {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  memory.add(QUEUE);
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const unit = new RemappingUnit({
    kernel,
    memory,
    reachable: memory.reachable,
    sink,
    interrupts,
    timing: TIMING,
  });
  const { registers } = unit;
  registers.write64(0x90, BigInt(QUEUE));
  registers.write32(0x18, 0x0400_0000);
  const place = (slot: number, descriptor: Parameters<typeof writeDescriptor>[2]) =>
    writeDescriptor(memory, hostPhysicalAddress(QUEUE + slot * 16), descriptor);
  return { kernel, memory, sink, interrupts, unit, registers, place };
}

describe('AMD-Vi: INVALIDATE_IOMMU_ALL (48882, 2.4.8)', () => {
  it('takes the time of the device table’s cache and that of the IOTLB, one after the other', () => {
    const { kernel, memory, sink, write, unit } = amdvi();
    writeCommand(memory, hostPhysicalAddress(QUEUE), { type: 'invalidate-all' });
    write(0x2008, 16n);
    kernel.run(TIMING.descriptorFetchNs + 2 * sink.costNs - 1);
    expect(unit.registers.read32(0x2000)).toBe(0);
    kernel.run(TIMING.descriptorFetchNs + 2 * sink.costNs);
    expect(unit.registers.read32(0x2000)).toBe(16);
  });
});

describe('AMD-Vi: COMPLETION_WAIT (48882, 2.4.1)', () => {
  it('stores its data only with S set, wherever its address is', () => {
    const { kernel, memory, write } = amdvi();
    memory.writeU64(0, 0x1234n);
    memory.writeU64(0x3_0800, 0x5678n);
    writeCommand(memory, hostPhysicalAddress(QUEUE), { type: 'completion-wait', data: 99n });
    writeCommand(memory, hostPhysicalAddress(QUEUE + 16), {
      type: 'completion-wait',
      data: 0x1_0000_0002n,
      storeAddress: hostPhysicalAddress(0x3_0800),
    });
    write(0x2008, 32n);
    kernel.drain();
    expect([memory.readU64(0), memory.readU64(0x3_0800)]).toEqual([0x1234n, 0x1_0000_0002n]);
  });
});

describe('AMD-Vi: interrupt tables (48882, 2.2.5)', () => {
  it('lie above 4 GB too', () => {
    const { memory, unit } = amdvi();
    const table = 7 * 2 ** 32 + 0x8000_0000;
    // IV, IntTabLen 8 (256 entries), IntCtl 2: remapped.
    memory.writeU64(DEVICES + DEVICE * 32, 3n);
    memory.writeU64(DEVICES + DEVICE * 32 + 16, BigInt(table) | 1n | (8n << 1n) | (2n << 60n));
    memory.writeU64(table + 4 * 3, 0n);
    // RemapEn, fixed, vector 0x51.
    memory.writeU32(table + 4 * 3, 1 | (0x51 << 16));
    const out = new InterruptResult();
    unit.remapInterrupt(DEVICE, 0xfee0_0000, 3, out);
    expect([out.delivered, out.vector]).toEqual([true, 0x51]);
  });
});

describe('VT-d: the invalidation queue (specification 6.5.2)', () => {
  it('is not begun anew by a command that leaves QIE as it is', () => {
    const { kernel, registers, sink, place } = vtd();
    for (const slot of [0, 1, 2]) place(slot, { type: 'context', granularity: 'global' });
    registers.write64(0x88, 32n);
    kernel.drain();
    expect([registers.read32(0x80), sink.take().length]).toEqual([32, 2]);
    registers.write32(0x18, 0x0400_0000);
    registers.write64(0x88, 48n);
    kernel.drain();
    expect([registers.read32(0x80), sink.take().length]).toEqual([48, 1]);
  });

  it.each([0x7000, 0xffff_f000, 5 * 2 ** 32 + 0x1000, 2 ** 47 - 0x2000])(
    'invalidates the page at %d, above 4 GB as below',
    (address) => {
      const { kernel, registers, sink, place } = vtd();
      place(0, { type: 'iotlb', granularity: 'page', domainId: 9, address: ioVirtualAddress(address) });
      registers.write64(0x88, 16n);
      kernel.drain();
      expect(sink.take()).toEqual([`iotlb page 9 ${address.toString(16)} 1 all`]);
    },
  );

  it('holds its interrupt back while IECTL.IM is set, and sends it when it is not any more (10.4.22)', () => {
    const { kernel, registers, interrupts, place } = vtd();
    const [masked, pending] = [0x8000_0000, 0x4000_0000];
    registers.write32(0xa0, masked);
    place(0, { type: 'wait', interrupt: true });
    registers.write64(0x88, 16n);
    kernel.drain();
    expect([interrupts.take(), registers.read32(0xa0) >>> 0]).toEqual([[], (masked | pending) >>> 0]);
    registers.write32(0xa0, 0);
    expect(interrupts.take()).toHaveLength(1);
    expect([registers.read32(0xa0), registers.read32(0x9c)]).toEqual([0, 1]);
  });

  it('takes a device that answers at once for one that answers', () => {
    const { kernel, registers, sink, place } = vtd();
    sink.costNs = 0;
    place(0, { type: 'device-tlb', requesterId: DEVICE, address: ioVirtualAddress(0x5000) });
    registers.write64(0x88, 16n);
    kernel.drain();
    // FSTS.ITE
    expect([registers.read32(0x34) & 0x40, registers.read32(0x80)]).toEqual([0, 16]);
  });
});

describe('VT-d: invalidation by register (6.5.1.2)', () => {
  it('of a domain looks at no address mask: what is too large for a page is nothing to it', () => {
    const kernel = new EventKernel();
    const memory = new SparseMemory();
    const sink = new RecordingSink();
    const { registers } = new RemappingUnit({
      kernel,
      memory,
      reachable: memory.reachable,
      sink,
      interrupts: new RecordingInterrupts(),
      capabilities: { maxAddressMask: 4 },
    });
    // IVA, then IOTLB.
    registers.write64(0xf0, 63n);
    registers.write64(0xf8, (1n << 63n) | (2n << 60n) | (9n << 32n));
    kernel.drain();
    expect(sink.take()).toEqual(['iotlb domain 9 0 0 all']);
  });
});

describe('VT-d: a page that is there and may not be used so', () => {
  it('is not absent: caching mode keeps absent pages alone (6.1)', () => {
    const [root, contexts, top, middle, leaf] = [0x1000, 0x2000, 0x3000, 0x4000, 0x5000];
    const memory = new SparseMemory();
    for (const page of [root, contexts, top, middle, leaf]) memory.add(page);
    memory.writeU64(root, BigInt(contexts) | 1n);
    memory.writeU64(contexts + 5 * 16, BigInt(top) | 1n);
    // AW 1: three levels.
    memory.writeU64(contexts + 5 * 16 + 8, (7n << 8n) | 1n);
    memory.writeU64(top, BigInt(middle) | 3n);
    memory.writeU64(middle, BigInt(leaf) | 3n);
    memory.writeU64(leaf, 0x9000n | 1n);
    memory.writeU64(leaf + 8, 0n);
    const walker = new VtdWalker(memory, DEFAULT_VTD_CAPABILITIES, memory.reachable);
    walker.rootTable = hostPhysicalAddress(root);
    const out = new WalkResult();
    walker.walk(DEVICE, ioVirtualAddress(0), true, out);
    const permission = [out.ok, out.absent];
    walker.walk(DEVICE, ioVirtualAddress(0x1000), true, out);
    expect([permission, [out.ok, out.absent]]).toEqual([
      [false, 'nothing'],
      [false, 'page'],
    ]);
  });
});

describe('a cache of context entries', () => {
  it('forgets everything, a domain, or a function, and keeps what settles a request by itself', () => {
    const words = new Uint32Array(8);
    const make = () => {
      const cache = new ContextCache(16, 16, 'lru', 1);
      cache.insert(requesterId(0x100), 2, false, 3, words);
      cache.insert(requesterId(0x101), 3, true, 3, words);
      cache.insert(requesterId(0x102), 2, false, 3, words);
      return cache;
    };
    const held = (cache: ContextCache) => [0x100, 0x101, 0x102].map((id) => cache.find(requesterId(id)) >= 0);
    const cache = make();
    expect([0x100, 0x101].map((id) => cache.decides(cache.find(requesterId(id))))).toEqual([false, true]);
    cache.invalidate('global', 0, requesterId(0), 0);
    expect(held(cache)).toEqual([false, false, false]);
    const byDomain = make();
    byDomain.invalidate('domain', 2, requesterId(0), 0);
    expect(held(byDomain)).toEqual([false, true, false]);
    const byFunction = make();
    byFunction.invalidate('device', 2, requesterId(0x100), 0);
    expect(held(byFunction)).toEqual([false, true, true]);
  });
});

describe('timing parameters', () => {
  it.each([
    ['iotlbEntries', 65_536, true],
    ['iotlbEntries', 131_072, false],
    ['walkers', 1, true],
    ['walkers', 0, false],
    ['walkers', 65_537, false],
    ['pageInvalidationNs', 0, true],
    ['pageInvalidationNs', 1e9, true],
    ['pageInvalidationNs', 1e9 + 1, false],
    ['pageInvalidationNs', -1, false],
  ] as const)('%s of %d: %s', (name, value, can) => {
    const make = () =>
      timingParameters({ [name]: value, ...(name === 'iotlbEntries' ? { iotlbWays: 1 } : {}) });
    if (can) expect(make()[name]).toBe(value);
    else expect(make).toThrow(new RegExp(`${name} is ${value}`));
  });
});
