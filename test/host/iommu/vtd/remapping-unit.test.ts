import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import type { VtdCapabilities } from '../../../../host/iommu/vtd/capabilities.js';
import {
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../../../host/iommu/vtd/invalidation-descriptors.js';
import { RemappingUnit } from '../../../../host/iommu/vtd/remapping-unit.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { runs } from '../../../support/whole.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';

// Offsets as the specification has them; FRCD and IOTLB are found through CAP and ECAP.
const CAP = 0x08;
const ECAP = 0x10;
const GCMD = 0x18;
const GSTS = 0x1c;
const RTADDR = 0x20;
const CCMD = 0x28;
const FSTS = 0x34;
const FECTL = 0x38;
const FEDATA = 0x3c;
const FEADDR = 0x40;
const FEUADDR = 0x44;
const PMEN = 0x64;
const PLMBASE = 0x68;
const PLMLIMIT = 0x6c;
const PHMBASE = 0x70;
const PHMLIMIT = 0x78;
const IQH = 0x80;
const IQT = 0x88;
const IQA = 0x90;
const ICS = 0x9c;
const IECTL = 0xa0;
const IEDATA = 0xa4;
const IEADDR = 0xa8;

const TE = 0x8000_0000;
const SRTP = 0x4000_0000;
const QIE = 0x0400_0000;
const PFO = 1;
const PPF = 2;
const IQE = 0x10;
const ITE = 0x40;
const QUEUE = 0x2_0000;
const STATUS = 0x3_0000;
const FETCH_NS = 50;

function machine(capabilities: Partial<VtdCapabilities> = {}) {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  for (let at = QUEUE; at < QUEUE + 0x1000; at += 0x1000) memory.add(at);
  memory.add(STATUS);
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const unit = new RemappingUnit({
    kernel,
    memory,
    reachable: memory.reachable,
    sink,
    interrupts,
    capabilities,
    timing: { descriptorFetchNs: FETCH_NS, statusWriteNs: 10, deviceTimeoutNs: 5000 },
  });
  const { registers } = unit;
  const read = (offset: number) => registers.read32(offset);
  const write = (offset: number, value: number) => registers.write32(offset, value);
  const iotlb = Number((registers.read64(ECAP) >> 8n) & 0x3ffn) * 16;
  const frcd = Number((registers.read64(CAP) >> 24n) & 0x3ffn) * 16;
  const out = new WalkResult();
  /** A device's request, as the gate makes it. */
  const request = (requester: number, iova: number, isWrite = false) => {
    unit.walk(requesterId(requester), ioVirtualAddress(iova), isWrite, out);
    const outcome = unit.recordFault(requesterId(requester), ioVirtualAddress(iova), isWrite, out);
    unit.checkInvariants();
    return out.ok ? out.physical : outcome;
  };
  const startQueue = () => {
    registers.write64(IQT, 0n);
    registers.write64(IQA, BigInt(QUEUE));
    write(GCMD, (read(GSTS) & TE) | QIE);
    expect(read(GSTS) & QIE).toBe(QIE);
  };
  let tail = 0;
  const post = (...descriptors: InvalidationDescriptor[]) => {
    for (const descriptor of descriptors) {
      writeDescriptor(memory, hostPhysicalAddress(QUEUE + tail), descriptor);
      tail = (tail + 16) % 4096;
    }
    write(IQT, tail);
  };
  return {
    kernel,
    memory,
    sink,
    interrupts,
    unit,
    registers,
    read,
    write,
    iotlb,
    frcd,
    request,
    startQueue,
    post,
    out,
  };
}

/** Root table at 0x1000, one context table, and nothing that a device may reach. */
function translating(capabilities: Partial<VtdCapabilities> = {}) {
  const m = machine(capabilities);
  for (const table of [0x1000, 0x2000, 0x3000]) m.memory.add(table);
  m.memory.writeU64(0x1000 + 16, 0x2001n);
  for (let devfn = 0; devfn < 256; devfn += 1) {
    m.memory.writeU64(0x2000 + devfn * 16, 0x3001n);
    m.memory.writeU64(0x2000 + devfn * 16 + 8, (BigInt(devfn) << 8n) | 1n);
  }
  m.registers.write64(RTADDR, 0x1000n);
  m.write(GCMD, SRTP);
  m.write(GCMD, TE);
  return m;
}

describe('VT-d unit: capabilities and commands', () => {
  it('reports its capabilities', () => {
    const { registers, read, iotlb, frcd } = machine({
      cachingMode: true,
      tableLevels: [3, 4],
      guestAddressBits: 48,
      faultRecords: 4,
    });
    const cap = registers.read64(CAP);
    expect(read(0x00)).toBe(0x10);
    expect((cap >> 8n) & 0x1fn).toBe(0b110n); // SAGAW: 39 and 48 bits
    expect((cap >> 16n) & 0x3fn).toBe(47n);
    expect((cap >> 7n) & 1n).toBe(1n); // CM
    expect((cap >> 40n) & 0xffn).toBe(3n);
    expect((cap >> 34n) & 3n).toBe(3n);
    expect([iotlb, frcd]).toEqual([0xf0, 0x220]);
    expect(() => machine({ faultRecords: 300 })).toThrow(
      /faultRecords is 300, expected a whole number from 1 to 256/,
    );
    expect(() => machine({ iotlbOffset: 0x220 })).toThrow(/outside the fault recording registers/);
  });

  it('passes everything until TE is set, then walks from the root table that SRTP took', () => {
    const { memory, registers, read, write, request } = machine();
    expect(request(0x0100, 0x1234)).toBe(0x1000);
    for (const table of [0x1000, 0x2000, 0x3000]) memory.add(table);
    memory.writeU64(0x1000 + 16, 0x2001n);
    memory.writeU64(0x2000, (2n << 2n) | 1n);
    memory.writeU64(0x2008, 2n);
    registers.write64(RTADDR, 0x1000n);
    write(GCMD, SRTP);
    expect(read(GSTS)).toBe(SRTP);
    write(GCMD, TE);
    expect(read(GSTS)).toBe(TE + SRTP);
    expect(read(GCMD)).toBe(0);
    expect(request(0x0100, 0x5678)).toBe(0x5000);
    expect(request(0x0200, 0x5678)).toBe('recorded');
    write(GCMD, 0);
    expect(request(0x0200, 0x5678)).toBe(0x5000);
  });

  it('keeps the interrupt window away from memory, translating or not', () => {
    const m = machine();
    expect(m.request(0x0100, 0xfee0_0000, true)).toBeUndefined();
    expect(m.out.interruptWindow).toBe(true);
    expect(m.unit.faults.counters.recorded).toBe(0);
  });

  it('has no queue without the ECAP bit', () => {
    const { registers, write, read } = machine({ queuedInvalidation: false });
    expect(registers.read64(ECAP) & 2n).toBe(0n);
    write(GCMD, QIE);
    expect(read(GSTS)).toBe(0);
  });
});

describe('VT-d fault recording', () => {
  it('records what a driver needs to know', () => {
    const { registers, request, read, frcd } = translating();
    expect(request(0x0107, 0x12_3456, true)).toBe('recorded');
    expect(registers.read64(frcd)).toBe(0x12_3000n);
    // F, write, reason 5, SID
    expect(registers.read64(frcd + 8)).toBe((1n << 63n) | (5n << 32n) | 0x0107n);
    expect(request(0x0109, 2 ** 38 + 5)).toBe('recorded');
    expect(registers.read64(frcd + 16)).toBe(2n ** 38n);
    expect(registers.read64(frcd + 24)).toBe((3n << 62n) | (6n << 32n) | 0x0109n);
    expect(read(FSTS)).toBe(PPF); // FRI = 0: the first is record 0
  });

  it('compresses by source, overflows, and comes back when software has cleared', () => {
    const { unit, registers, request, read, write, frcd } = translating({ faultRecords: 2 });
    expect(request(0x0101, 0x1000)).toBe('recorded');
    expect(request(0x0101, 0x2000)).toBe('compressed');
    expect(request(0x0102, 0x2000)).toBe('recorded');
    expect(request(0x0103, 0x3000)).toBe('overflow');
    expect(read(FSTS)).toBe(PFO + PPF);
    // With PFO set everything is dropped, even what would be compressed.
    expect(request(0x0101, 0x1000)).toBe('overflow');
    registers.write64(frcd + 8, 1n << 63n);
    expect(read(FSTS)).toBe(PFO + PPF);
    expect(request(0x0104, 0x1000)).toBe('overflow');
    write(FSTS, PFO);
    expect(read(FSTS)).toBe(PPF);
    expect(request(0x0104, 0x1000)).toBe('recorded');
    expect(registers.read64(frcd + 8) & 0xffffn).toBe(0x0104n);
    for (const at of [frcd + 8, frcd + 24]) registers.write64(at, 1n << 63n);
    expect(read(FSTS)).toBe(0);
    expect(unit.faults.counters).toEqual({ recorded: 3, compressed: 1, dropped: 3 });
    // The index goes on round the registers; FRI names the first.
    expect(request(0x0105, 0x1000)).toBe('recorded');
    expect(read(FSTS)).toBe(PPF + (1 << 8));
  });

  it('raises one event for the first fault, and keeps it pending while masked', () => {
    const { interrupts, request, write, read, registers, frcd } = translating();
    write(FEDATA, 0x41);
    write(FEADDR, 0xfee0_1003); // bits 1:0 are not there
    write(FEUADDR, 2); // reserved without extended interrupt mode (row V106)
    expect(read(FEUADDR)).toBe(0);
    expect(read(FECTL)).toBe(0x8000_0000);
    request(0x0101, 0);
    expect(interrupts.take()).toEqual([]);
    expect(read(FECTL)).toBe(0xc000_0000);
    write(FECTL, 0);
    expect(interrupts.take()).toEqual(['fault fee01000 65']);
    expect(read(FECTL)).toBe(0);
    request(0x0102, 0);
    expect(interrupts.take()).toEqual([]); // PPF was set already
    for (const at of [frcd + 8, frcd + 24]) registers.write64(at, 1n << 63n);
    request(0x0103, 0);
    expect(interrupts.take()).toHaveLength(1);
    // A pending event is withdrawn when its cause is gone.
    registers.write64(frcd + 40, 1n << 63n);
    write(FECTL, 0x8000_0000);
    request(0x0104, 0);
    registers.write64(frcd + 56, 1n << 63n);
    write(FECTL, 0);
    expect(interrupts.take()).toEqual([]);
  });

  it('leaves out what the context entry silences', () => {
    const { memory, request, unit } = translating();
    memory.writeU64(0x2000 + 16, 0x3003n); // FPD
    expect(request(0x0101, 0)).toBeUndefined();
    expect(unit.faults.counters.recorded).toBe(0);
  });

  it('behaves as a model does under any order of faults and clearing', () => {
    const step = fc.oneof(
      { arbitrary: fc.record({ fault: fc.integer({ min: 0x100, max: 0x105 }) }), weight: 5 },
      { arbitrary: fc.record({ clear: fc.nat({ max: 2 }) }), weight: 3 },
      { arbitrary: fc.constant({ clearOverflow: true }), weight: 1 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { registers, request, frcd, read, write } = translating({ faultRecords: 3 });
        const records: (number | undefined)[] = [undefined, undefined, undefined];
        let next = 0;
        let overflow = false;
        for (const one of steps) {
          if ('fault' in one) {
            let expected = 'overflow';
            if (!overflow) {
              if (records.includes(one.fault)) {
                expected = 'compressed';
              } else if (records[next] !== undefined) {
                overflow = true;
              } else {
                records[next] = one.fault;
                next = (next + 1) % 3;
                expected = 'recorded';
              }
            }
            expect(request(one.fault, 0)).toBe(expected);
          } else if ('clear' in one) {
            registers.write64(frcd + one.clear * 16 + 8, 1n << 63n);
            records[one.clear] = undefined;
          } else {
            write(FSTS, PFO);
            overflow = false;
          }
          const pending = records.some((record) => record !== undefined);
          expect(read(FSTS) & 3).toBe((overflow ? PFO : 0) + (pending ? PPF : 0));
        }
      }),
      { numRuns: runs(150) },
    );
  });
});

