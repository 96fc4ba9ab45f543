import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AmdviCommand, rangeBits, writeCommand } from '../../../../host/iommu/amdvi/commands.js';
import { AmdviUnit } from '../../../../host/iommu/amdvi/unit.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';

// Offsets as the specification has them.
const DEVICE_TABLE_BASE = 0x00;
const COMMAND_BASE = 0x08;
const EVENT_BASE = 0x10;
const CONTROL = 0x18;
const EXCLUSION_BASE = 0x20;
const EXCLUSION_LIMIT = 0x28;
const FEATURES = 0x30;
const COMMAND_HEAD = 0x2000;
const COMMAND_TAIL = 0x2008;
const EVENT_HEAD = 0x2010;
const EVENT_TAIL = 0x2018;
const STATUS = 0x2020;

const IOMMU_EN = 1n;
const EVENT_LOG_EN = 1n << 2n;
const EVENT_INT_EN = 1n << 3n;
const COM_WAIT_INT_EN = 1n << 4n;
const CMD_BUF_EN = 1n << 12n;
const ALL = IOMMU_EN | EVENT_LOG_EN | EVENT_INT_EN | COM_WAIT_INT_EN | CMD_BUF_EN;

const DEVICES = 0x1_0000;
const COMMANDS = 0x2_0000;
const EVENTS = 0x3_0000;
const STORE = 0x4_0000;
const FETCH_NS = 50;

function machine(control = ALL) {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  for (const page of [DEVICES, COMMANDS, EVENTS, STORE]) memory.add(page);
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const timing = { descriptorFetchNs: FETCH_NS, statusWriteNs: 10 };
  const unit = new AmdviUnit({ kernel, memory, reachable: memory.reachable, sink, interrupts, timing });
  const { registers } = unit;
  const read = (offset: number) => registers.read64(offset);
  const write = (offset: number, value: bigint) => registers.write64(offset, value);
  unit.log.setMessage(0xfee0_3000, 0x51);
  write(DEVICE_TABLE_BASE, BigInt(DEVICES));
  write(COMMAND_BASE, (8n << 56n) | BigInt(COMMANDS));
  write(EVENT_BASE, (8n << 56n) | BigInt(EVENTS));
  write(CONTROL, control);
  // Devices 0 to 127 are refused everything: V, TV, mode 0, no permission.
  for (let device = 0; device < 128; device += 1) memory.writeU64(DEVICES + device * 32, 3n);
  const out = new WalkResult();
  const request = (requester: number, iova: number, isWrite = false) => {
    unit.walk(requesterId(requester), ioVirtualAddress(iova), isWrite, out);
    const outcome = unit.recordFault(requesterId(requester), ioVirtualAddress(iova), isWrite, out);
    unit.checkInvariants();
    return out.ok ? out.physical : outcome;
  };
  const post = (...commands: AmdviCommand[]) => {
    let tail = Number(read(COMMAND_TAIL));
    for (const command of commands) {
      writeCommand(memory, hostPhysicalAddress(COMMANDS + tail), command);
      tail = (tail + 16) % 4096;
    }
    write(COMMAND_TAIL, BigInt(tail));
  };
  const event = (index: number) => {
    const at = EVENTS + index * 16;
    const word1 = memory.readU32(at + 4);
    return {
      device: memory.readU32(at) & 0xffff,
      code: word1 >>> 28,
      flags: (word1 >>> 16) & 0xfff,
      domain: word1 & 0xffff,
      address: memory.readU64(at + 8),
    };
  };
  return { kernel, memory, sink, interrupts, unit, read, write, request, post, event };
}

