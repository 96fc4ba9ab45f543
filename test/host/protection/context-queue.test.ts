import { describe, expect, it } from 'vitest';
import { ContextPort } from '../../../host/protection/context-port.js';
import type { ContextQueue } from '../../../host/protection/context-queue.js';
import { requireSlots } from '../../../host/protection/context-queue.js';
import { BufferBatch } from '../../../host/protection/guest-port.js';
import { PlainDma } from '../../../host/protection/none/plain-dma.js';
import { malformedBuffer, wholeFrames } from '../../../host/protection/posted-buffers.js';
import { guestPhysicalAddress, hostPhysicalAddress, untranslated } from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import { Machine, PAGE, PORT } from '../support/machine.js';
import { Shifting } from './shifting-gate.js';

const SLOTS = 8;
const END = 1;

function bench() {
  const machine = new Machine(new PlainDma());
  const { host } = machine;
  const domain = host.createGuest('guest', 1);
  const [out, into] = [new Shifting(domain.account), new Shifting(host.hypervisor.account)];
  const port = new ContextPort({
    parts: host,
    domain,
    options: { ...PORT, transmitSlots: SLOTS, receiveSlots: SLOTS },
    transmitGate: out,
    receiveGate: into,
    hypervisorRings: false,
    busAddressOf: untranslated,
  });
  const batch = (count: number, first = 0x5000) => {
    const made = new BufferBatch(16);
    for (let index = 0; index < count; index += 1)
      made.add(guestPhysicalAddress(first + index * PAGE), 100 + index, END);
    return made;
  };
  const descriptor = (queue: ContextQueue, index: number) => {
    const at = hostPhysicalAddress(queue.ringAddress + index * 16);
    const [low, high, lengthAndFlags, sequence] = [0, 4, 8, 12].map((offset) =>
      host.memory.readU32(hostPhysicalAddress(at + offset)),
    );
    return [low, high, (lengthAndFlags ?? 0) & 0xffff, (lengthAndFlags ?? 0) >>> 16, sequence];
  };
  return { machine, host, domain, port, out, into, batch, descriptor };
}

