import { describe, expect, it } from 'vitest';
import { type AccessGate, DENIED, type InterruptMessage } from '../../../host/bus/access-gate.js';
import { BusMasters } from '../../../host/bus/bus-masters.js';
import { MemoryBus } from '../../../host/bus/memory-bus.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { busPageNumber, pageNumber, requesterId } from '../../../nic/addresses.js';
import { abortedAfterNs } from '../../../nic/host-port.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { placeOf } from '../support/places.js';

const [ONE, OTHER] = [requesterId(0x0100), requesterId(0x0101)];
const WINDOW = 0xfee0_1000;
/** The page at 2^60. */
const WIDE = busPageNumber(2 ** 48);

/** Lets everything pass, and writes down what it was asked. */
class Asked implements AccessGate {
  readonly delayNs = 33;
  readonly log: string[] = [];

  check(id: number, page: number, offset: number): ReturnType<typeof pageNumber> {
    this.log.push(`check ${id.toString(16)} ${page.toString(16)} ${offset.toString(16)}`);
    return pageNumber(1);
  }
}

class AskedOfMessages extends Asked {
  message(id: number, _address: number, data: number): InterruptMessage {
    this.log.push(`message ${id.toString(16)} ${data}`);
    return { vector: 9, deliveryMode: 0, destination: 0 };
  }
}

function bench(gate: AccessGate) {
  const bus = new MemoryBus(new EventKernel(), new PhysicalMemory(16), { readNs: 7, writeNs: 3 }, () => {});
  const messages: InterruptMessage[] = [];
  bus.deliverMessages((message) => messages.push(message));
  bus.attachGate(gate);
  const bytes = Uint8Array.of(0x45, 0x01, 0, 0);
  const read = (id = ONE, address = 0x20) => bus.read(id, ...placeOf(address), 4, bytes.slice(), 0) >= 0;
  const write = (id = ONE, address = 0x20) => bus.write(id, ...placeOf(address), 4, bytes, 0) >= 0;
  const wide = (id = ONE) => [
    bus.read(id, WIDE, 5, 4, bytes.slice(), 0) >= 0,
    bus.write(id, WIDE, 5, 4, bytes, 0) >= 0,
  ];
  return { bus, messages, read, write, wide };
}

describe('bus mastering', () => {
  it('off: no request of the function comes to the gate, and those of others do', () => {
    const gate = new AskedOfMessages();
    const { bus, messages, read, write, wide } = bench(gate);
    bus.setBusMaster(ONE, false);
    expect([read(), write(), ...wide(), write(ONE, WINDOW)]).toEqual([false, false, false, false, false]);
    expect(gate.log).toEqual([]);
    expect([bus.denied, bus.messages]).toEqual([5, 0]);
    expect([read(OTHER), write(OTHER), ...wide(OTHER), write(OTHER, WINDOW)]).toEqual(
      new Array(5).fill(true),
    );
    expect(gate.log).toEqual([
      'check 101 0 20',
      'check 101 0 20',
      'check 101 1000000000000 5',
      'check 101 1000000000000 5',
      'message 101 325',
    ]);
    expect(messages).toEqual([{ vector: 9, deliveryMode: 0, destination: 0 }]);
  });

  it('off: what a gate leaves out is as it is without the bit', () => {
    const gate = new Asked();
    const { bus, messages, wide, write } = bench(gate);
    bus.setBusMaster(ONE, false);
    expect([...wide(OTHER), write(OTHER, WINDOW)]).toEqual([true, true, true]);
    expect(gate.log).toEqual(['check 101 1000000000000 5', 'check 101 1000000000000 5']);
    expect(messages).toEqual([{ vector: 0x45, deliveryMode: 1, destination: 1 }]);
  });

  it('on again: the requests come to the gate as before', () => {
    const gate = new AskedOfMessages();
    const { bus, read } = bench(gate);
    bus.setBusMaster(ONE, true);
    for (const id of [ONE, OTHER]) bus.setBusMaster(id, false);
    bus.setBusMaster(ONE, true);
    expect([read(ONE), read(OTHER)]).toEqual([true, false]);
    bus.setBusMaster(OTHER, true);
    expect([read(ONE), read(OTHER)]).toEqual([true, true]);
    expect(gate.log.length).toBe(3);
  });

  it('is on for every function when a gate is attached', () => {
    const { bus, read } = bench(new Asked());
    bus.setBusMaster(ONE, false);
    bus.attachGate(new Asked());
    expect(read()).toBe(true);
    bus.setBusMaster(OTHER, false);
    expect(read()).toBe(true);
  });

  it('counts functions, not how often their bit was switched', () => {
    const masters = new BusMasters(new Asked());
    masters.set(ONE, false);
    masters.set(ONE, false);
    expect(masters.count).toBe(1);
    expect(masters.check(ONE, busPageNumber(0), 0, 4, false)).toBe(DENIED);
    masters.set(ONE, true);
    expect(masters.count).toBe(0);
  });

  it('off: a request takes nothing of the gate, which was asked for another function before', () => {
    const masters = new BusMasters(new AskedOfMessages());
    masters.set(ONE, false);
    const asks = [
      (id: typeof ONE) => masters.check(id, busPageNumber(0), 0, 4, false),
      (id: typeof ONE) => masters.check(id, WIDE, 5, 4, false),
    ];
    for (const ask of asks) {
      expect([ask(OTHER) >= 0, masters.delayNs]).toEqual([true, 33]);
      expect([ask(ONE), masters.delayNs]).toEqual([DENIED, 0]);
    }
    // On the bus: the abort is there at once, after one that took 33 ns of the gate and 7 of memory.
    const { bus } = bench(new AskedOfMessages());
    bus.setBusMaster(ONE, false);
    const bytes = new Uint8Array(4);
    expect(bus.read(OTHER, ...placeOf(0x20), 4, bytes, 0)).toBe(40);
    expect(abortedAfterNs(bus.read(ONE, ...placeOf(0x20), 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.write(ONE, ...placeOf(0x20), 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.read(ONE, WIDE, 5, 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.write(ONE, WIDE, 5, 4, bytes, 0))).toBe(0);
  });
});
