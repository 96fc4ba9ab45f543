import { describe, expect, it } from 'vitest';
import { type AccessGate, DENIED, OpenGate } from '../../../host/bus/access-gate.js';
import {
  type BusAccess,
  DEFAULT_MEMORY_TIMINGS,
  type DeniedAccess,
  MemoryBus,
} from '../../../host/bus/memory-bus.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import {
  type BusPageNumber,
  busAddress,
  busPageAddress,
  busPageOf,
  hostPhysicalAddress,
  type PageNumber,
  pageNumber,
  type RequesterId,
  requesterId,
} from '../../../nic/addresses.js';
import { DmaEngine } from '../../../nic/dma-engine.js';
import { abortAfter } from '../../../nic/host-port.js';
import { PcieLink } from '../../../nic/pcie-link.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { placeOf } from '../support/places.js';

const DEVICE = 0x0100;
const OTHER = 0x0101;

const AT_ONCE = abortAfter(0);

/** Lets one device reach one page, moved by a megabyte, and takes its time. */
class OnePageGate implements AccessGate {
  readonly delayNs = 77;
  readonly asked: [number, number, number, boolean][] = [];

  check(
    requester: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber {
    this.asked.push([requester, page * 4096 + offset, length, write]);
    return requester === DEVICE && page === 2 ? pageNumber(0x102) : DENIED;
  }
}

const SLOW = 0x3000;
const QUICK = 0x4000;
const FORBIDDEN = 0x5000;

/** Takes a microsecond for one page and no time for others; refuses another after 40 ns. */
class SlowPageGate implements AccessGate {
  delayNs = 0;

  check(_requester: RequesterId, page: BusPageNumber): PageNumber {
    const address = page * 0x1000;
    this.delayNs = address === SLOW ? 1_000 : address === FORBIDDEN ? 40 : 0;
    return address === FORBIDDEN ? DENIED : pageNumber(page);
  }
}

const WIDE_QUICK = 2 ** 53;
const WIDE_SLOW = 2 ** 53 + 0x3000;
const WIDE_FORBIDDEN = 2 ** 53 + 0x5000;
const WIDE_NOWHERE = 2 ** 53 + 2 ** 40;

/** The same for addresses from 2^53 on, which it maps to where they are without that bit. */
class WideGate implements AccessGate {
  delayNs = 0;
  readonly asked: unknown[] = [];

