import { describe, expect, it } from 'vitest';
import { type AccessGate, DENIED, type InterruptMessage } from '../../../host/bus/access-gate.js';
import { BusMasters } from '../../../host/bus/bus-masters.js';
import { MemoryBus } from '../../../host/bus/memory-bus.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { busAddress, hostPhysicalAddress, requesterId } from '../../../nic/addresses.js';
import { abortedAfterNs } from '../../../nic/host-port.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';

const [ONE, OTHER] = [requesterId(0x0100), requesterId(0x0101)];
const WINDOW = busAddress(0xfee0_1000);

/** Lets everything pass, and writes down what it was asked. */
class Asked implements AccessGate {
  readonly delayNs = 33;
  readonly log: string[] = [];

  check(id: number, address: number): ReturnType<typeof hostPhysicalAddress> {
    this.log.push(`check ${id.toString(16)} ${address.toString(16)}`);
    return hostPhysicalAddress(0x1000 + (address % 4096));
  }
}

class AskedWide extends Asked {
  checkWide(id: number, page: number, offset: number): ReturnType<typeof hostPhysicalAddress> {
    this.log.push(`wide ${id.toString(16)} ${page.toString(16)} ${offset}`);
    return hostPhysicalAddress(0x1000 + offset);
  }

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
  const read = (id = ONE, address = 0x20) => bus.read(id, busAddress(address), 4, bytes.slice(), 0) >= 0;
  const write = (id = ONE, address = 0x20) => bus.write(id, busAddress(address), 4, bytes, 0) >= 0;
  const wide = (id = ONE) => [
    bus.readWide(id, busAddress(2 ** 60), 5, 4, bytes.slice(), 0) >= 0,
    bus.writeWide(id, busAddress(2 ** 60), 5, 4, bytes, 0) >= 0,
  ];
  return { bus, messages, read, write, wide };
}

describe('bus mastering', () => {
  it('off: no request of the function comes to the gate, and those of others do', () => {
    const gate = new AskedWide();
    const { bus, messages, read, write, wide } = bench(gate);
    bus.setBusMaster(ONE, false);
    expect([read(), write(), ...wide(), write(ONE, WINDOW)]).toEqual([false, false, false, false, false]);
    expect(gate.log).toEqual([]);
    expect([bus.denied, bus.messages]).toEqual([5, 0]);
    expect([read(OTHER), write(OTHER), ...wide(OTHER), write(OTHER, WINDOW)]).toEqual(
      new Array(5).fill(true),
    );
    expect(gate.log).toEqual([
      'check 101 20',
      'check 101 20',
      'wide 101 1000000000000000 5',
      'wide 101 1000000000000000 5',
      'message 101 325',
    ]);
    expect(messages).toEqual([{ vector: 9, deliveryMode: 0, destination: 0 }]);
  });

  it('off: what a gate leaves out is as it is without the bit', () => {
    const gate = new Asked();
    const { bus, messages, wide, write } = bench(gate);
    bus.setBusMaster(ONE, false);
    expect([...wide(OTHER), write(OTHER, WINDOW)]).toEqual([true, true, true]);
    expect(gate.log).toEqual(['check 101 1000000000000000', 'check 101 1000000000000000']);
    expect(messages).toEqual([{ vector: 0x45, deliveryMode: 1, destination: 1 }]);
  });

  it('on again: the requests come to the gate as before', () => {
    const gate = new AskedWide();
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
    expect(masters.check(ONE, busAddress(0), 4, false, 0)).toBe(DENIED);
    masters.set(ONE, true);
    expect(masters.count).toBe(0);
  });

  it('off: a request takes nothing of the gate, which was asked for another function before', () => {
    const masters = new BusMasters(new AskedWide());
    masters.set(ONE, false);
    const asks = [
      (id: typeof ONE) => masters.check(id, busAddress(0), 4, false, 0),
      (id: typeof ONE) => masters.checkWide(id, busAddress(2 ** 60), 5, 4, false, 0),
    ];
    for (const ask of asks) {
      expect([ask(OTHER) >= 0, masters.delayNs]).toEqual([true, 33]);
      expect([ask(ONE), masters.delayNs]).toEqual([DENIED, 0]);
    }
    // On the bus: the abort is there at once, after one that took 33 ns of the gate and 7 of memory.
    const { bus } = bench(new AskedWide());
    bus.setBusMaster(ONE, false);
    const bytes = new Uint8Array(4);
    expect(bus.read(OTHER, busAddress(0x20), 4, bytes, 0)).toBe(40);
    expect(abortedAfterNs(bus.read(ONE, busAddress(0x20), 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.write(ONE, busAddress(0x20), 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.readWide(ONE, busAddress(2 ** 60), 5, 4, bytes, 0))).toBe(0);
    expect(abortedAfterNs(bus.writeWide(ONE, busAddress(2 ** 60), 5, 4, bytes, 0))).toBe(0);
  });
});