describe('VT-d invalidation queue', () => {
  it('carries out descriptors in order, each in its time', () => {
    const { kernel, sink, startQueue, post, read, memory, unit } = machine();
    startQueue();
    post(
      {
        type: 'context',
        granularity: 'device',
        domainId: 3,
        requesterId: requesterId(0x0108),
        functionMask: 2,
      },
      {
        type: 'iotlb',
        granularity: 'page',
        domainId: 3,
        address: ioVirtualAddress(0x7_5000),
        addressMask: 2,
        leafOnly: true,
      },
      { type: 'iotlb', granularity: 'domain', domainId: 4 },
      { type: 'device-tlb', requesterId: requesterId(0x0108), address: ioVirtualAddress(0x9000) },
      { type: 'device-tlb', requesterId: requesterId(0x0108), address: ioVirtualAddress(0), order: 'all' },
      { type: 'interrupt-entry' },
      { type: 'wait', statusAddress: hostPhysicalAddress(STATUS + 8), statusData: 0xabcd, fence: true },
    );
    kernel.run(FETCH_NS - 1);
    expect(sink.take()).toEqual([]);
    kernel.run(FETCH_NS);
    expect(sink.take()).toEqual(['context device 3 108 2']);
    expect(read(IQH)).toBe(0);
    kernel.run(FETCH_NS + sink.costNs);
    expect(read(IQH)).toBe(16);
    kernel.drain();
    expect(sink.take()).toEqual([
      'iotlb page 3 74000 4 leaf', // aligned to its size
      'iotlb domain 4 0 0 all',
      'device 108 9000 1',
      'device 108 0 Infinity',
    ]);
    expect(memory.readU32(STATUS + 8)).toBe(0xabcd);
    expect([read(IQH), read(IQT), unit.queue.processed]).toEqual([0x70, 0x70, 7]);
    expect(kernel.nowNs).toBe(7 * FETCH_NS + 5 * sink.costNs + 197 + 10);
    unit.checkInvariants();
  });

  it('tells of a wait by interrupt, once until software has seen it', () => {
    const { kernel, startQueue, post, read, write, interrupts } = machine();
    startQueue();
    write(IEDATA, 7);
    write(IEADDR, 0xfee0_2000);
    write(IECTL, 0);
    post({ type: 'wait', interrupt: true }, { type: 'wait', interrupt: true });
    kernel.drain();
    expect(interrupts.take()).toEqual(['invalidation fee02000 7']);
    expect(read(ICS)).toBe(1);
    write(ICS, 1);
    expect(read(ICS)).toBe(0);
    post({ type: 'wait', interrupt: true });
    kernel.drain();
    expect(interrupts.take()).toHaveLength(1);
  });

  it('goes round its ring', () => {
    const { kernel, startQueue, post, read, unit } = machine();
    startQueue();
    for (let round = 0; round < 700; round += 1) {
      post({ type: 'iotlb', granularity: 'global' });
      kernel.drain();
    }
    expect(unit.queue.processed).toBe(700);
    expect(read(IQH)).toBe((700 % 256) * 16);
  });

  it('stops at a descriptor that it does not understand, until IQE is cleared', () => {
    const bad: [string, number[]][] = [
      ['type 0', [0, 0, 0, 0]],
      ['type 6', [6, 0, 0, 0]],
      ['type 15', [15, 0, 0, 0]],
      ['granularity 0', [0x1, 0, 0, 0]],
      ['IOTLB granularity 0', [0x2, 0, 0, 0]],
      ['context, bit 6', [0x51, 0, 0, 0]],
      ['context, upper half', [0x11, 0, 1, 0]],
      ['IOTLB, bit 8', [0x112, 0, 0, 0]],
      ['IOTLB, AM beyond MAMV', [0x32, 0, 19, 0]],
      ['IOTLB, bit 7 of the upper half', [0x32, 0, 0x80, 0]],
      ['device-TLB, bit 4', [0x13, 0, 0, 0]],
      ['wait, bit 7', [0x85, 0, 0, 0]],
      ['wait, address bit 0', [0x25, 0, STATUS + 1, 0]],
      ['wait, address without memory', [0x25, 0, 0x66_0000, 0]],
    ];
    for (const [name, words] of bad) {
      const { kernel, memory, sink, startQueue, post, read, write, interrupts, unit } = machine();
      write(FECTL, 0);
      startQueue();
      for (const [at, word] of words.entries()) memory.writeU32(QUEUE + at * 4, word);
      writeDescriptor(memory, hostPhysicalAddress(QUEUE + 16), { type: 'iotlb', granularity: 'global' });
      write(IQT, 32);
      kernel.drain();
      expect([read(FSTS), read(IQH)], name).toEqual([IQE, 0]);
      expect(sink.take()).toEqual([]);
      expect(interrupts.take()).toHaveLength(1);
      write(IQT, 32);
      kernel.drain();
      expect(read(IQH)).toBe(0);
      // The driver puts right what was wrong and clears the error.
      writeDescriptor(memory, hostPhysicalAddress(QUEUE), { type: 'context', granularity: 'global' });
      write(FSTS, IQE);
      kernel.drain();
      expect([read(FSTS), read(IQH)]).toEqual([0, 32]);
      expect(sink.take()).toEqual(['context global 0 0 0', 'iotlb global 0 0 0 all']);
      unit.checkInvariants();
      post();
    }
  });

  it('stops if the tail is beyond the ring, or the ring is not in memory', () => {
    const { kernel, startQueue, read, write } = machine();
    startQueue();
    write(IQT, 4096);
    kernel.drain();
    expect(read(FSTS)).toBe(IQE);
    const other = machine();
    other.registers.write64(IQA, 0x66_0000n);
    other.write(GCMD, QIE);
    other.write(IQT, 16);
    other.kernel.drain();
    expect(other.read(FSTS)).toBe(IQE);
  });

  it('ITE reports a device that does not answer, and the request is not issued again once it is cleared (Linux qi_check_fault, row V99)', () => {
    const { kernel, sink, startQueue, post, read, write } = machine();
    startQueue();
    sink.silent.add(0x0108);
    post(
      { type: 'device-tlb', requesterId: requesterId(0x0108), address: ioVirtualAddress(0) },
      { type: 'context', granularity: 'global' },
    );
    kernel.run(FETCH_NS + 4999);
    expect(read(FSTS)).toBe(0);
    kernel.drain();
    // Past the request.
    expect([read(FSTS), read(IQH)]).toEqual([ITE, 16]);
    sink.take();
    sink.silent.clear();
    write(FSTS, ITE);
    kernel.drain();
    expect([read(IQH), sink.take()]).toEqual([32, ['context global 0 0 0']]);
  });

  it('abandons what is under way when it is switched off, and begins anew', () => {
    const { kernel, sink, startQueue, post, read, write, unit } = machine();
    startQueue();
    post({ type: 'iotlb', granularity: 'global' });
    kernel.run(FETCH_NS + 1);
    write(GCMD, 0);
    kernel.drain();
    expect([read(IQH), unit.queue.processed, unit.queue.busy]).toEqual([0, 0, false]);
    sink.take();
    write(GCMD, QIE);
    kernel.drain();
    expect(sink.take()).toEqual(['iotlb global 0 0 0 all']);
  });

  it('invalidates the domain if it cannot pick pages', () => {
    const { kernel, sink, startQueue, post } = machine({ pageSelective: false });
    startQueue();
    post({ type: 'iotlb', granularity: 'page', domainId: 6, address: ioVirtualAddress(0x5000) });
    kernel.drain();
    expect(sink.take()).toEqual(['iotlb domain 6 0 0 all']);
  });
});