describe('AMD-Vi unit: control', () => {
  it('reports how many levels it walks', () => {
    expect((machine().read(FEATURES) >> 10n) & 3n).toBe(2n);
    const parts = { kernel: new EventKernel(), memory: new SparseMemory() };
    const options = { ...parts, sink: new RecordingSink(), interrupts: new RecordingInterrupts() };
    expect(new AmdviUnit({ ...options, maxMode: 4 }).registers.read64(FEATURES) >> 10n).toBe(0n);
    expect(() => new AmdviUnit({ ...options, maxMode: 7 })).toThrow(/maxMode is 7/);
  });

  it('passes everything until IommuEn is set', () => {
    const { request, write } = machine(EVENT_LOG_EN);
    expect(request(5, 0x1234)).toBe(0x1000);
    expect(request(5, 0xfee0_0000, true)).toBeUndefined();
    write(CONTROL, IOMMU_EN | EVENT_LOG_EN);
    expect(request(5, 0x1234)).toBe('logged');
    write(CONTROL, EVENT_LOG_EN);
    expect(request(5, 0x1234)).toBe(0x1000);
  });

  it('takes the size of the device table and the exclusion range from their registers', () => {
    const { request, write, event, memory } = machine();
    expect(request(128, 0)).toBe('logged'); // one frame holds 128 entries
    expect(event(0)).toMatchObject({ device: 128, code: 1 });
    memory.add(DEVICES + 0x1000);
    write(DEVICE_TABLE_BASE, BigInt(DEVICES) | 1n);
    expect(request(128, 0)).toBe(0); // an entry of zeroes is not valid and lets pass
    write(EXCLUSION_LIMIT, 0x8000n);
    write(EXCLUSION_BASE, 0x7000n | 3n);
    expect([request(5, 0x7000), request(5, 0x8fff)]).toEqual([0x7000, 0x8000]);
    expect(request(5, 0x9000)).toBe('logged');
    write(EXCLUSION_BASE, 0n);
    expect(request(5, 0x7000)).toBe('logged');
  });
});

describe('AMD-Vi event log', () => {
  it('tells of a page fault', () => {
    const { memory, request, event, read, interrupts } = machine();
    memory.writeU64(DEVICES + 9 * 32, (3n << 9n) | (1n << 61n) | (1n << 62n) | 0x5_0000n | 3n);
    memory.writeU64(DEVICES + 9 * 32 + 8, 0x77n);
    memory.add(0x5_0000);
    expect(request(9, 0x12_3456_7abc, true)).toBe('logged');
    expect(event(0)).toEqual({ device: 9, code: 2, flags: 0x20, domain: 0x77, address: 0x12_3456_7abcn });
    expect(read(EVENT_TAIL)).toBe(16n);
    expect(read(STATUS) & 2n).toBe(2n);
    expect(interrupts.take()).toEqual(['fault fee03000 81']);
    request(9, 0);
    expect(interrupts.take()).toEqual([]); // software has not seen the first
  });

  it('overflows, loses events, and runs again when software has freed entries', () => {
    const { unit, request, read, write } = machine();
    for (let count = 0; count < 255; count += 1) expect(request(3, count * 4096)).toBe('logged');
    expect(request(3, 0)).toBe('overflow');
    expect(read(STATUS) & 9n).toBe(1n);
    expect(request(3, 0)).toBe('not-running');
    write(EVENT_HEAD, read(EVENT_TAIL));
    write(CONTROL, ALL & ~EVENT_LOG_EN);
    write(CONTROL, ALL);
    expect(request(3, 0)).toBe('not-running'); // the overflow bit is still set
    write(STATUS, 1n);
    write(CONTROL, ALL & ~EVENT_LOG_EN);
    write(CONTROL, ALL);
    expect(request(3, 0)).toBe('logged');
    expect(read(EVENT_TAIL)).toBe(0n); // round the ring
    expect(unit.log.counters).toEqual({ logged: 256, lost: 3 });
  });

  it('is not logged where the device table entry suppresses it', () => {
    const { memory, kernel, request, post } = machine();
    memory.writeU64(DEVICES + 5 * 32 + 8, 1n << 34n); // SA
    expect(request(5, 0)).toBeUndefined();
    memory.writeU64(DEVICES + 6 * 32 + 8, 1n << 33n); // SE
    expect([request(6, 0), request(6, 0), request(6, 0x1000)]).toEqual(['logged', undefined, undefined]);
    post({ type: 'invalidate-devtab-entry', deviceId: requesterId(6) });
    kernel.drain();
    expect([request(6, 0), request(6, 0)]).toEqual(['logged', undefined]);
    post({ type: 'invalidate-all' });
    kernel.drain();
    expect(request(6, 0)).toBe('logged');
  });
});

