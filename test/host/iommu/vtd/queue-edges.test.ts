import { describe, expect, it } from 'vitest';
import { InterruptResult } from '../../../../host/iommu/interrupt-remapping.js';
import { ContextTables } from '../../../../host/iommu/vtd/context-tables.js';
import {
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../../../host/iommu/vtd/invalidation-descriptors.js';
import { RemappingUnit } from '../../../../host/iommu/vtd/remapping-unit.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { CountingPages, SparseMemory } from '../support/sparse-memory.js';

const [GCMD, GSTS, CCMD, IQH, IQT, IQA, IRTA] = [0x18, 0x1c, 0x28, 0x80, 0x88, 0x90, 0xb8];
const [QIE, IRE, SIRTP] = [0x0400_0000, 0x0200_0000, 0x0100_0000];
const [QUEUE, OTHER_QUEUE, TABLE] = [0x2_0000, 0x3_0000, 0x4_0000];
const DEVICE = requesterId(0x0108);
const FETCH_NS = 50;

function machine() {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  for (const page of [QUEUE, OTHER_QUEUE, TABLE]) memory.add(page);
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const timing = { descriptorFetchNs: FETCH_NS, statusWriteNs: 10, deviceTimeoutNs: 5000 };
  const { reachable } = memory;
  const unit = new RemappingUnit({ kernel, memory, reachable, sink, interrupts, timing });
  const { registers } = unit;
  const write = (offset: number, value: number) => registers.write32(offset, value);
  const start = (queue = QUEUE) => {
    registers.write64(IQT, 0n);
    registers.write64(IQA, BigInt(queue));
    write(GCMD, QIE);
  };
  const place = (queue: number, slot: number, descriptor: InvalidationDescriptor) =>
    writeDescriptor(memory, hostPhysicalAddress(queue + slot * 16), descriptor);
  return { kernel, memory, sink, unit, registers, write, start, place };
}

describe('a device-TLB descriptor (VT-d specification, 6.5.2.5; sizes as PCIe ATS encodes them)', () => {
  const at = 0x7654_3210_f000;
  it.each([
    [at, 0],
    [at, 1],
    [at, 5],
    [at, 19],
    [at, 20],
    [2 ** 46, 30],
  ])('at %d of 2^%d pages reaches the device as that range', (address, order) => {
    const { kernel, sink, registers, start, place } = machine();
    start();
    place(QUEUE, 0, { type: 'device-tlb', requesterId: DEVICE, address: ioVirtualAddress(address), order });
    registers.write64(IQT, 16n);
    kernel.drain();
    const size = 4096 * 2 ** order;
    expect(sink.take()).toEqual([`device 108 ${(address - (address % size)).toString(16)} ${2 ** order}`]);
  });

  it('of everything reaches it as everything', () => {
    const { kernel, sink, registers, start, place } = machine();
    start();
    const all = { address: ioVirtualAddress(0), order: 'all' } as const;
    place(QUEUE, 0, { type: 'device-tlb', requesterId: DEVICE, ...all });
    registers.write64(IQT, 16n);
    kernel.drain();
    expect(sink.take()).toEqual(['device 108 0 Infinity']);
  });
});

describe('a wait descriptor in words (VT-d specification, 6.5.2.8)', () => {
  const address = hostPhysicalAddress(0x1_2345_6780);
  it.each([
    [{}, [5, 0, 0, 0]],
    [{ interrupt: true }, [5 | (1 << 4), 0, 0, 0]],
    [{ fence: true }, [5 | (1 << 6), 0, 0, 0]],
    [{ statusAddress: address, statusData: 77 }, [5 | (1 << 5), 77, 0x2345_6780, 1]],
  ])('%o', (options, words) => {
    const memory = new SparseMemory();
    writeDescriptor(memory, hostPhysicalAddress(QUEUE), { type: 'wait', ...options });
    expect([0, 4, 8, 12].map((at) => memory.readU32(QUEUE + at))).toEqual(words);
  });
});

describe('the invalidation queue', () => {
  const contexts = { type: 'context', granularity: 'global' } as const;

  it('forgets what it was about to carry out when it is switched off, also if it is on again before', () => {
    const { kernel, sink, registers, write, start, place } = machine();
    start();
    place(QUEUE, 0, contexts);
    registers.write64(IQT, 16n);
    kernel.run(FETCH_NS - 1);
    write(GCMD, 0);
    start(OTHER_QUEUE);
    place(OTHER_QUEUE, 0, { type: 'iotlb', granularity: 'global' });
    kernel.run(FETCH_NS);
    registers.write64(IQT, 16n);
    kernel.drain();
    expect(sink.take()).toEqual(['iotlb global 0 0 0 all']);
    expect([registers.read64(IQH), registers.read32(GSTS)]).toEqual([16n, QIE]);
  });

  it('forgets an entry that is being carried out as well: its end does not move the new head', () => {
    const { kernel, sink, registers, write, start, place } = machine();
    start();
    place(QUEUE, 0, contexts);
    registers.write64(IQT, 16n);
    kernel.run(FETCH_NS + 1);
    expect(sink.take()).toHaveLength(1);
    write(GCMD, 0);
    start(OTHER_QUEUE);
    kernel.drain();
    expect(registers.read64(IQH)).toBe(0n);
  });

  it('is off after a reset, and what was under way has no effect', () => {
    const { kernel, sink, unit, registers, start, place } = machine();
    start();
    place(QUEUE, 0, contexts);
    registers.write64(IQT, 16n);
    unit.reset();
    sink.take();
    kernel.drain();
    registers.write64(IQT, 16n);
    kernel.drain();
    expect([sink.take(), registers.read64(IQH), registers.read32(GSTS)]).toEqual([[], 0n, 0]);
  });

  it('is set going by the tail alone', () => {
    const { kernel, sink, registers, start, place } = machine();
    start();
    place(QUEUE, 0, contexts);
    kernel.drain();
    expect(sink.take()).toEqual([]);
    registers.write32(IQT, 16);
    kernel.drain();
    expect(sink.take()).toHaveLength(1);
  });
});

describe('a device-TLB invalidation that times out (V98; Linux qi_check_fault, Xen)', () => {
  const [FSTS, ITE, SLOTS] = [0x34, 0x40, 256];
  const silent = { type: 'device-tlb', requesterId: DEVICE, address: ioVirtualAddress(0) } as const;
  const wait = { type: 'wait', fence: true } as const;

  /** A full lap of waits behind it, and the tail where a test says. */
  const timedOut = (tail: number, waits = SLOTS) => {
    const m = machine();
    m.sink.silent.add(DEVICE);
    m.start();
    m.place(QUEUE, 0, silent);
    for (let slot = 1; slot < waits; slot += 1) m.place(QUEUE, slot, wait);
    m.registers.write64(IQT, 16n);
    m.kernel.run(FETCH_NS + 1);
    m.registers.write64(IQT, BigInt(tail));
    m.kernel.drain();
    expect(m.registers.read32(FSTS) & ITE).toBe(ITE);
    m.unit.checkInvariants();
    return m;
  };

  it('passes over the waits behind it, up to the tail', () => {
    expect(timedOut(5 * 16).registers.read64(IQH)).toBe(5n * 16n);
    expect(timedOut(5 * 16, 3).registers.read64(IQH)).toBe(3n * 16n);
  });

  it('ends its way round the ring at itself, where the tail was written to lie beyond the ring', () => {
    const { registers, kernel, write } = timedOut(SLOTS * 16 + 32);
    expect(registers.read64(IQH)).toBe(0n);
    // The tail is the next error.
    write(FSTS, ITE);
    kernel.drain();
    expect(registers.read32(FSTS)).toBe(0x10);
  });

  it('looks at no slot that the unit cannot read', () => {
    const m = machine();
    m.sink.silent.add(DEVICE);
    m.registers.write64(IQT, 0n);
    // 512 slots, two pages, of which the second is not there.
    m.registers.write64(IQA, BigInt(QUEUE) + 1n);
    m.write(GCMD, QIE);
    m.place(QUEUE, 0, silent);
    for (let slot = 1; slot < SLOTS; slot += 1) m.place(QUEUE, slot, wait);
    m.registers.write64(IQT, 300n * 16n);
    m.kernel.run(FETCH_NS + 1);
    m.kernel.drain();
    expect(m.registers.read64(IQH)).toBe(BigInt(SLOTS * 16));
    expect(m.registers.read32(FSTS) & ITE).toBe(ITE);
  });
});

describe('commands', () => {
  it('V16 (QEMU intel-iommu-test): one that is under way at a reset is not reported after it', () => {
    const { kernel, unit, registers } = machine();
    const offsets = Array.from({ length: 0x1000 / 4 }, (_, word) => word * 4);
    const all = () => offsets.map((offset) => registers.read32(offset));
    const fresh = all();
    const iotlb = Number((registers.read64(0x10) >> 8n) & 0x3ffn) * 16 + 8;
    registers.write64(CCMD, 0xa000_0000_0000_0000n);
    registers.write64(iotlb - 8, 0x7000n);
    registers.write64(iotlb, 0x9000_0000_0000_0000n);
    unit.reset();
    kernel.drain();
    expect(all()).toEqual(fresh);
    // And another one begins at once.
    registers.write64(CCMD, 0xa000_0000_0000_0000n);
    kernel.drain();
    expect(registers.read64(CCMD) >> 59n).toBe(0b0101n);
  });

  it('CCMD begins with its upper half alone', () => {
    const { sink, registers } = machine();
    registers.write32(CCMD + 4, 0x2000_0000);
    registers.write32(CCMD, 9);
    expect(sink.take()).toEqual([]);
    registers.write32(CCMD + 4, 0xa000_0000);
    expect(sink.take()).toEqual(['context global 9 0 0']);
  });

  it('IRTA counts once SIRTP has been written, and not with any other command', () => {
    const { memory, unit, registers, write } = machine();
    const sent = () => {
      const out = new InterruptResult();
      unit.remapInterrupt(DEVICE, 0xfee0_0010 + 5 * 32, 0, out);
      return out.delivered ? out.vector : out.faultReason;
    };
    memory.writeU64(TABLE + 5 * 16, 1n | (0x41n << 16n));
    memory.writeU64(TABLE + 5 * 16 + 8, 0n);
    registers.write64(IRTA, BigInt(TABLE) + 7n);
    write(GCMD, IRE);
    expect(sent()).not.toBe(0x41);
    write(GCMD, (IRE | SIRTP) >>> 0);
    expect(sent()).toBe(0x41);
  });
});

describe('context tables', () => {
  const entry = {
    present: true,
    faultProcessingDisable: true,
    translationType: 0,
    secondLevelTable: hostPhysicalAddress(0x7000),
    addressWidth: 2,
    domainId: 5,
  } as const;

  it('report when there is no page for another bus, and go on for the buses that have one', () => {
    const tables = new ContextTables(new SparseMemory(), new CountingPages(0, 2));
    expect(tables.rootTable).toBe(0);
    expect(tables.set(requesterId(0x0100), entry)).toBe(true);
    expect(tables.set(requesterId(0x0200), entry)).toBe(false);
    expect(tables.set(requesterId(0x01ff), entry)).toBe(true);
    expect(tables.get(requesterId(0x0200))).toBeUndefined();
    expect(tables.get(requesterId(0x01ff))).toEqual(entry);
    expect(tables.tableAddresses()).toEqual([0, 4096]);
  });

  it('need a page for the root table', () => {
    expect(() => new ContextTables(new SparseMemory(), new CountingPages(0, 0))).toThrow(
      'no page for the root table',
    );
  });

  it('clear an entry altogether: faults of its device are reported again', () => {
    const memory = new SparseMemory();
    const tables = new ContextTables(memory, new CountingPages());
    tables.set(requesterId(0x0107), entry);
    tables.clear(requesterId(0x0107));
    const [, contextTable = 0] = tables.tableAddresses();
    expect([memory.readU64(contextTable + 7 * 16), memory.readU64(contextTable + 7 * 16 + 8)]).toEqual([
      0n,
      0n,
    ]);
  });

  it('begin empty, whatever the page held before', () => {
    const memory = new SparseMemory();
    for (let at = 0; at < 4 * 4096; at += 4) memory.writeU32(at, 0xffff_ffff);
    const tables = new ContextTables(memory, new CountingPages(4096));
    expect(tables.get(requesterId(0xff00))).toBeUndefined();
    tables.set(requesterId(0x0100), entry);
    expect(tables.get(requesterId(0x01ff))?.present).toBe(false);
    // Neither the page before nor the one behind.
    expect([memory.readU32(4092), memory.readU32(3 * 4096)]).toEqual([0xffff_ffff, 0xffff_ffff]);
  });
});
