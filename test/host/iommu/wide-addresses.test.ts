import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenGate } from '../../../host/bus/access-gate.js';
import { MemoryBus } from '../../../host/bus/memory-bus.js';
import { createPageTable } from '../../../host/iommu/amdvi/page-table.js';
import { AmdviUnit } from '../../../host/iommu/amdvi/unit.js';
import { AmdviWalker } from '../../../host/iommu/amdvi/walker.js';
import { READ, WRITE } from '../../../host/iommu/entry-format.js';
import type { RadixTable } from '../../../host/iommu/radix-table.js';
import { type TableWalker, WalkResult } from '../../../host/iommu/table-walker.js';
import { TranslationCache } from '../../../host/iommu/translation/translation-cache.js';
import { RemappingUnit } from '../../../host/iommu/vtd/remapping-unit.js';
import { createSecondLevelTable } from '../../../host/iommu/vtd/second-level-table.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { IommuGate } from '../../../host/protection/iommu/iommu-gate.js';
import {
  busAddress,
  busPageOf,
  hostPhysicalAddress,
  ioVirtualAddress,
  requesterId,
} from '../../../nic/addresses.js';
import { Nic } from '../../../nic/nic.js';
import { DEFAULT_NIC } from '../../../nic/parameters.js';
import type { FaultEvent } from '../../../nic/streams.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { frame } from '../../nic/support/frames.js';
import {
  ALLOCATE,
  DESCRIPTOR_DONE,
  END_OF_PACKET,
  M_COMMAND,
  M_COMMAND_STATUS,
  M_MAC_HIGH,
  M_MAC_LOW,
  M_RX_RING_HIGH,
  M_RX_RING_LOW,
  M_RX_RING_SIZE,
  M_SELECT,
  M_STATUS_HIGH,
  M_STATUS_LOW,
  M_SWITCHING,
  M_TX_RING_HIGH,
  M_TX_RING_LOW,
  M_TX_RING_SIZE,
  M_WEIGHT,
  OPEN,
  PAGE,
  RX_PRODUCER,
  TX_PRODUCER,
} from '../../nic/support/registers.js';
import { RecordingInterrupts } from './support/recording-sink.js';
import { CountingPages, SparseMemory } from './support/sparse-memory.js';

const DEVICE = 0x0100;
const DOMAIN = 7;
const MAC = 0x0200_0000_0001;
const EVENTS = 0x5000;

/** Memory behind the guest's addresses. */
const [RINGS, FIRST, SECOND, LANDING, LANDING_NEXT] = [0x10_0000, 0x10_2000, 0x10_8000, 0x10_a000, 0x10_4000];

/** Where a vendor's unit holds its tables' root for DEVICE, and how it reports a fault. */
interface UnitUnderTest {
  readonly unit: AmdviUnit | RemappingUnit;
  readonly tables: RadixTable;
  /** The last fault that software finds: its address as the unit reports it, and the reason. */
  readonly lastFault: () => { readonly address: bigint; readonly reason: number };
  /** What `lastFault` gives for a page that is not mapped. */
  readonly absentReason: { readonly read: number; readonly write: number };
  /** VT-d reports the page (FI, bits 63:12), AMD-Vi the address. */
  readonly reportsOffset: boolean;
}

interface Parts {
  readonly kernel: EventKernel;
  readonly memory: PhysicalMemory;
  readonly cache: TranslationCache;
}

function amdvi({ kernel, memory, cache }: Parts): UnitUnderTest {
  const unit = new AmdviUnit({ kernel, memory, sink: cache, interrupts: new RecordingInterrupts() });
  const tables = createPageTable(memory, new CountingPages(0x2_0000), 6);
  const devices = 0x1000;
  unit.registers.write64(0x00, BigInt(devices) | 3n); // device table of four pages
  const entry = hostPhysicalAddress(devices + DEVICE * 32);
  memory.writeU64(hostPhysicalAddress(entry + 8), BigInt(DOMAIN));
  memory.writeU64(entry, BigInt(tables.root) | (3n << 61n) | (6n << 9n) | 3n);
  unit.registers.write64(0x10, (8n << 56n) | BigInt(EVENTS));
  unit.registers.write64(0x18, 1n | (1n << 2n));
  const lastFault = () => {
    const last = EVENTS + Number(unit.registers.read64(0x2018)) - 16;
    return {
      address: memory.readU64(hostPhysicalAddress(last + 8)),
      reason: memory.readU32(hostPhysicalAddress(last + 4)) >>> 28,
    };
  };
  return { unit, tables, lastFault, absentReason: { read: 2, write: 2 }, reportsOffset: true };
}