describe('VT-d invalidation by register', () => {
  it('of the context cache', () => {
    const { kernel, registers, sink } = machine();
    registers.write64(CCMD, (1n << 63n) | (3n << 61n) | (1n << 32n) | (0x0108n << 16n) | 9n);
    expect(sink.take()).toEqual(['context device 9 108 1']);
    expect(registers.read64(CCMD) >> 63n).toBe(1n);
    kernel.run(sink.costNs - 1);
    expect(registers.read64(CCMD) >> 63n).toBe(1n);
    kernel.run(sink.costNs);
    expect(registers.read64(CCMD) >> 59n).toBe((3n << 2n) | 3n); // ICC clear, CIRG and CAIG: device
  });

  it('of the IOTLB', () => {
    const { kernel, registers, sink, iotlb } = machine();
    registers.write64(iotlb, 0x1234_5000n | (1n << 6n));
    registers.write64(iotlb + 8, (1n << 63n) | (3n << 60n) | (5n << 32n));
    expect(sink.take()).toEqual(['iotlb page 5 12345000 1 leaf']);
    kernel.drain();
    expect((registers.read64(iotlb + 8) >> 57n) & 0x43n).toBe(3n); // IVT clear, IAIG: page
    registers.write64(iotlb + 8, (1n << 63n) | (1n << 60n));
    kernel.drain();
    expect(sink.take()).toEqual(['iotlb global 0 0 0 all']);
    expect((registers.read64(iotlb + 8) >> 57n) & 3n).toBe(1n);
  });

  it('is refused for granularity 0, too large a range, and while the queue is in use', () => {
    const { kernel, registers, sink, iotlb, startQueue } = machine();
    registers.write64(CCMD, 1n << 63n);
    registers.write64(iotlb, 19n);
    registers.write64(iotlb + 8, (1n << 63n) | (3n << 60n));
    expect(registers.read64(CCMD) >> 59n).toBe(0n);
    expect((registers.read64(iotlb + 8) >> 57n) & 0x43n).toBe(0n);
    startQueue();
    registers.write64(CCMD, (1n << 63n) | (1n << 61n));
    kernel.drain();
    expect([sink.take(), registers.read64(CCMD) >> 63n]).toEqual([[], 0n]);
  });
});