describe('AMD-Vi command buffer', () => {
  it('carries out all commands that EFR offers, in order', () => {
    const { kernel, sink, post, read, memory, unit, interrupts } = machine();
    sink.take();
    post(
      { type: 'invalidate-devtab-entry', deviceId: requesterId(0x21) },
      {
        type: 'invalidate-pages',
        domainId: 7,
        address: ioVirtualAddress(0x5000),
        sizeBits: 12,
        directories: false,
      },
      {
        type: 'invalidate-pages',
        domainId: 7,
        address: ioVirtualAddress(0x4_5000),
        sizeBits: 16,
        directories: true,
      },
      { type: 'invalidate-pages', domainId: 8, directories: true },
      {
        type: 'invalidate-iotlb-pages',
        deviceId: requesterId(0x21),
        address: ioVirtualAddress(0x7000),
        sizeBits: 12,
      },
      { type: 'invalidate-iotlb-pages', deviceId: requesterId(0x21) },
      { type: 'invalidate-interrupt-table', deviceId: requesterId(0x21) },
      { type: 'invalidate-all' },
      {
        type: 'completion-wait',
        storeAddress: hostPhysicalAddress(STORE + 16),
        data: 0x1122_3344_5566_7788n,
        interrupt: true,
      },
    );
    kernel.run(FETCH_NS);
    expect(sink.take()).toEqual(['context device 0 21 0']);
    expect(read(COMMAND_HEAD)).toBe(0n);
    kernel.run(FETCH_NS + sink.costNs);
    expect(read(COMMAND_HEAD)).toBe(16n);
    kernel.drain();
    expect(sink.take()).toEqual([
      'iotlb page 7 5000 1 leaf',
      'iotlb page 7 40000 16 all',
      'iotlb domain 8 0 0 all',
      'device 21 7000 1',
      'device 21 0 Infinity',
      'context global 0 0 0',
      'iotlb global 0 0 0 all',
    ]);
    expect(memory.readU64(STORE + 16)).toBe(0x1122_3344_5566_7788n);
    expect(read(STATUS) & 4n).toBe(4n);
    expect(interrupts.take()).toEqual(['invalidation fee03000 81']);
    expect(unit.commands.processed).toBe(9);
    unit.checkInvariants();
  });

  it('stops at an illegal command, logs it, and starts again', () => {
    for (const [opcode, address] of [
      [0, 0],
      [9, 0],
      [15, 0],
      [1, 0x66_0001], // COMPLETION_WAIT that stores where there is no memory
    ] as const) {
      const { kernel, memory, sink, read, write, event, post } = machine();
      post({ type: 'invalidate-all' });
      kernel.drain();
      sink.take();
      memory.writeU32(COMMANDS + 16, address);
      memory.writeU32(COMMANDS + 20, (opcode << 28) >>> 0);
      write(COMMAND_TAIL, 32n);
      kernel.drain();
      expect(event(0)).toEqual({ device: 0, code: 5, flags: 0, domain: 0, address: BigInt(COMMANDS + 16) });
      expect([read(COMMAND_HEAD), read(STATUS) & 16n]).toEqual([16n, 0n]);
      write(COMMAND_TAIL, 48n);
      kernel.drain();
      expect(read(COMMAND_HEAD)).toBe(16n);
      writeCommand(memory, hostPhysicalAddress(COMMANDS + 16), {
        type: 'invalidate-devtab-entry',
        deviceId: requesterId(1),
      });
      writeCommand(memory, hostPhysicalAddress(COMMANDS + 32), {
        type: 'invalidate-devtab-entry',
        deviceId: requesterId(2),
      });
      write(CONTROL, ALL & ~CMD_BUF_EN);
      write(CONTROL, ALL);
      kernel.drain();
      expect(sink.take()).toEqual(['context device 0 1 0', 'context device 0 2 0']);
      expect([read(COMMAND_HEAD), read(STATUS) & 16n]).toEqual([48n, 16n]);
    }
  });

  it('stops if the ring is not in memory, or a pointer is beyond it', () => {
    const { kernel, write, event, read } = machine();
    write(COMMAND_TAIL, 0x1000n);
    kernel.drain();
    expect(event(0)).toMatchObject({ code: 6 });
    expect(read(STATUS) & 16n).toBe(0n);
    const other = machine();
    other.write(COMMAND_BASE, (8n << 56n) | 0x66_0000n);
    other.write(COMMAND_TAIL, 16n);
    other.kernel.drain();
    expect(other.event(0)).toMatchObject({ code: 6, address: 0x66_0000n });
  });

  it('begins at slot 0 when the buffer is moved', () => {
    const { kernel, post, read, write } = machine();
    post({ type: 'invalidate-all' });
    kernel.drain();
    expect(read(COMMAND_HEAD)).toBe(16n);
    write(CONTROL, ALL & ~CMD_BUF_EN);
    write(COMMAND_BASE, (9n << 56n) | BigInt(COMMANDS));
    expect([read(COMMAND_HEAD), read(COMMAND_TAIL)]).toEqual([0n, 0n]);
  });

  it('goes round its ring', () => {
    const { kernel, post, read, unit } = machine();
    for (let round = 0; round < 600; round += 1) {
      post({ type: 'completion-wait' });
      kernel.drain();
    }
    expect([unit.commands.processed, read(COMMAND_HEAD)]).toEqual([600, BigInt((600 % 256) * 16)]);
  });

  it('waits for a device that does not answer for the time that software has set', () => {
    const { kernel, sink, post, write, event, read } = machine();
    sink.silent.add(0x21);
    write(CONTROL, ALL | (1n << 5n)); // 1 ms
    post({ type: 'invalidate-iotlb-pages', deviceId: requesterId(0x21) }, { type: 'invalidate-all' });
    kernel.run(FETCH_NS + 999_999);
    expect(read(EVENT_TAIL)).toBe(0n);
    kernel.drain();
    expect(event(0)).toMatchObject({ device: 0x21, code: 7 });
    expect(read(COMMAND_HEAD)).toBe(32n);
    // Without a timeout it waits for ever, and only switching the buffer off ends it.
    write(CONTROL, ALL);
    post({ type: 'invalidate-iotlb-pages', deviceId: requesterId(0x21) });
    kernel.drain();
    expect(read(COMMAND_HEAD)).toBe(32n);
    sink.silent.clear();
    write(CONTROL, ALL & ~CMD_BUF_EN);
    write(CONTROL, ALL);
    kernel.drain();
    expect(read(COMMAND_HEAD)).toBe(48n);
  });

  it('encodes every size of range as its lowest zero bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 12, max: 51 }), fc.nat({ max: 2 ** 30 }), (bits, at) => {
        const memory = new SparseMemory();
        const address = (at * 4096) % 2 ** 52;
        writeCommand(memory, hostPhysicalAddress(0), {
          type: 'invalidate-pages',
          domainId: 1,
          address: ioVirtualAddress(address),
          sizeBits: bits,
          directories: false,
        });
        expect(rangeBits(memory.readU32(8), memory.readU32(12))).toBe(bits);
        // By definition: bits 12 to bits-2 are ones, bit bits-1 is zero.
        const word = memory.readU64(8);
        if (bits > 12) {
          const code = (1n << BigInt(bits - 1)) - 4096n;
          expect(word & ((1n << BigInt(bits)) - 4096n)).toBe(code);
          expect(word & 1n).toBe(1n);
        }
        expect(word >> BigInt(bits)).toBe(BigInt(address) >> BigInt(bits));
      }),
    );
    expect(rangeBits(0xffff_f001, 0x7fff_ffff)).toBe(64);
  });
});