describe('a queue that ends in a ring of the card', () => {
  it('writes a descriptor for each buffer that its gate admits: the gate’s address, length, flags, number', () => {
    const { host, port, out, batch, descriptor } = bench();
    out.most = 2;
    expect(port.transmit.post(batch(4))).toBe(2);
    expect([0, 1, 2].map((index) => descriptor(port.transmit, index))).toEqual([
      [0x100_5000, 0, 100, END, 1],
      [0x100_6000, 0, 101, END, 2],
      [0, 0, 0, 0, 0],
    ]);
    expect([port.transmit.producer, port.transmit.accepted, port.transmit.refused]).toEqual([2, 2, 1]);
    expect(port.transmit.refusal).toEqual({
      domain: port.domain.id,
      direction: 'transmit',
      refusal: 'not-owner',
      address: 0x5000 + 2 * PAGE,
      length: 102,
      atNs: host.kernel.nowNs,
    });
    expect([
      port.transmit.postedAddress(1),
      port.transmit.postedLength(1),
      port.transmit.postedBusAddress(1),
    ]).toEqual([0x6000, 101, 0x100_6000]);
    expect(port.transmit.completedAddress(1)).toBe(0x6000);
    out.most = 9;
    port.transmit.post(batch(1));
    expect(port.transmit.refusal, 'of the last call alone').toBeUndefined();
  });

  it('asks its gate only where there is a buffer and room for it, and cuts what has none', () => {
    const { port, out, batch } = bench();
    const queue = port.transmit;
    expect([queue.post(batch(0)), out.asked]).toEqual([0, 0]);
    expect([queue.post(batch(5)), queue.post(batch(5)), out.asked]).toEqual([5, 3, 2]);
    expect([queue.post(batch(1)), queue.refusal, out.asked]).toEqual([0, undefined, 2]);
    queue.finish(2);
    expect([queue.post(batch(5)), queue.producer]).toEqual([2, 10]);
  });

  it('charges each descriptor to whoever writes it', () => {
    const { host, port, out, into, batch } = bench();
    const { processor } = host;
    for (const [queue, gate] of [
      [port.transmit, out],
      [port.receive, into],
    ] as const) {
      const before = processor.cyclesOf(gate.writer);
      queue.post(batch(3));
      expect(processor.cyclesOf(gate.writer) - before).toBe(3 * processor.costs.writeDescriptor);
      gate.most = 0;
      queue.post(batch(3));
      expect(processor.cyclesOf(gate.writer) - before).toBe(3 * processor.costs.writeDescriptor);
    }
  });

  it('says what passed, where somebody looks: how many, of which port and direction', () => {
    const { host, port, into, batch } = bench();
    const told: unknown[] = [];
    host.hypervisor.setUps$.subscribe((event) => told.push(event));
    port.receive.post(batch(3));
    into.most = 0;
    port.receive.post(batch(2));
    expect(told).toEqual([
      {
        domain: port.domain.id,
        context: port.context,
        direction: 'receive',
        count: 3,
        atNs: host.kernel.nowNs,
      },
    ]);
  });

  it('posts nothing more when its gate’s refusal has cost it its context', () => {
    const { port, out, batch } = bench();
    out.closes = () => port.markClosed();
    expect([port.transmit.post(batch(2)), port.transmit.producer, port.transmit.accepted]).toEqual([0, 0, 0]);
    out.asked = 0;
    expect(port.transmit.post(batch(2))).toBe(0);
    expect([port.transmit.refusal?.refusal, out.asked, port.transmit.refused]).toEqual(['port-closed', 0, 1]);
  });

  it('reports a refusal to the hypervisor, but for that of a closed port', () => {
    const { host, port, out, batch } = bench();
    out.most = 0;
    port.transmit.post(batch(1));
    expect(host.hypervisor.faultCount).toBe(1);
    port.markClosed();
    port.transmit.post(batch(1));
    expect(host.hypervisor.faultCount).toBe(1);
  });

  it('hands to its gate what the driver has finished: each buffer once, and none that was not posted', () => {
    const { port, out, batch } = bench();
    const queue = port.transmit;
    queue.post(batch(6));
    for (const consumer of [2, 2, 5, 9, 6, 1]) queue.finish(consumer);
    expect([out.finished, queue.finished]).toEqual([
      [
        [0, 2],
        [2, 5],
        [5, 6],
      ],
      6,
    ]);
  });

  it('has slots for indices that run freely, and numbers in the order of posting', () => {
    const { port, out, batch, descriptor } = bench();
    const queue = port.transmit;
    for (let turn = 0; turn < 5; turn += 1) {
      expect(queue.post(batch(6, 0x10_0000 + turn * 0x10_0000))).toBe(6);
      queue.finish(queue.producer);
    }
    expect(out.finished.at(-1)).toEqual([24, 30]);
    // Buffer 29, the last of the fifth batch, is in slot 5; slot 6 still has one of the fourth.
    expect(descriptor(queue, 5)).toEqual([0x150_0000 + 5 * PAGE, 0, 105, END, 30]);
    expect([queue.postedAddress(29), queue.postedLength(29)]).toEqual([0x50_0000 + 5 * PAGE, 105]);
    expect(descriptor(queue, 6)[4]).toBe(23);
  });

  it('counts sequence numbers from 1 and modulo 2^16, which the card is told (CDNA, section 3.3)', () => {
    const { host, port, batch, descriptor } = bench();
    const queue = port.transmit;
    const { sequenceModulus } = present(host.nic.contexts[port.context]);
    expect(sequenceModulus).toBe(2 ** 16);
    const eight = batch(SLOTS);
    for (let turn = 0; turn < 2 ** 16 / SLOTS; turn += 1) {
      queue.post(eight);
      queue.finish(queue.producer);
    }
    expect([6, 7].map((slot) => descriptor(queue, slot)[4])).toEqual([2 ** 16 - 1, 0]);
    queue.post(eight);
    expect(descriptor(queue, 0)[4]).toBe(1);
  });

  it('rings its own doorbell with what it has posted, and none when it is closed', () => {
    const { machine, host, port, batch } = bench();
    const context = present(host.nic.contexts[port.context]);
    port.receive.post(batch(5));
    port.receive.ring();
    machine.run(2_000);
    expect([context.receive.producer, context.transmit.producer]).toEqual([5, 0]);
    port.transmit.post(batch(3));
    port.transmit.ring();
    machine.run(2_000);
    expect([context.receive.producer, context.transmit.producer]).toEqual([5, 3]);
    port.markClosed();
    const { pending } = host.kernel;
    port.receive.ring();
    expect([host.kernel.pending, host.window.pageFaults]).toEqual([pending, 0]);
  });

  it.each([2, 4, 32_768])('may have %i slots', (slots) => {
    expect(() => requireSlots('transmit', slots)).not.toThrow();
  });

  it.each([0, 1, 3, 6, 65_536, 2.5, Number.NaN, -4])('cannot have %d slots', (slots) => {
    expect(() => requireSlots('receive', slots)).toThrow(
      `port.receiveSlots is ${slots}, expected a power of two from 2 to 32,768`,
    );
  });
});

describe('buffers that are handed over together', () => {
  it('are as many as there is room for, or as many as one of several users may have', () => {
    const batch = new BufferBatch(4);
    expect(batch.capacity).toBe(4);
    const add = () => batch.add(guestPhysicalAddress(0x1000), 60, END);
    expect([add(), add(), add(), add(), add(), batch.count]).toEqual([true, true, true, true, false, 4]);
    batch.clear(2);
    expect(batch.count).toBe(0);
    expect([add(), add(), add(), batch.count]).toEqual([true, true, false, 2]);
    batch.clear();
    expect([add(), add(), add(), add(), add()]).toEqual([true, true, true, true, false]);
    batch.clear(0);
    expect(add()).toBe(false);
  });

  it.each([
    [0, 1, undefined],
    [4096.5, 1, 'not-ram'],
    [-1, 1, 'not-ram'],
    [Number.NaN, 1, 'not-ram'],
    [2 ** 53, 1, 'not-ram'],
    [2 ** 53 - 1, 1, undefined],
    [0, 0, 'bad-length'],
    [0, 16_384, undefined],
    [0, 16_385, 'bad-length'],
    [0, Number.NaN, 'bad-length'],
  ])('at %d, of %d bytes: %s', (address, length, refusal) => {
    expect(malformedBuffer(address, length)).toBe(refusal);
  });

  it('are whole frames as far as their last end, where frames are sent; each for itself where they are received', () => {
    const { port, batch } = bench();
    const four = batch(0);
    for (const flags of [0, END, 0, 0]) four.add(guestPhysicalAddress(0), 60, flags);
    const whole = (queue: ContextQueue) => [0, 1, 2, 3, 4].map((count) => wholeFrames(queue, four, count));
    expect(whole(port.transmit)).toEqual([0, 0, 2, 2, 2]);
    expect(whole(port.receive)).toEqual([0, 1, 2, 3, 4]);
  });
});
