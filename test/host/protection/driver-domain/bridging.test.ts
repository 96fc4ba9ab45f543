import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { EVERYONE, frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

const MULTICAST = 0x01_00_5e_00_00_01;
const DEVICE_MAC = 0x02_ff_00_00_00_01;

for (const transfer of ['copy', 'flip'] as const) {
  const bench = (guests: number, options: { antiSpoofing?: boolean; promiscuous?: boolean } = {}) => {
    const machine = new Machine(new DriverDomain({ transfer }), { nic: { contexts: 1 } });
    const { protection } = machine.host;
    const made = Array.from({ length: guests }, (_, index) => machine.guest(index + 1, options));
    machine.run();
    for (const guest of made)
      for (let count = 0; count < 8; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
    machine.run();
    return { protection, machine, guests: made as [TestGuest, TestGuest, TestGuest] };
  };

  describe(`a driver domain, by ${transfer}`, () => {
    it('serves many guests on one context of the card', () => {
      const { machine, guests } = bench(6);
      for (const [index, guest] of guests.entries())
        guest.send(frame(STRANGER, macOf(index + 1), 100 + index, index));
      machine.run();
      const sent = machine.wire.frames
        .map((one) => one.bytes)
        .sort((left, right) => left.length - right.length);
      expect(sent).toEqual(guests.map((_, index) => frame(STRANGER, macOf(index + 1), 100 + index, index)));
      const ports = guests.map((guest) => guest.port.context).sort();
      expect(machine.wire.frames.map((one) => one.context).sort(), 'instruments see the guest').toEqual(
        ports,
      );
      for (const guest of guests) {
        expect(guest.interrupts).toBe(1);
        expect(guest.port.context).toBeGreaterThanOrEqual(machine.host.nic.contexts.length);
      }
    });

    it.each([60, 1514, 4096, 4097, 9018])('carries a frame of %s bytes in and out as it is', (length) => {
      const { machine, guests } = bench(2);
      const out = frame(STRANGER, macOf(1), length, 3);
      guests[0].send(out);
      const back = frame(macOf(2), STRANGER, length, 4);
      machine.arrive(back);
      machine.run();
      expect(machine.wire.frames.map((one) => Buffer.compare(one.bytes, out))).toEqual([0]);
      expect(guests[1].receive().map((one) => Buffer.compare(one, back))).toEqual([0]);
      expect(guests[0].receive()).toEqual([]);
    });

    it('puts chains of buffers together, on and across pages', () => {
      const { machine, guests } = bench(1);
      const guest = guests[0];
      const out = frame(STRANGER, macOf(1), 2000, 5);
      const pages = guest.pages(2);
      guest.store(pages + PAGE - 700, out.subarray(0, 1400));
      const second = guest.page();
      guest.store(second + 9, out.subarray(1400));
      guest.post(
        { address: pages + PAGE - 700, length: 1400, flags: 0 },
        { address: second + 9, length: 600 },
      );
      machine.run();
      expect(machine.wire.frames.map((one) => Buffer.compare(one.bytes, out))).toEqual([0]);
    });

    it('bridges between guests without using the wire', () => {
      const { protection, machine, guests } = bench(3);
      const local = frame(macOf(2), macOf(1), 900, 6);
      guests[0].send(local);
      machine.run();
      expect(machine.wire.frames).toEqual([]);
      expect(guests[1].receive()).toEqual([local]);
      expect(guests[2].receive()).toEqual([]);
      expect(protection.counters().details.framesToGuests).toBe(1);
    });

    it.each([
      ['broadcast', EVERYONE],
      ['a group', MULTICAST],
    ])('sends what is for %s to the wire and to all guests but the sender', (_who, destination) => {
      const { machine, guests } = bench(3);
      const out = frame(destination, macOf(1), 200, 7);
      guests[0].send(out);
      machine.run();
      expect(machine.wire.frames.map((one) => one.bytes)).toEqual([out]);
      expect(guests.map((guest) => guest.receive())).toEqual([[], [out], [out]]);
      const back = frame(destination, STRANGER, 201, 8);
      machine.arrive(back);
      machine.run();
      expect(guests.map((guest) => guest.receive())).toEqual([[back], [back], [back]]);
      machine.host.checkInvariants();
    });

    it('shows everything to a promiscuous guest', () => {
      const { machine, guests } = bench(2, { promiscuous: true });
      const back = frame(0x02_00_00_00_77_77, STRANGER, 201, 8);
      machine.arrive(back);
      machine.run();
      expect(guests.map((guest) => guest.receive())).toEqual([[back], [back]]);
    });

    it('drops with a reason what it cannot deliver', () => {
      const { protection, machine, guests } = bench(2, { antiSpoofing: true });
      machine.arrive(frame(0x02_00_00_00_77_77, STRANGER));
      machine.run();
      expect(protection.drops['unknown-destination']).toBe(1);
      guests[0].send(frame(STRANGER, macOf(2)));
      machine.run();
      expect(protection.drops['source-mac-spoofed']).toBe(1);
      expect(machine.wire.frames).toEqual([]);
      expect(guests[0].port.transmit.consumer(), 'its buffer comes back all the same').toBe(1);
      for (let count = 0; count < 10; count += 1) machine.arrive(frame(macOf(1), STRANGER, 100, count));
      machine.run();
      expect(guests[0].receive()).toHaveLength(8);
      expect(protection.drops['no-receive-buffer']).toBe(2);
    });

    it('refuses a station address that is taken', () => {
      const { machine } = bench(1);
      const free = machine.host.pages.freePages;
      expect(() => machine.guest(2, { mac: macOf(1) })).toThrow(
        /guest 2: port\.mac 02:00:00:00:00:01 is taken/,
      );
      expect(() => machine.guest(3, { mac: DEVICE_MAC })).toThrow(
        /guest 3: port\.mac 02:ff:00:00:00:01 is taken/,
      );
      expect(() => machine.guest(4, { receiveSlots: 3 })).toThrow(/port\.receiveSlots is 3/);
      expect(machine.host.pages.freePages).toBe(free);
    });

    it('serves guests round-robin: a greedy one does not keep another waiting', () => {
      const { machine, guests } = bench(2);
      for (let count = 0; count < 14; count += 1) guests[0].send(frame(STRANGER, macOf(1), 1500, count));
      guests[1].send(frame(STRANGER, macOf(2), 100));
      machine.run(2_000_000);
      const order = machine.wire.frames.map((one) => one.bytes[11]);
      expect(order).toHaveLength(15);
      expect(order.indexOf(2)).toBeLessThan(3);
    });

    it("does its work on the time of the driver domain, and the hypervisor's part on the hypervisor's", () => {
      const { protection, machine, guests } = bench(1);
      const { processor, hypervisor } = machine.host;
      const account = protection.domain?.account ?? -1;
      const before = [processor.cyclesOf(account), processor.cyclesOf(hypervisor.account)];
      guests[0].send(frame(STRANGER, macOf(1), 1000));
      machine.run();
      const spent = [processor.cyclesOf(account), processor.cyclesOf(hypervisor.account)].map(
        (now, index) => now - (before[index] ?? 0),
      );
      const { costs } = processor;
      expect(spent[0]).toBeGreaterThan(costs.backEndTransmit + costs.guestInterrupt);
      expect(spent[1]).toBeGreaterThan(
        costs.hypercall + (transfer === 'copy' ? 1000 * costs.copyByte : costs.grantMap + costs.grantUnmap),
      );
    });

    it('works on when the ring wraps, for hundreds of frames both ways', () => {
      const { protection, machine, guests } = bench(2);
      let received = 0;
      const pages = guests.map((guest) => guest.page());
      for (let turn = 0; turn < 100; turn += 1) {
        for (const [index, guest] of guests.entries()) {
          const address = pages[index] ?? 0;
          guest.store(address, frame(macOf(2 - index), macOf(index + 1), 300, turn));
          expect(guest.post({ address, length: 300 })).toBe(1);
          machine.arrive(frame(macOf(index + 1), STRANGER, 400, turn));
        }
        machine.run(300_000);
        for (const guest of guests) {
          guest.reclaim();
          for (const one of guest.receive()) {
            received += 1;
            guest.postReceive({ address: guest.page(), length: PAGE });
            expect([300, 400]).toContain(one.length);
          }
        }
      }
      expect(received).toBe(400);
      const { details } = protection.counters();
      expect(details.framesToGuests).toBe(400);
      if (transfer === 'flip') expect(details.pageFlips).toBeGreaterThan(150);
    });

    it('holds no references and no memory of a guest that has gone', () => {
      const machine = new Machine(new DriverDomain({ transfer }));
      const domain = machine.host.createGuest('guest', 1);
      const options = {
        share: { weight: 1 },
        transmitSlots: 64,
        receiveSlots: 64,
        antiSpoofing: false,
        promiscuous: false,
      };
      const free = machine.host.pages.freePages;
      for (let turn = 0; turn < 20; turn += 1) {
        const port = machine.host.openPort(domain, { ...options, mac: macOf(1) });
        machine.run(100_000);
        machine.host.protection.closePort(port);
        machine.host.protection.closePort(port);
        port.transmit.finish(1);
        port.maskInterrupts(false);
        port.transmit.ring();
      }
      machine.run();
      expect(machine.host.pages.freePages).toBe(free);
      expect(machine.host.pages.pinnedPages).toBe(0);
    });
  });
}

describe('a driver domain that flips pages', () => {
  it('gives the guest the page that the frame came in, and takes the posted one', () => {
    const machine = new Machine(new DriverDomain({ transfer: 'flip' }));
    const { protection } = machine.host;
    const guest = machine.guest(1);
    machine.run();
    const posted = guest.page();
    guest.postReceive({ address: posted, length: PAGE });
    machine.arrive(frame(macOf(1), STRANGER, 500, 1));
    machine.run();
    const now = guest.port.receive.completedAddress(0);
    const self = protection.domain?.id;
    expect(now).not.toBe(posted);
    expect(machine.host.pages.owner(pageNumber(now / PAGE))).toBe(guest.domain.id);
    expect(machine.host.pages.owner(pageNumber(posted / PAGE))).toBe(self);
    expect(guest.domain.ownedPages.has(pageNumber(now / PAGE))).toBe(true);
    expect(guest.domain.ownedPages.has(pageNumber(posted / PAGE))).toBe(false);
    expect(guest.receive()).toEqual([frame(macOf(1), STRANGER, 500, 1)]);
  });

  it('shows a guest nothing of what other frames left on the page', () => {
    const machine = new Machine(new DriverDomain({ transfer: 'flip', slots: 128 }));
    const { protection } = machine.host;
    const [one, two] = [machine.guest(1), machine.guest(2)];
    machine.run();
    // Long frames for the first, until every page of the driver domain has held one and come around.
    for (let turn = 0; turn < 150; turn += 1) {
      one.postReceive({ address: one.page(), length: 2048 });
      machine.arrive(frame(macOf(1), STRANGER, 1500, turn));
      machine.run(100_000);
      one.receive();
    }
    for (let turn = 0; turn < 10; turn += 1) {
      two.postReceive({ address: two.page(), length: PAGE });
      machine.arrive(frame(macOf(2), STRANGER, 60, turn));
      machine.run(100_000);
      const address = two.port.receive.completedAddress(turn);
      expect(machine.peek(address + 60, PAGE - 60).every((byte) => byte === 0)).toBe(true);
      two.receive();
    }
    expect(protection.counters().details.pageFlips).toBe(10);
  });

  it('never lets the card write to a page that it has given away, however often pages go round', () => {
    const machine = new Machine(new DriverDomain({ transfer: 'flip', slots: 128 }));
    const guest = machine.guest(1);
    machine.run();
    const kept: { address: number; bytes: Uint8Array }[] = [];
    for (let turn = 0; turn < 300; turn += 1) {
      guest.postReceive({ address: guest.page(), length: PAGE });
      const bytes = frame(macOf(1), STRANGER, 200, turn);
      machine.arrive(bytes);
      machine.run(60_000);
      kept.push({ address: guest.port.receive.completedAddress(turn), bytes });
      expect(guest.receive()).toEqual([bytes]);
    }
    expect(new Set(kept.map(({ address }) => address)).size).toBe(300);
    for (const { address, bytes } of kept) expect(Buffer.compare(machine.peek(address, 200), bytes)).toBe(0);
  });

  it('copies where no whole page was posted', () => {
    const machine = new Machine(new DriverDomain({ transfer: 'flip' }));
    const { protection } = machine.host;
    const guest = machine.guest(1);
    machine.run();
    const page = guest.page();
    guest.postReceive({ address: page + 2048, length: 2048 });
    machine.arrive(frame(macOf(1), STRANGER, 500, 1));
    machine.run();
    expect(guest.port.receive.completedAddress(0)).toBe(page + 2048);
    expect(guest.receive()).toEqual([frame(macOf(1), STRANGER, 500, 1)]);
    expect(protection.counters().details).toMatchObject({ pageFlips: 0, grantCopies: 1 });
  });

  it('keeps a mapped page from its next owner until the NIC has read it, port or no port', () => {
    const machine = new Machine(new DriverDomain({ transfer: 'flip' }));
    const guest = machine.guest(1);
    machine.run();
    const page = guest.send(frame(STRANGER, macOf(1), 1500, 1));
    const { pages } = machine.host;
    while (pages.count(pageNumber(page / PAGE)) === 0) machine.run(100);
    machine.host.protection.closePort(guest.port);
    expect(guest.domain.release(pageNumber(page / PAGE))).toBe('pending');
    const other = machine.host.createGuest('other', 1);
    expect(other.allocate(pages.freePages)).not.toContain(page / PAGE);
    machine.run(10_000_000);
    expect(machine.wire.frames.map((one) => one.bytes)).toEqual([frame(STRANGER, macOf(1), 1500, 1)]);
    expect(pages.owner(pageNumber(page / PAGE))).toBe(-1);
  });
});

describe('driver domain options', () => {
  it.each([
    [{ transfer: 'teleport' as 'copy' }, /driver-domain\.transfer is teleport, expected copy or flip/],
    [{ slots: 100 }, /driver-domain\.slots is 100/],
    [{ slots: 200 }, /driver-domain\.slots is 200, expected a power of two/],
    [{ budget: 0 }, /driver-domain\.budget is 0/],
    [{ core: -1 }, /driver-domain\.core is -1/],
  ])('%o is refused', (options, message) => {
    expect(() => new DriverDomain(options)).toThrow(message);
  });
});