function vtd({ kernel, memory, cache }: Parts): UnitUnderTest {
  const unit = new RemappingUnit({
    kernel,
    memory,
    sink: cache,
    interrupts: new RecordingInterrupts(),
    capabilities: { tableLevels: [5], guestAddressBits: 57, faultRecords: 1 },
  });
  const tables = createSecondLevelTable(memory, new CountingPages(0x2_0000), 5);
  const [root, contexts] = [0x1000, 0x2000];
  memory.writeU64(hostPhysicalAddress(root + (DEVICE >> 8) * 16), BigInt(contexts) | 1n);
  const entry = contexts + (DEVICE & 0xff) * 16;
  memory.writeU64(hostPhysicalAddress(entry + 8), (BigInt(DOMAIN) << 8n) | 3n);
  memory.writeU64(hostPhysicalAddress(entry), BigInt(tables.root) | 1n);
  unit.registers.write64(0x20, BigInt(root));
  unit.registers.write32(0x18, 0x4000_0000);
  unit.registers.write32(0x18, 0x8000_0000);
  const record = (Number(unit.registers.read64(0x08) >> 24n) & 0x3ff) * 16;
  const lastFault = () => {
    const upper = unit.registers.read64(record + 8);
    const found = { address: unit.registers.read64(record), reason: Number((upper >> 32n) & 0xffn) };
    unit.registers.write64(record + 8, 1n << 63n);
    return found;
  };
  return { unit, tables, lastFault, absentReason: { read: 6, write: 5 }, reportsOffset: false };
}

/** A card behind a unit, in memory of 4 MB, and a guest whose rings and buffers are at addresses from 2^53 on. */
class WideBench {
  readonly kernel = new EventKernel();
  readonly memory = new PhysicalMemory(1024);
  readonly cache: TranslationCache;
  readonly under: UnitUnderTest;
  readonly bus: MemoryBus;
  readonly gate: IommuGate;
  readonly nic: Nic;
  readonly sent: Uint8Array[] = [];
  readonly faults: FaultEvent[] = [];
  /** IOVAs: of the page of both rings and the status block, of two pages to send from, of two to receive into. */
  readonly rings: bigint;
  readonly transmit: bigint;
  readonly receive: bigint;
  #posted = { transmit: 0, receive: 0 };

  constructor(make: (parts: Parts) => UnitUnderTest, base: bigint) {
    const walker: TableWalker = {
      walk: (...a) => this.under.unit.walk(...a),
      readEntry: (...a) => this.under.unit.readEntry(...a),
      applyEntry: (...a) => this.under.unit.applyEntry(...a),
      walkTables: (...a) => this.under.unit.walkTables(...a),
      stopAtAbsentPage: (...a) => this.under.unit.stopAtAbsentPage(...a),
    };
    this.cache = new TranslationCache(this.kernel, walker, 1);
    this.under = make(this);
    this.gate = new IommuGate({
      timing: this.cache,
      onFault: (id, address, write, walk, offset) =>
        this.under.unit.recordFault(id, address, write, walk, offset),
      onMessage: () => {},
      managementRequester: requesterId(0),
      sharedRequester: undefined,
    });
    this.bus = new MemoryBus(this.kernel, this.memory, { readNs: 120, writeNs: 0 }, () => {});
    this.bus.attachGate(this.gate);
    this.nic = new Nic(
      this.kernel,
      { ...DEFAULT_NIC, contexts: 1 },
      {
        port: this.bus,
        wire: { transmitted: (bytes, at, length) => this.sent.push(bytes.slice(at, at + length)) },
        transmitDiscipline: makeDiscipline('drr'),
        receiveDiscipline: makeDiscipline('drr'),
      },
    );
    this.nic.streams.faults$.subscribe((fault) => this.faults.push(fault));
    this.rings = base;
    this.transmit = base + 0x1000n;
    this.receive = base + 0x3000n;
    this.map(this.rings, RINGS, READ | WRITE);
    this.map(this.transmit, FIRST, READ);
    this.map(this.transmit + 0x1000n, SECOND, READ);
    this.map(this.receive, LANDING, WRITE);
    this.map(this.receive + 0x1000n, LANDING_NEXT, WRITE);
  }