describe('AMD-Vi, behaviours that peers and kernels expect', () => {
  /** Posts a raw command and returns the code of the event that it ends in, or 0. */
  function raw(word0: number, word1: number, word2: number, word3 = 0): number {
    const { kernel, memory, write, event } = machine();
    for (const [index, word] of [word0, word1, word2, word3].entries()) {
      memory.writeU32(COMMANDS + index * 4, word >>> 0);
    }
    write(COMMAND_TAIL, 16n);
    kernel.drain();
    return event(0).code;
  }

  it.each([
    ['COMPLETION_WAIT w1 27:20', 0, 0x1010_0000, 0],
    ['INVALIDATE_DEVTAB_ENTRY w0 31:16', 0x0001_0000, 0x2000_0000, 0],
    ['INVALIDATE_IOMMU_PAGES w1 27:16', 0, 0x3001_0000, 0],
    ['INVALIDATE_IOMMU_PAGES w2 11:3', 0, 0x3000_0000, 0x8],
    ['INVALIDATE_INTERRUPT_TABLE w2', 0, 0x5000_0000, 1],
    ['INVALIDATE_IOMMU_ALL w0', 1, 0x8000_0000, 0],
    ['INVALIDATE_IOTLB_PAGES w2 1', 0, 0x4000_0000, 2],
  ])('a reserved bit of a command makes it illegal: %s (QEMU amd_iommu.c, row A30)', (_name, w0, w1, w2) => {
    expect(raw(w0, w1, w2)).toBe(5);
  });

  it('the same commands without reserved bits are carried out', () => {
    for (const word1 of [0x1000_0000, 0x2000_0000, 0x3000_0000, 0x4000_0000, 0x5000_0000, 0x8000_0000]) {
      expect(raw(0, word1, 0)).toBe(0);
    }
  });

  it('PREFETCH and COMPLETE_PPR are illegal while EFR offers neither (AMD 48882 PrefSup, PPRSup, row A31)', () => {
    expect(Number(machine().read(FEATURES)) & 3).toBe(0);
    expect([raw(0, 0x6000_0000, 0), raw(0, 0x7000_0000, 0)]).toEqual([5, 5]);
  });

  it('an IOTLB_INV_TIMEOUT event names the command by its address (Linux iommu_print_event, row A32)', () => {
    // CONTROL.InvTimeOut 1: a millisecond.
    const { kernel, sink, post, event } = machine(ALL | (1n << 5n));
    sink.silent.add(0x21);
    post(
      { type: 'invalidate-devtab-entry', deviceId: requesterId(1) },
      { type: 'invalidate-iotlb-pages', deviceId: requesterId(0x21) },
    );
    kernel.drain();
    expect(event(0)).toMatchObject({ code: 7, device: 0x21, address: BigInt(COMMANDS + 16) });
  });

  it('CmdBufEn and EventLogEn have no effect while IommuEn is 0 (QEMU, OpenVMM, row A06)', () => {
    const { kernel, post, read, write, sink } = machine(ALL & ~IOMMU_EN);
    expect(read(STATUS)).toBe(0n);
    post({ type: 'invalidate-all' });
    kernel.drain();
    expect([sink.take(), read(COMMAND_HEAD)]).toEqual([[], 0n]);
    write(CONTROL, ALL);
    expect(read(STATUS)).toBe(0x18n);
    kernel.drain();
    expect(read(COMMAND_HEAD)).toBe(16n);
  });

  it('IommuEn off and on drops what the caches hold (OpenVMM, row A39)', () => {
    const { sink, write } = machine();
    sink.take();
    const all = ['context global 0 0 0', 'iotlb global 0 0 0 all'];
    write(CONTROL, ALL & ~IOMMU_EN);
    expect(sink.take()).toEqual(all);
    write(CONTROL, ALL);
    expect(sink.take()).toEqual(all);
  });

  it('hardware errors carry the address of the table entry (QEMU amd_iommu.c, row A56)', () => {
    const { memory, request, event, write } = machine();
    // Device 5: mode 3, tables where there is no memory.
    memory.writeU64(DEVICES + 5 * 32, 3n | (3n << 9n) | (3n << 61n) | 0x3000_0000n);
    request(5, 0x1234);
    expect(event(0)).toMatchObject({ code: 4, address: 0x3000_0000n });
    write(DEVICE_TABLE_BASE, 0x3000_0000n);
    request(5, 0x1234);
    expect(event(1)).toMatchObject({ code: 3, address: 0x3000_00a0n });
  });

  it.each([52n, 53n, 54n, 55n])(
    'bit %s of a device table entry is reserved without GTSup and PPRSup (QEMU amd_iommu.c, row A59)',
    (bit) => {
      const { memory, request, event } = machine();
      memory.writeU64(DEVICES + 5 * 32, 3n | (1n << bit));
      request(5, 0x1000);
      expect(event(0)).toMatchObject({ code: 1, device: 5 });
    },
  );

  it('a reset puts registers, rings and caches back (QEMU qtest, as row V16)', () => {
    const { unit, read, sink, request } = machine();
    sink.take();
    unit.reset();
    for (const offset of [DEVICE_TABLE_BASE, COMMAND_BASE, EVENT_BASE, CONTROL, STATUS]) {
      expect(read(offset)).toBe(0n);
    }
    expect(sink.take()).toContain('iotlb global 0 0 0 all');
    expect(request(5, 0x1000)).toBe(0x1000);
  });
});