describe('VT-d protected memory regions', () => {
  it('block physical addresses while EPM is set', () => {
    const { registers, read, write, unit } = machine();
    const { protectedRegions } = unit;
    write(PLMBASE, 0xffff_ffff);
    expect(read(PLMBASE)).toBe(0xffe0_0000); // how software finds the alignment
    write(PLMBASE, 0x20_0000);
    write(PLMLIMIT, 0x40_0000);
    registers.write64(PHMBASE, 0x1_0000_0000n);
    registers.write64(PHMLIMIT, 0x1_0000_0000n);
    expect(protectedRegions.blocks(hostPhysicalAddress(0x20_0000), 1)).toBe(false);
    write(PMEN, 0x8000_0000);
    expect(read(PMEN)).toBe(0x8000_0001);
    const blocked = (address: number, length = 1) =>
      protectedRegions.blocks(hostPhysicalAddress(address), length);
    expect([blocked(0x1f_ffff), blocked(0x1f_ffff, 2), blocked(0x20_0000)]).toEqual([false, true, true]);
    expect([blocked(0x5f_ffff), blocked(0x60_0000)]).toEqual([true, false]);
    expect([blocked(0xffff_ffff), blocked(0x1_0000_0000), blocked(0x1_0020_0000)]).toEqual([
      false,
      true,
      false,
    ]);
    write(PMEN, 0);
    expect([read(PMEN), blocked(0x20_0000)]).toEqual([0, false]);
    write(PLMLIMIT, 0);
    write(PMEN, 0x8000_0000);
    expect(blocked(0x20_0000)).toBe(false); // a limit below the base
  });
});