  map(iova: bigint, physical: number, permissions: number): void {
    const address = ioVirtualAddress(Number(iova));
    expect(this.under.tables.map(address, hostPhysicalAddress(physical), 12, permissions)).toBe('mapped');
  }

  /** Rings of 16 slots: transmit at byte 16 of the page, receive behind it, the status block at the end of the page. */
  open(): void {
    const manage = (offset: number, value: number) => this.nic.write(PAGE + offset, 4, value);
    const words = (low: number, high: number, address: bigint) => {
      manage(low, Number(address & 0xffff_ffffn));
      manage(high, Number(address >> 32n));
    };
    manage(M_SELECT, 0);
    manage(M_COMMAND, ALLOCATE);
    manage(M_MAC_LOW, MAC % 2 ** 32);
    manage(M_MAC_HIGH, Math.floor(MAC / 2 ** 32));
    manage(M_WEIGHT, 1);
    words(M_TX_RING_LOW, M_TX_RING_HIGH, this.rings + 16n);
    words(M_RX_RING_LOW, M_RX_RING_HIGH, this.rings + 0x110n);
    words(M_STATUS_LOW, M_STATUS_HIGH, this.rings + 0xff8n);
    manage(M_TX_RING_SIZE, 4);
    manage(M_RX_RING_SIZE, 4);
    manage(M_COMMAND, OPEN);
    expect(this.nic.read(PAGE + M_COMMAND_STATUS, 4)).toBe(0);
  }

  post(direction: 'transmit' | 'receive', address: bigint, length: number): void {
    const index = this.#posted[direction]++;
    const at = RINGS + (direction === 'transmit' ? 16 : 0x110) + (index % 16) * 16;
    this.memory.writeU64(hostPhysicalAddress(at), address);
    this.memory.writeU32(hostPhysicalAddress(at + 8), length | (END_OF_PACKET << 16));
    this.memory.writeU32(hostPhysicalAddress(at + 12), index + 1);
    this.nic.write(direction === 'transmit' ? TX_PRODUCER : RX_PRODUCER, 4, index + 1);
  }

  settle(): void {
    this.kernel.drain(1_000_000);
    this.nic.checkInvariants();
    this.cache.checkInvariants();
    this.under.unit.checkInvariants();
  }
}

const CASES = [
  // Linux's AMD-Vi driver gives the first address that a device of 58 bits asks for near here.
  ['AMD-Vi, 58 bits', amdvi, 0x3ff_ffff_c000_0000n],
  ['AMD-Vi, the last pages of all', amdvi, (1n << 64n) - 0x5000n],
  ['AMD-Vi, sign-extended (row B07)', amdvi, 0xffff_fffe_f800_4000n],
  ['AMD-Vi, across 2^53', amdvi, (1n << 53n) - 0x2000n],
  ['VT-d, the last pages of 57 bits', vtd, (1n << 57n) - 0x5000n],
  ['VT-d, across 2^53', vtd, (1n << 53n) - 0x4000n],
] as const;

