import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COST } from '../../../host/cpu/costs.js';
import { PlainDma } from '../../../host/index.js';
import { contextId } from '../../../scheduler/branded.js';
import { Machine } from '../support/machine.js';

const TX_PRODUCER = 0x00;
const RX_MODE = 0x14;
const SHARED = 0x60;

describe('the register window', () => {
  it('posts writes: they arrive after the link, in order', () => {
    const machine = new Machine(new PlainDma());
    const { domain, port } = machine.guest(1);
    const { window, nic } = machine.host;
    machine.run();
    // Two packets of 4 bytes and a header of 24 take the link 4 ns each, to the nanosecond above 7.7 together.
    const arrivalNs = 8 + nic.link.parameters.propagationNs;
    expect(window.write(domain.id, port.context, SHARED, 1)).toBe('done');
    expect(window.write(domain.id, port.context, SHARED, 2)).toBe('done');
    machine.run(arrivalNs - 1);
    expect(window.read(domain.id, port.context, SHARED)).toBe(1);
    machine.run(1);
    expect(window.read(domain.id, port.context, SHARED)).toBe(2);
  });

  it('sends a write out where the work has come to, not where it began', () => {
    const machine = new Machine(new PlainDma(), {
      host: { hertz: 1e9, costs: { doorbell: 100, transmitPacket: 5000 } },
    });
    const { domain, port } = machine.guest(1);
    const { window, nic, processor } = machine.host;
    machine.run();
    processor.post(domain.account, () => {
      processor.charge(COST.transmitPacket);
      window.write(domain.id, port.context, SHARED, 7);
    });
    // The packet of 28 bytes takes 4 ns.
    machine.run(5000 + 100 + 4 + nic.link.parameters.propagationNs - 1);
    expect(window.read(domain.id, port.context, SHARED)).toBe(0);
    machine.run(1);
    expect(window.read(domain.id, port.context, SHARED)).toBe(7);
  });

  it('lets a domain reach its own context and nothing else of the BAR, wherever it aims', () => {
    const machine = new Machine(new PlainDma(), { nic: { contexts: 4 } });
    const guests = [1, 2, 3].map((number) => machine.guest(number));
    const { window, nic } = machine.host;
    machine.run();
    for (const { domain, port } of guests) {
      window.write(domain.id, port.context, SHARED, 0x1000 + port.context);
    }
    machine.run();
    const before = snapshot();
    const aim = fc.record({
      guest: fc.nat(2),
      page: fc.integer({ min: -1, max: 6 }),
      offset: fc.oneof(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: -9000, max: 20_000 })),
      width: fc.constantFrom(1, 2, 4, 8),
    });
    fc.assert(
      fc.property(aim, ({ guest, page, offset, width }) => {
        const me = guests[guest];
        if (me === undefined) throw new Error('no such guest');
        const own = page === me.port.context && offset >= 0 && offset + width <= 4096;
        const faults = window.pageFaults;
        expect(window.read(me.domain.id, page, offset, width) !== undefined).toBe(own);
        if (own) return;
        expect(window.write(me.domain.id, page, offset, 0xdeadbeef, width)).toBe('not-mapped');
        expect(window.pageFaults).toBe(faults + 2);
      }),
      { numRuns: 2000 },
    );
    machine.run();
    expect(snapshot()).toEqual(before);

    function snapshot(): number[] {
      const words: number[] = [];
      for (let offset = 0; offset < nic.barBytes; offset += 4) words.push(nic.read(offset, 4));
      return words;
    }
  });

  it('carries widths and values as they are', () => {
    const machine = new Machine(new PlainDma());
    const { domain, port } = machine.guest(1);
    const { window } = machine.host;
    machine.run();
    window.write(domain.id, port.context, SHARED, 0xfedcba98);
    window.write(domain.id, port.context, SHARED + 1, 0x11, 1);
    window.write(domain.id, port.context, SHARED + 4, -1, 2);
    machine.run();
    expect(window.read(domain.id, port.context, SHARED)).toBe(0xfedc1198);
    expect(window.read(domain.id, port.context, SHARED + 4)).toBe(0xffff);
    expect(window.read(domain.id, port.context, SHARED + 3, 1)).toBe(0xfe);
  });

  it('does not let a doorbell that is under way reach the next owner of the context', () => {
    const machine = new Machine(new PlainDma(), { nic: { contexts: 1 } });
    const old = machine.guest(1);
    const { window, hypervisor, nic } = machine.host;
    machine.run();
    window.write(old.domain.id, 0, TX_PRODUCER, 9);
    window.write(old.domain.id, 0, RX_MODE, 2);
    hypervisor.revokeContext(contextId(0));
    const next = machine.guest(2);
    expect(next.port.context).toBe(0);
    machine.run();
    expect(nic.contexts[0]?.state).toBe('open');
    expect(nic.contexts[0]?.transmit.producer).toBe(0);
    expect(nic.contexts[0]?.allMulticast).toBe(false);
    expect(window.write(old.domain.id, 0, TX_PRODUCER, 9)).toBe('not-mapped');
  });

  it('carries words and bytes to the page that they were written to, and to no other', () => {
    const machine = new Machine(new PlainDma());
    const guests = [1, 2, 3].map((number) => machine.guest(number));
    const { window } = machine.host;
    machine.run();
    expect(guests.map(({ port }) => port.context)).toEqual([0, 1, 2]);
    for (const { domain, port } of guests) {
      window.write(domain.id, port.context, SHARED, 0xa000_0000 + port.context);
      window.write(domain.id, port.context, SHARED + 5, 0x50 + port.context, 1);
      // A word that is not aligned is no register.
      window.write(domain.id, port.context, SHARED + 10, 0x77);
    }
    machine.run();
    for (const { domain, port } of guests) {
      expect(window.read(domain.id, port.context, SHARED)).toBe(0xa000_0000 + port.context);
      expect(window.read(domain.id, port.context, SHARED + 4)).toBe((0x50 + port.context) * 256);
      expect(window.read(domain.id, port.context, SHARED + 8)).toBe(0);
    }
  });

  it('loses a write with the mapping that it went through, however often the page has been mapped', () => {
    const machine = new Machine(new PlainDma());
    const { domain, port } = machine.guest(1);
    const { window, nic } = machine.host;
    machine.run();
    const stored = () => nic.read(port.context * 4096 + SHARED, 4);
    for (let count = 1; count <= 150; count += 1) {
      window.write(domain.id, port.context, SHARED, count);
      machine.run();
      expect(stored()).toBe(count);
      window.write(domain.id, port.context, SHARED, 0xdead);
      window.write(domain.id, port.context, SHARED, 0xad, 1);
      window.map(port.context, domain.id);
      machine.run();
      expect(stored()).toBe(count);
    }
  });

  it('leaves an unmapped page to no domain, and lets the management page be mapped', () => {
    const machine = new Machine(new PlainDma());
    const { domain, port } = machine.guest(1);
    const { window } = machine.host;
    machine.run();
    window.unmap(port.context);
    for (let id = 0; id < 8; id += 1) {
      const one = id as typeof domain.id;
      expect(window.write(one, port.context, SHARED, 1)).toBe('not-mapped');
      expect(window.read(one, port.context, SHARED)).toBeUndefined();
    }
    window.map(window.managementPage, domain.id);
    expect(window.read(domain.id, window.managementPage, 0)).toBeDefined();
  });

  it('takes the link both ways for a read: a request down, and no less than a completion of 4 bytes up', () => {
    const machine = new Machine(new PlainDma());
    const { domain, port } = machine.guest(1);
    const { window, nic } = machine.host;
    machine.run();
    const [down, up] = [nic.link.downstream.carriedBytes, nic.dma.sentBytes];
    window.read(domain.id, port.context, SHARED);
    machine.run();
    expect(nic.link.downstream.carriedBytes - down).toBe(24);
    expect(nic.dma.sentBytes - up).toBeGreaterThanOrEqual(20 + 4);
  });
});