  check(
    _requester: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber {
    const first = busPageAddress(page);
    this.asked.push([first, offset, length, write]);
    this.delayNs = { [WIDE_SLOW]: 1_000, [WIDE_FORBIDDEN]: 40, [WIDE_NOWHERE]: 70 }[first] ?? 0;
    return first === WIDE_FORBIDDEN ? DENIED : pageNumber(page - 2 ** 41);
  }
}

function bus(gate: AccessGate) {
  const kernel = new EventKernel();
  const memory = new PhysicalMemory(1024);
  let interrupts = 0;
  const made = new MemoryBus(kernel, memory, { readNs: 120, writeNs: 5 }, () => {
    interrupts += 1;
  });
  made.attachGate(gate);
  const denied: DeniedAccess[] = [];
  made.denied$.subscribe((access) => denied.push(access));
  return { kernel, memory, bus: made, denied, interrupts: () => interrupts };
}

const bytes = (length: number, from = 1) => Uint8Array.from({ length }, (_, index) => index + from);

describe('the memory bus', () => {
  it('carries reads and writes to where the gate says, and answers how long that took', () => {
    const gate = new OnePageGate();
    const { memory, bus: made } = bus(gate);
    expect(made.write(requesterId(DEVICE), ...placeOf(0x2010), 4, bytes(8), 2)).toBe(77 + 5);
    const stored = new Uint8Array(4);
    memory.read(hostPhysicalAddress(0x102010), 4, stored, 0);
    expect([...stored]).toEqual([3, 4, 5, 6]);
    const back = new Uint8Array(6).fill(0xee);
    // It was sent in the same nanosecond as the write, and so reaches memory behind it.
    expect(made.read(requesterId(DEVICE), ...placeOf(0x2010), 4, back, 1)).toBe(77 + 5 + 120);
    expect([...back]).toEqual([0xee, 3, 4, 5, 6, 0xee]);
    expect(gate.asked).toEqual([
      [DEVICE, 0x2010, 4, true],
      [DEVICE, 0x2010, 4, false],
    ]);
    expect([made.reads, made.writes, made.denied, made.gateNs, made.orderNs]).toEqual([1, 1, 0, 154, 5]);
  });

  it('lands no byte of a denied write and aborts it', () => {
    const { kernel, memory, bus: made, denied } = bus(new OnePageGate());
    kernel.run(500);
    memory.fill(hostPhysicalAddress(0x102000), 4096, 0x55);
    expect(made.write(requesterId(OTHER), ...placeOf(0x2000), 64, bytes(64), 0)).toBe(abortAfter(77));
    expect(made.write(requesterId(DEVICE), ...placeOf(0x1ff0), 16, bytes(64), 0)).toBe(abortAfter(77));
    const page = new Uint8Array(4096);
    memory.read(hostPhysicalAddress(0x102000), 4096, page, 0);
    expect(page.every((byte) => byte === 0x55)).toBe(true);
    memory.read(hostPhysicalAddress(0x1000), 4096, page, 0);
    expect(page.every((byte) => byte === 0)).toBe(true);
    expect(denied).toEqual([
      {
        requesterId: OTHER,
        address: 0x2000,
        offset: 0,
        length: 64,
        write: true,
        beyondMemory: false,
        crossesPage: false,
        atNs: 500,
      },
      {
        requesterId: DEVICE,
        address: 0x1ff0,
        offset: 0,
        length: 16,
        write: true,
        beyondMemory: false,
        crossesPage: false,
        atNs: 500,
      },
    ]);
  });

  it('refuses a request that crosses a page before any gate is asked, whatever the gate would say', () => {
    const gate = new OpenGate();
    const { memory, bus: made, denied } = bus(gate);
    for (const [address, length] of [
      [0x1ffc, 8],
      [0x1fff, 2],
      [0x2000, 4097],
    ] as const) {
      memory.fill(hostPhysicalAddress(0x1000), 0x3000, 0x33);
      expect(made.write(requesterId(DEVICE), ...placeOf(address), length, bytes(length), 0)).toBe(AT_ONCE);
      const target = new Uint8Array(length);
      expect(made.read(requesterId(DEVICE), ...placeOf(address), length, target, 0)).toBe(AT_ONCE);
      expect(target.every((byte) => byte === 0xff)).toBe(true);
      const after = new Uint8Array(0x3000);
      memory.read(hostPhysicalAddress(0x1000), 0x3000, after, 0);
      expect(after.every((byte) => byte === 0x33)).toBe(true);
    }
    expect(made.denied).toBe(6);
    expect(denied.every(({ crossesPage, beyondMemory }) => crossesPage && !beyondMemory)).toBe(true);
    // To the last byte of a page is not across it.
    expect(made.write(requesterId(DEVICE), ...placeOf(0x1ff8), 8, bytes(8), 0)).toBe(5);
    expect(made.write(requesterId(DEVICE), ...placeOf(0x2000), 4096, bytes(4096), 0)).toBe(5);
  });

  it('answers a denied read with all ones and aborts it', () => {
    const { memory, bus: made } = bus(new OnePageGate());
    memory.fill(hostPhysicalAddress(0x102000), 4096, 0x55);
    const target = new Uint8Array(10);
    expect(made.read(requesterId(OTHER), ...placeOf(0x2000), 8, target, 1)).toBe(abortAfter(77));
    expect([...target]).toEqual([0, ...new Array(8).fill(0xff), 0]);
    expect(made.denied).toBe(1);
  });

  it('aborts what no RAM answers, even though the gate let it pass', () => {
    const { memory, bus: made, denied } = bus(new OpenGate());
    const end = memory.bytes;
    const target = new Uint8Array(8);
    expect(made.read(requesterId(DEVICE), ...placeOf(end), 8, target, 0)).toBe(AT_ONCE);
    expect([...target]).toEqual(new Array(8).fill(0xff));
    expect(made.write(requesterId(DEVICE), ...placeOf(end), 1, bytes(1), 0)).toBe(AT_ONCE);
    expect(made.write(requesterId(DEVICE), ...placeOf(2 ** 60), 1, bytes(1), 0)).toBe(AT_ONCE);
    expect(made.write(requesterId(DEVICE), ...placeOf(end - 1), 1, bytes(1), 0)).toBe(5);
    expect(denied.map((access) => access.beyondMemory)).toEqual([true, true, true]);
  });

  it('shows a witness what reached memory, and nothing else', () => {
    const { bus: made } = bus(new OnePageGate());
    const seen: unknown[] = [];
    made.watch({ accessed: (...access) => seen.push(access) });
    made.write(requesterId(DEVICE), ...placeOf(0x2008), 4, bytes(4), 0);
    made.write(requesterId(OTHER), ...placeOf(0x2008), 4, bytes(4), 0);
    made.read(requesterId(DEVICE), ...placeOf(0x2010), 8, new Uint8Array(8), 0);
    made.watch(undefined);
    made.write(requesterId(DEVICE), ...placeOf(0x2008), 4, bytes(4), 0);
    made.read(requesterId(DEVICE), ...placeOf(0x2010), 8, new Uint8Array(8), 0);
    expect(seen).toEqual([
      [DEVICE, 0x102008, 4, true],
      [DEVICE, 0x102010, 8, false],
    ]);
  });

  it('answers no read of a requester before its earlier reads, and one of another without waiting', () => {
    const { kernel, bus: made } = bus(new SlowPageGate());
    const target = new Uint8Array(8);
    const read = (requester: number, address: number) =>
      made.read(requesterId(requester), ...placeOf(address), 8, target, 0);
    expect(read(DEVICE, SLOW)).toBe(1_000 + 120);
    kernel.run(300);
    expect(read(OTHER, QUICK)).toBe(120);
    expect(read(DEVICE, QUICK)).toBe(1_120 - 300);
    kernel.run(1_120);
    expect(read(DEVICE, QUICK)).toBe(120);
    expect([made.gateNs, made.orderNs]).toEqual([1_000, 700]);
    made.checkInvariants();
  });

  it('performs no posted write of a requester before its earlier ones, and lets writes pass reads', () => {
    const { kernel, bus: made } = bus(new SlowPageGate());
    const write = (requester: number, address: number) =>
      made.write(requesterId(requester), ...placeOf(address), 8, bytes(8), 0);
    expect(made.read(requesterId(DEVICE), ...placeOf(SLOW), 8, new Uint8Array(8), 0)).toBe(1_120);
    expect(write(DEVICE, QUICK)).toBe(5);
    expect(write(DEVICE, SLOW)).toBe(1_005);
    kernel.run(100);
    expect(write(DEVICE, QUICK)).toBe(905);
    expect(write(OTHER, QUICK)).toBe(5);
    expect([made.gateNs, made.orderNs]).toEqual([2_000, 900]);
    made.checkInvariants();
  });

  it('keeps a refused access in its place', () => {
    const { kernel, bus: made } = bus(new SlowPageGate());
    const target = new Uint8Array(8);
    const read = (address: number) => made.read(requesterId(DEVICE), ...placeOf(address), 8, target, 0);
    const write = (address: number) => made.write(requesterId(DEVICE), ...placeOf(address), 8, bytes(8), 0);
    expect(read(SLOW)).toBe(1_120);
    expect(read(FORBIDDEN)).toBe(abortAfter(1_120));
    expect(read(0xffc)).toBe(abortAfter(1_120));
    kernel.run(2_000);
    expect(read(FORBIDDEN)).toBe(abortAfter(40));
    expect(read(QUICK)).toBe(120);
    expect(write(SLOW)).toBe(1_005);
    expect(write(FORBIDDEN)).toBe(abortAfter(1_005));
    // A write of 8 bytes to the interrupt window is no message.
    expect(write(0xfee0_0000)).toBe(abortAfter(1_005));
    expect([made.denied, made.messages]).toEqual([5, 0]);
    made.checkInvariants();
  });

  it('keeps an interrupt message behind the posted writes that were sent ahead of it', () => {
    const { bus: made } = bus(new SlowPageGate());
    const vectors: number[] = [];
    made.deliverMessages(({ vector }) => vectors.push(vector));
    expect(made.write(requesterId(DEVICE), ...placeOf(SLOW), 8, bytes(8), 0)).toBe(1_005);
    const message = Uint8Array.of(0x31, 0, 0, 0);
    expect(made.write(requesterId(DEVICE), ...placeOf(0xfee0_0000), 4, message, 0)).toBe(1_005);
    expect(made.write(requesterId(OTHER), ...placeOf(0xfee0_0000), 4, message, 0)).toBe(5);
    expect([vectors, made.messages, made.denied]).toEqual([[0x31, 0x31], 2, 0]);
    made.checkInvariants();
  });

  it('tells of each access that reached memory, with what the gate took', () => {
    const { kernel, bus: made } = bus(new SlowPageGate());
    const seen: BusAccess[] = [];
    made.accesses$.subscribe((access) => seen.push(access));
    kernel.run(70);
    made.read(requesterId(DEVICE), ...placeOf(SLOW), 8, new Uint8Array(8), 0);
    made.write(requesterId(OTHER), ...placeOf(QUICK), 4, bytes(4), 0);
    made.write(requesterId(OTHER), ...placeOf(FORBIDDEN), 4, bytes(4), 0);
    const at = { atNs: 70, offset: 0 };
    expect(seen).toEqual([
      { ...at, requesterId: DEVICE, address: SLOW, physical: SLOW, length: 8, write: false, gateNs: 1_000 },
      { ...at, requesterId: OTHER, address: QUICK, physical: QUICK, length: 4, write: true, gateNs: 0 },
    ]);
  });

  it('answers a 64-byte read without an IOMMU after 557 ns, as pcie-bench measured on Broadwell (LAT_DMA_RD, hwarm)', () => {
    const kernel = new EventKernel();
    const made = new MemoryBus(kernel, new PhysicalMemory(16), DEFAULT_MEMORY_TIMINGS, () => {});
    made.attachGate(new OpenGate());
    const engine = new DmaEngine(kernel, new PcieLink(), made, 1, { maxInFlight: 1 });
    const doneNs: number[] = [];
    const channel = engine.open(() => doneNs.push(kernel.nowNs));
    channel.length = 64;
    channel.buffer = new Uint8Array(64);
    channel.read();
    kernel.drain();
    expect(doneNs).toEqual([557]);
  });

  it('denies everything until a gate is attached, interrupt messages included', () => {
    const made = new MemoryBus(new EventKernel(), new PhysicalMemory(4), { readNs: 1, writeNs: 1 }, () => {});
    expect(made.read(requesterId(DEVICE), ...placeOf(0), 4, new Uint8Array(4), 0)).toBe(AT_ONCE);
    expect(made.write(requesterId(DEVICE), ...placeOf(0), 4, bytes(4), 0)).toBe(AT_ONCE);
    expect(made.write(requesterId(DEVICE), ...placeOf(0xfee0_0000), 4, bytes(4), 0)).toBe(AT_ONCE);
    expect([made.denied, made.messages]).toEqual([3, 0]);
  });

  it('tells of refused accesses with their direction, and takes page 0 for memory like any other', () => {
    const { kernel, bus: made, denied } = bus(new OpenGate());
    kernel.run(9);
    const target = new Uint8Array(8);
    expect(made.write(requesterId(DEVICE), ...placeOf(0), 8, bytes(8), 0)).toBe(5);
    // Behind the write.
    expect(made.read(requesterId(DEVICE), ...placeOf(0xff8), 8, target, 0)).toBe(125);
    made.read(requesterId(OTHER), ...placeOf(0xffc), 8, target, 0);
    made.write(requesterId(OTHER), ...placeOf(0xfee0_0002), 4, bytes(4), 0);
    const at = { requesterId: OTHER, beyondMemory: false, atNs: 9 };
    expect(denied).toMatchObject([
      { ...at, address: 0xffc, length: 8, write: false, crossesPage: true },
      { ...at, address: 0xfee0_0002, length: 4, write: true, crossesPage: false },
    ]);
    expect([made.messages, made.leastReadNs]).toEqual([0, 120]);
  });

  it('takes the data of a message from where the device says', () => {
    const { kernel, bus: made } = bus(new OpenGate());
    kernel.run(70);
    const seen: unknown[] = [];
    made.deliverMessages((message) => seen.push(message));
    const source = Uint8Array.of(9, 9, 0x41, 4, 0, 0);
    expect(made.write(requesterId(DEVICE), ...placeOf(0xfee0_3000), 4, source, 2)).toBe(5);
    expect(seen).toEqual([{ vector: 0x41, deliveryMode: 4, destination: 3 }]);
  });

  it('carries accesses from 2^53 on in the same order, and asks the gate for page and offset', () => {
    const gate = new WideGate();
    const { kernel, memory, bus: made, denied } = bus(gate);
    const witnessed: unknown[] = [];
    const seen: BusAccess[] = [];
    made.watch({ accessed: (...access) => witnessed.push(access) });
    made.accesses$.subscribe((access) => seen.push(access));
    kernel.run(50);
    const target = new Uint8Array(10).fill(0xee);
    const read = (page: number, offset: number, length: number) =>
      made.read(requesterId(DEVICE), busPageOf(busAddress(page)), offset, length, target, 1);
    const write = (page: number, offset: number, length: number) =>
      made.write(requesterId(DEVICE), busPageOf(busAddress(page)), offset, length, bytes(16, 3), 2);
    expect(write(WIDE_SLOW, 0xff8, 8)).toBe(1_005);
    const stored = new Uint8Array(8);
    memory.read(hostPhysicalAddress(0x3ff8), 8, stored, 0);
    expect([...stored]).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    expect(write(WIDE_QUICK, 0, 8)).toBe(1_005);
    expect(read(WIDE_SLOW, 0xff8, 8)).toBe(1_125);
    expect([...target]).toEqual([0xee, 5, 6, 7, 8, 9, 10, 11, 12, 0xee]);
    expect(read(WIDE_QUICK, 8, 8)).toBe(1_125);
    expect([made.reads, made.writes, made.gateNs, made.orderNs]).toEqual([2, 2, 2_000, 1_000 + 5 + 1_005]);
    kernel.run(2_050);
    expect(read(WIDE_FORBIDDEN, 16, 4)).toBe(abortAfter(40));
    expect([...target]).toEqual([0xee, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xee]);
    expect(write(WIDE_FORBIDDEN, 16, 4)).toBe(abortAfter(40));
    expect(write(WIDE_SLOW, 0xffc, 8)).toBe(abortAfter(40));
    expect(read(WIDE_QUICK, 0xffc, 8)).toBe(abortAfter(40));
    expect(write(WIDE_NOWHERE, 0, 8)).toBe(abortAfter(70));
    const at = { requesterId: DEVICE, atNs: 2_050 };
    expect(denied).toMatchObject([
      { ...at, write: false, length: 4, beyondMemory: false, crossesPage: false },
      { ...at, write: true, length: 4, beyondMemory: false, crossesPage: false },
      { ...at, write: true, length: 8, beyondMemory: false, crossesPage: true },
      { ...at, write: false, length: 8, beyondMemory: false, crossesPage: true },
      { ...at, write: true, length: 8, beyondMemory: true, crossesPage: false },
    ]);
    expect(gate.asked).toEqual([
      [WIDE_SLOW, 0xff8, 8, true],
      [WIDE_QUICK, 0, 8, true],
      [WIDE_SLOW, 0xff8, 8, false],
      [WIDE_QUICK, 8, 8, false],
      [WIDE_FORBIDDEN, 16, 4, false],
      [WIDE_FORBIDDEN, 16, 4, true],
      [WIDE_NOWHERE, 0, 8, true],
    ]);
    expect(witnessed).toEqual([
      [DEVICE, 0x3ff8, 8, true],
      [DEVICE, 0, 8, true],
      [DEVICE, 0x3ff8, 8, false],
      [DEVICE, 8, 8, false],
    ]);
    expect(seen).toMatchObject([
      { physical: 0x3ff8, length: 8, write: true, gateNs: 1_000, atNs: 50 },
      { physical: 0, length: 8, write: true, gateNs: 0 },
      { physical: 0x3ff8, length: 8, write: false, gateNs: 1_000 },
      { physical: 8, length: 8, write: false, gateNs: 0 },
    ]);
    made.checkInvariants();
  });

  it('asks no time for an access from 2^53 on that crosses a page, and the gate its time for one that does not', () => {
    const { kernel, bus: made } = bus(new WideGate());
    const target = new Uint8Array(8);
    const slow = (offset: number) =>
      made.read(requesterId(DEVICE), busPageOf(busAddress(WIDE_SLOW)), offset, 8, target, 0);
    expect(slow(0)).toBe(1_120);
    kernel.run(10_000);
    expect(slow(0xffc)).toBe(AT_ONCE);
    expect(made.write(requesterId(DEVICE), busPageOf(busAddress(WIDE_SLOW)), 0xffc, 8, bytes(8), 0)).toBe(
      AT_ONCE,
    );
    expect(slow(0xff8)).toBe(1_120);
  });

  it('hands the interrupt line on', () => {
    const { bus: made, interrupts } = bus(new OpenGate());
    made.raise();
    made.raise();
    expect(interrupts()).toBe(2);
  });

  it('takes timings of up to a millisecond', () => {
    const timings = { readNs: 1_000_000, writeNs: 1_000_000 };
    expect(() => new MemoryBus(new EventKernel(), new PhysicalMemory(1), timings, () => {})).not.toThrow();
  });

  it.each([
    { readNs: -1, writeNs: 0 },
    { readNs: 0.5, writeNs: 0 },
    { readNs: 0, writeNs: Number.NaN },
    { readNs: 1_000_001, writeNs: 0 },
  ])('refuses timings of %o', (timings) => {
    const make = () => new MemoryBus(new EventKernel(), new PhysicalMemory(1), timings, () => {});
    expect(make).toThrow(/memory\.(readNs|writeNs) is .*, expected a whole number/);
  });
});