describe.each(CASES)('addresses of 2^53 and more (row A54, Linux generic_pt): %s', (_name, make, base) => {
  it('a card sends and receives through rings and buffers there, to the byte', () => {
    const bench = new WideBench(make, base);
    bench.open();
    const out = frame(1500, 0x0200_0000_ff01, MAC, 3);
    // An odd address, and the frame crosses into a page that lies elsewhere in memory.
    const cut = 0x1000 - 0xe35;
    bench.memory.write(hostPhysicalAddress(FIRST + 0xe35), cut, out, 0);
    bench.memory.write(hostPhysicalAddress(SECOND), out.length - cut, out, cut);
    bench.post('transmit', bench.transmit + 0xe35n, out.length);
    bench.post('receive', bench.receive + 0xf03n, 2048);
    bench.settle();
    expect(bench.sent).toEqual([out]);
    const came = frame(1400, MAC, 0x0200_0000_ff01, 9);
    bench.nic.receive(came, 0, came.length);
    bench.settle();
    const landed = new Uint8Array(came.length);
    const first = 0x1000 - 0xf03;
    bench.memory.read(hostPhysicalAddress(LANDING + 0xf03), first, landed, 0);
    bench.memory.read(hostPhysicalAddress(LANDING_NEXT), came.length - first, landed, first);
    expect(landed).toEqual(came);
    // The descriptor is written back with its address as it was, and the consumer indices are in the status block.
    expect(bench.memory.readU64(hostPhysicalAddress(RINGS + 0x110))).toBe(bench.receive + 0xf03n);
    const lengthAndFlags = bench.memory.readU32(hostPhysicalAddress(RINGS + 0x118));
    expect([lengthAndFlags & 0xffff, (lengthAndFlags >>> 16) & DESCRIPTOR_DONE]).toEqual([
      1400,
      DESCRIPTOR_DONE,
    ]);
    expect(bench.memory.readU64(hostPhysicalAddress(RINGS + 0xff8))).toBe((1n << 32n) | 1n);
    expect(bench.faults).toEqual([]);
    expect(bench.bus.denied).toBe(0);
  });

  it('a card that switches reads the destination of a frame at its offset, not at the first byte of its page', () => {
    const bench = new WideBench(make, base);
    bench.nic.write(PAGE + M_SWITCHING, 4, 1);
    bench.open();
    // The page begins with the station address of the card's own context: a frame for it would stay inside.
    bench.memory.write(hostPhysicalAddress(FIRST), 60, frame(60, MAC, MAC), 0);
    const out = frame(300, 0x0200_0000_ff01, MAC, 5);
    bench.memory.write(hostPhysicalAddress(FIRST + 0x123), out.length, out, 0);
    bench.post('transmit', bench.transmit + 0x123n, out.length);
    bench.settle();
    expect(bench.sent).toEqual([out]);
    expect(bench.faults).toEqual([]);
    expect(bench.bus.denied).toBe(0);
  });

  it('a descriptor that names a page beside them stops the context, and the log has the address', () => {
    const bench = new WideBench(make, base);
    bench.open();
    const { tables, absentReason, reportsOffset, lastFault } = bench.under;
    tables.unmap(ioVirtualAddress(Number(bench.transmit + 0x1000n)), 4096);
    bench.post('transmit', bench.transmit + 0x1abdn, 64);
    bench.settle();
    expect(bench.faults).toMatchObject([{ context: 0, reason: 'payload-abort' }]);
    expect(lastFault()).toEqual({
      address: bench.transmit + (reportsOffset ? 0x1abdn : 0x1000n),
      reason: absentReason.read,
    });
    expect(bench.sent).toEqual([]);
  });
});

describe('a buffer across 2^64', () => {
  it('ends there: its second page is not page 0, though the unit knows that', () => {
    const bench = new WideBench(amdvi, (1n << 64n) - 0x5000n);
    bench.map(0n, SECOND + 0x1000, WRITE);
    bench.open();
    bench.post('receive', 0n, 2048);
    bench.post('receive', (1n << 64n) - 16n, 2048);
    bench.settle();
    const came = frame(1400, MAC, 0x0200_0000_ff01, 9);
    bench.nic.receive(came, 0, came.length);
    bench.settle();
    expect(bench.faults).toEqual([]);
    const landed = new Uint8Array(came.length);
    bench.memory.read(hostPhysicalAddress(SECOND + 0x1000), came.length, landed, 0);
    expect(landed).toEqual(came);
    bench.nic.receive(frame(1400, MAC, 0x0200_0000_ff02, 7), 0, 1400);
    bench.settle();
    expect(bench.faults).toMatchObject([{ context: 0, direction: 'receive', reason: 'payload-abort' }]);
    bench.memory.read(hostPhysicalAddress(SECOND + 0x1000), came.length, landed, 0);
    expect(landed).toEqual(came);
  });
});