describe('VT-d, behaviours that peers and kernels expect', () => {
  const IQER = 0xb0;

  it('a reset puts registers, queue and caches back (QEMU qtest intel-iommu-test, row V16)', () => {
    const { unit, startQueue, write, registers, sink, request } = machine();
    const offsets = Array.from({ length: 0x400 / 4 }, (_, index) => index * 4);
    const fresh = offsets.map((offset) => registers.read32(offset));
    startQueue();
    write(FEDATA, 0x41);
    write(GCMD, (QIE | TE) >>> 0);
    request(0x0101, 0x1000);
    sink.take();
    unit.reset();
    expect(offsets.map((offset) => registers.read32(offset))).toEqual(fresh);
    expect(sink.take()).toContain('iotlb global 0 0 0 all');
    expect([unit.translating, request(0x0101, 0x1000)]).toEqual([false, 0x1000]);
  });

  it('a write to IQA while the queue is in use has no effect on it (OpenVMM, QEMU, row V26)', () => {
    const { kernel, startQueue, post, read, registers } = machine();
    startQueue();
    registers.write64(IQA, BigInt(STATUS));
    post({ type: 'iotlb', granularity: 'global' });
    kernel.drain();
    expect([read(FSTS), read(IQH)]).toEqual([0, 16]);
  });

  it('ITE aborts the waits behind the request: they are never written (Linux qi_check_fault, row V98)', () => {
    const { kernel, memory, sink, startQueue, post, read, write } = machine();
    startQueue();
    sink.silent.add(0x0108);
    const wait = { type: 'wait', statusAddress: hostPhysicalAddress(STATUS), statusData: 7 } as const;
    post({ type: 'device-tlb', requesterId: requesterId(0x0108), address: ioVirtualAddress(0) }, wait);
    kernel.drain();
    expect([read(FSTS), read(IQH), memory.readU32(STATUS)]).toEqual([ITE, 32, 0]);
    write(FSTS, ITE);
    kernel.drain();
    expect([read(FSTS), memory.readU32(STATUS)]).toEqual([0, 0]);
  });

  it('IQER reports why the queue stopped, and which device did not answer (Linux dmar.c, row V100)', () => {
    const silent = machine();
    silent.startQueue();
    silent.sink.silent.add(0x0108);
    silent.post({ type: 'device-tlb', requesterId: requesterId(0x0108), address: ioVirtualAddress(0) });
    silent.kernel.drain();
    expect(silent.registers.read64(IQER)).toBe(0x0108n << 32n);
    const stopped = (word0: number, tail = 16) => {
      const { kernel, memory, startQueue, registers, read } = machine();
      startQueue();
      memory.writeU32(QUEUE, word0);
      registers.write64(IQT, BigInt(tail));
      kernel.drain();
      return [read(FSTS), read(IQER) & 0xf];
    };
    expect(stopped(0)).toEqual([IQE, 3]);
    expect(stopped(0x1 | (1 << 4) | (1 << 6))).toEqual([IQE, 4]);
    expect(stopped(1, 0x7_fff0)).toEqual([IQE, 1]);
  });

  it('SID and FM of CCMD read as 0 (QEMU intel_iommu.c, row V104)', () => {
    const { kernel, registers, sink } = machine();
    registers.write64(CCMD, (1n << 63n) | (3n << 61n) | (3n << 32n) | (0x0abcn << 16n) | 5n);
    kernel.drain();
    expect(sink.take()).toEqual(['context device 5 abc 3']);
    expect(registers.read64(CCMD) & 0x3_ffff_ffffn).toBe(5n);
  });

  it('TE off and on drops what the caches hold (QEMU intel_iommu.c, rows V120 and V121)', () => {
    const { write, sink } = machine();
    const all = ['context global 0 0 0', 'iotlb global 0 0 0 all'];
    write(GCMD, TE);
    expect(sink.take()).toEqual(all);
    write(GCMD, TE);
    expect(sink.take()).toEqual([]);
    write(GCMD, 0);
    expect(sink.take()).toEqual(all);
  });
});