describe('the bus for addresses of 2^53 and more', () => {
  const page = busPageOf(busAddress(2 ** 58));

  it('says to observers which page and which offset, of what it carries and of what it denies', () => {
    const bench = new WideBench(amdvi, 1n << 58n);
    const [seen, denied]: [unknown[], unknown[]] = [[], []];
    bench.bus.accesses$.subscribe((access) => seen.push(access));
    bench.bus.denied$.subscribe((access) => denied.push(access));
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect(bench.bus.write(requesterId(DEVICE), page, 0x123, 4, bytes, 0)).toBeGreaterThanOrEqual(0);
    expect(seen).toMatchObject([{ address: 2 ** 58, offset: 0x123, physical: RINGS + 0x123, write: true }]);
    expect(bench.bus.read(requesterId(DEVICE), page, 0xffe, 4, bytes, 0)).toBeLessThan(0);
    expect([...bytes]).toEqual([255, 255, 255, 255]);
    const beyond = busPageOf(busAddress(2 ** 59));
    expect(bench.bus.write(requesterId(DEVICE), beyond, 0x123, 4, bytes, 0)).toBeLessThan(0);
    expect(denied).toMatchObject([
      { address: 2 ** 58, offset: 0xffe, crossesPage: true, beyondMemory: false },
      { address: 2 ** 59, offset: 0x123, crossesPage: false, beyondMemory: false },
    ]);
    expect([bench.bus.reads, bench.bus.writes, bench.bus.denied, bench.gate.denied]).toEqual([1, 2, 2, 1]);
  });

  it('finds no memory there behind a gate that does not translate', () => {
    const kernel = new EventKernel();
    const bus = new MemoryBus(kernel, new PhysicalMemory(16), { readNs: 1, writeNs: 1 }, () => {});
    bus.attachGate(new OpenGate());
    const denied: unknown[] = [];
    bus.denied$.subscribe((access) => denied.push(access));
    expect(bus.write(requesterId(DEVICE), page, 8, 4, new Uint8Array(4), 0)).toBeLessThan(0);
    expect(denied).toMatchObject([{ address: 2 ** 58, offset: 8, beyondMemory: true }]);
  });
});

describe('tables at the end of the address space', () => {
  it('six levels map the last page, large pages below it, and take them away again, as a model does (row A54)', () => {
    const slot = fc.record({
      fromEnd: fc.integer({ min: 1, max: 1200 }),
      bits: fc.constantFrom(12, 12, 13, 16, 21),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(slot, { maxLength: 25 }), (steps) => {
        const memory = new SparseMemory();
        memory.add(0x1000);
        const tables = createPageTable(memory, new CountingPages(), 6);
        memory.writeU64(0x1000, BigInt(tables.root) | (3n << 61n) | (6n << 9n) | 3n);
        memory.writeU64(0x1008, 1n);
        const walker = new AmdviWalker(memory, memory.reachable);
        walker.setDeviceTable(hostPhysicalAddress(0x1000), 0x1000);
        let mappings: { start: bigint; end: bigint; physical: bigint }[] = [];
        const out = new WalkResult();
        for (const { fromEnd, bits, remove } of steps) {
          const size = 1n << BigInt(bits);
          const start = (((1n << 64n) - BigInt(fromEnd) * 0x1000n) / size) * size;
          const end = start + size;
          const at = ioVirtualAddress(Number(start));
          const met = mappings.filter((one) => one.start < end && start < one.end);
          if (!remove) {
            const physical = BigInt(fromEnd) << BigInt(bits);
            const outcome = tables.map(at, hostPhysicalAddress(Number(physical)), bits, READ | WRITE);
            expect(outcome).toBe(met.length === 0 ? 'mapped' : 'already-mapped');
            if (met.length === 0) mappings.push({ start, end, physical });
          } else if (met.some((one) => one.start < start || one.end > end)) {
            expect(() => tables.unmap(at, Number(size))).toThrow(/splits a page/);
          } else {
            tables.unmap(at, Number(size));
            mappings = mappings.filter((one) => !met.includes(one));
          }
          const last = (1n << 64n) - 0x1000n;
          for (const page of [start, end - 0x1000n, start - 0x1000n, end & last, last]) {
            walker.walk(requesterId(0), ioVirtualAddress(Number(page)), false, out);
            const covering = mappings.find((one) => page >= one.start && page < one.end);
            const got = out.ok ? BigInt(out.physical) + (page % (1n << BigInt(out.pageBits))) : undefined;
            expect(got).toBe(covering === undefined ? undefined : covering.physical + page - covering.start);
          }
        }
        tables.checkInvariants();
      }),
      { numRuns: 60 },
    );
  });

  it('an address that a number does not hold is no request: the bus splits it first', () => {
    const walker = new AmdviWalker(new SparseMemory(), () => false);
    const out = new WalkResult();
    for (const address of [2 ** 53 + 2, 2 ** 64, -4096, 0.5])
      expect(() => walker.walk(requesterId(0), ioVirtualAddress(address), false, out)).toThrow(RangeError);
    expect(() => walker.walk(requesterId(0), ioVirtualAddress(2 ** 64 - 4096), false, out)).not.toThrow();
  });
});
