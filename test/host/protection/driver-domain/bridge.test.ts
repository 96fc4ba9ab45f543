import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { guestPhysicalAddress } from '../../../../nic/addresses.js';
import { present } from '../../../../scheduler/present.js';
import {
  EVERYONE,
  frame,
  Machine,
  macOf,
  PAGE,
  PORT,
  STRANGER,
  type TestGuest,
} from '../../support/machine.js';

function bench(options: readonly { promiscuous?: boolean; antiSpoofing?: boolean }[], budget = 64) {
  const machine = new Machine(new DriverDomain({ budget }));
  const guests = options.map((one, index) => machine.guest(index + 1, one));
  machine.run();
  for (const guest of guests)
    for (let count = 0; count < 8; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
  machine.run();
  const { protection } = machine.host;
  return {
    machine,
    protection,
    guests,
    got: () => guests.map((guest) => guest.receive().map(({ length }) => length)),
    out: () => machine.wire.frames.map(({ bytes }) => bytes.length),
    send: (from: number, to: number, length: number) => {
      present(guests[from - 1]).send(frame(to, macOf(from), length));
      machine.run();
    },
    counts: () => protection.counters().details,
  };
}

describe('a bridge by station address (IEEE 802.1D, without learning)', () => {
  it('shows a promiscuous guest what goes out, what comes in and what goes between others', () => {
    const { machine, got, out, send } = bench([{}, {}, { promiscuous: true }]);
    send(1, STRANGER, 101);
    expect([got(), out()]).toEqual([[[], [], [101]], [101]]);
    send(1, macOf(2), 102);
    expect([got(), out()]).toEqual([[[], [102], [102]], [101]]);
    machine.arrive(frame(macOf(1), STRANGER, 103));
    machine.run();
    expect(got()).toEqual([[103], [], [103]]);
    machine.arrive(frame(macOf(3), STRANGER, 104));
    machine.run();
    expect(got(), 'its own once').toEqual([[], [], [104]]);
    send(3, macOf(1), 105);
    expect(got(), 'and nothing that it has sent itself').toEqual([[105], [], []]);
  });

  it('shows nothing to others when the promiscuous guest has gone', () => {
    const { machine, protection, guests, got, out, send } = bench([{}, {}, { promiscuous: true }]);
    protection.closePort(present(guests[2]).port);
    send(1, macOf(2), 102);
    machine.arrive(frame(0x02_00_00_00_77_77, STRANGER, 103));
    machine.run();
    expect([got().slice(0, 2), out()]).toEqual([[[], [102]], []]);
    expect(protection.drops['unknown-destination']).toBe(1);
  });

  it('drops what a guest sends to itself: no station but it has that address', () => {
    const { protection, got, out, send } = bench([{}, {}]);
    send(1, macOf(1), 100);
    expect([got(), out(), protection.drops['unknown-destination']]).toEqual([[[], []], [], 1]);
  });

  it('sends to the wire what is for a guest that has gone', () => {
    const { protection, guests, out, send } = bench([{}, {}]);
    send(1, macOf(2), 100);
    protection.closePort(present(guests[1]).port);
    send(1, macOf(2), 101);
    expect(out()).toEqual([101]);
    // And its address may be taken by another.
    expect(() => guests[0]?.reopen()).not.toThrow();
  });

  it('looks at the source where that is asked for, and lets the guest’s own address pass', () => {
    const { machine, protection, guests, out, send } = bench([{ antiSpoofing: true }, {}]);
    send(1, STRANGER, 100);
    const thief = present(guests[0]);
    thief.send(frame(STRANGER, macOf(2), 101));
    thief.send(frame(EVERYONE, macOf(2), 102));
    present(guests[1]).send(frame(STRANGER, macOf(1), 103));
    machine.run();
    expect([out(), protection.drops['source-mac-spoofed']]).toEqual([[100, 103], 2]);
    expect(protection.intermediary.traffic(thief.port).drops).toEqual({ 'source-mac-spoofed': 2 });
  });

  it('counts frames by where they came from and went to, each copy once', () => {
    const { machine, counts, send } = bench([{}, {}, {}]);
    send(1, EVERYONE, 100);
    send(1, macOf(2), 100);
    send(2, STRANGER, 100);
    machine.arrive(frame(EVERYONE, STRANGER, 100));
    machine.arrive(frame(macOf(1), STRANGER, 100));
    machine.run();
    expect(counts()).toMatchObject({
      framesFromGuests: 3,
      framesFromWire: 2,
      framesToWire: 2,
      framesToGuests: 2 + 1 + 3 + 1,
    });
    expect(counts()).not.toHaveProperty('drop:malformed-completion');
  });

  it('is told of a frame that no guest has a buffer for, by the guest that lacks it', () => {
    const { machine, protection, guests } = bench([{}, {}]);
    for (let count = 0; count < 10; count += 1) machine.arrive(frame(EVERYONE, STRANGER, 100, count));
    machine.run();
    expect(protection.drops['no-receive-buffer']).toBe(4);
    for (const guest of guests)
      expect(protection.intermediary.traffic(guest.port).drops).toEqual({ 'no-receive-buffer': 2 });
  });
});

describe('the work of a driver domain', () => {
  it('waits for the card when its ring is full, and loses nothing: four guests with more than a ring holds', () => {
    const machine = new Machine(new DriverDomain({ slots: 128 }), { nic: { rateBps: 1e8 } });
    const guests = [1, 2, 3, 4].map((number) => machine.guest(number, { transmitSlots: 64 }));
    machine.run();
    for (const [at, guest] of guests.entries()) {
      const page = guest.page();
      guest.store(page, frame(STRANGER, macOf(at + 1), 300));
      for (let turn = 0; turn < 3; turn += 1)
        guest.post(...Array.from({ length: 20 }, () => ({ address: page, length: 300 })));
    }
    machine.run(20_000_000);
    expect(machine.wire.frames).toHaveLength(240);
    expect(guests.map((guest) => guest.port.transmit.consumer())).toEqual([60, 60, 60, 60]);
  });

  it('costs it a price for each frame, each way, on its own account', () => {
    const spent = (work: (machine: Machine, guest: TestGuest, count: number) => void, count: number) => {
      const machine = new Machine(new DriverDomain());
      const guest = machine.guest(1);
      machine.run();
      for (let at = 0; at < 8; at += 1) guest.postReceive({ address: guest.page(), length: PAGE });
      machine.run();
      const { processor } = machine.host;
      const { account } = (machine as Machine<ReturnType<typeof bench>['protection']>).host.protection.domain;
      const before = processor.cyclesOf(account);
      work(machine, guest, count);
      machine.run();
      return processor.cyclesOf(account) - before;
    };
    const { costs } = new Machine(new DriverDomain()).host.processor;
    const send = (_machine: Machine, guest: TestGuest, count: number) => {
      const page = guest.page();
      guest.store(page, frame(STRANGER, macOf(1), 60));
      guest.post(...Array.from({ length: count }, () => ({ address: page, length: 60 })));
    };
    // What a frame more costs, in the same event: taken and sent. It is reclaimed when the driver domain looks again.
    const more = spent(send, 4) - spent(send, 2);
    expect(more).toBe(2 * (costs.backEndTransmit + costs.writeDescriptor));
    const bring = (machine: Machine, _guest: TestGuest, count: number) => {
      for (let at = 0; at < count; at += 1) machine.arrive(frame(macOf(1), STRANGER, 60, at));
    };
    expect(spent(bring, 3) - spent(bring, 1)).toBeGreaterThanOrEqual(
      2 * (costs.backEndReceive + costs.writeDescriptor + costs.refillBuffer),
    );
  });
});

describe('a driver domain as it is told to be', () => {
  it('runs on its core, has its address and its slots, and one context of the card', () => {
    const mac = 0x02_ff_00_00_00_77;
    const { host } = new Machine(new DriverDomain({ core: 1, mac, slots: 128 }), { host: { cores: 3 } });
    const { protection, processor, nic } = host;
    expect(processor.accounts[protection.domain.account]?.core).toBe(1);
    expect([
      protection.device.mac,
      protection.device.transmit.slots,
      protection.device.receive.slots,
    ]).toEqual([mac, 128, 128]);
    expect(nic.contexts.filter(({ state }) => state === 'open').map(({ mac: of }) => of)).toEqual([mac]);
    const other = host.createGuest('other', 1);
    expect(() => host.openPort(other, { ...PORT, mac })).toThrow(
      /other: port\.mac 02:ff:00:00:00:77 is taken/,
    );
  });

  it('has a context that takes what is for others, and sends what others have written', () => {
    const { host } = new Machine(new DriverDomain());
    const context = host.nic.contexts.find(({ state }) => state === 'open');
    expect(context).toMatchObject({ promiscuousAllowed: true, antiSpoofing: false, share: { weight: 1 } });
  });
});

describe('a front end', () => {
  const one = () => {
    const { machine, guests, protection } = bench([{}]);
    const guest = present(guests[0]);
    if (!(guest.port instanceof FrontEnd)) throw new Error('no front end');
    return { machine, guest, port: guest.port, protection };
  };

  it('that is closed has sent what was sent, has taken what was taken, and shows nothing more', () => {
    const { machine, guest, port, protection } = one();
    guest.send(frame(STRANGER, macOf(1)));
    guest.send(frame(STRANGER, macOf(1)));
    for (let count = 0; count < 3; count += 1) machine.arrive(frame(macOf(1), STRANGER, 100, count));
    machine.run();
    port.transmit.finish(1);
    port.receive.finish(1);
    expect([port.transmit.consumer(), port.receive.consumer(), port.receive.completedLength(1)]).toEqual([
      2, 3, 100,
    ]);
    expect(port.receive.completedAddress(1)).toBeGreaterThan(0);
    protection.closePort(port);
    expect(port.isOpen).toBe(false);
    expect([port.transmit.consumer(), port.receive.consumer()]).toEqual([2, 1]);
    expect([
      port.receive.completedLength(1),
      port.receive.completedFlags(1),
      port.receive.completedAddress(1),
    ]).toEqual([0, 0, 0]);
    const { hypercalls } = machine.host.hypervisor;
    const ring = (port.transmit.ringPages[0] ?? 0) * PAGE;
    port.transmit.finish(2);
    port.transmit.ring();
    port.maskInterrupts(false);
    machine.run();
    expect(machine.host.hypervisor.hypercalls).toBe(hypercalls);
    // What was its ring is a free page, and nobody writes there.
    expect(machine.peek(ring, PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it('is finished with what is answered, and with no more than was posted', () => {
    const { guest, port } = one();
    guest.send(frame(STRANGER, macOf(1)));
    const flags = () => port.grants.flags(0);
    port.transmit.finish(2);
    port.transmit.finish(0);
    expect(flags()).toBe(5);
    port.transmit.finish(1);
    expect(flags()).toBe(0);
  });

  it('grants pages to send for reading and pages to receive for writing, at a price for each page', () => {
    const { machine, guest, port, protection } = one();
    const { processor } = machine.host;
    const { account } = guest.domain;
    const before = processor.cyclesOf(account);
    const pages = guest.pages(2);
    guest.post({ address: pages + PAGE - 10, length: 100 });
    const price = () => (processor.cyclesOf(account) - before) / processor.costs.grantEntry;
    expect([port.grants.flags(0), port.grants.flags(1), port.grants.flags(2), price()]).toEqual([5, 5, 0, 2]);
    expect([port.grants.page(0), port.grants.page(1)]).toEqual([pages / PAGE, pages / PAGE + 1]);
    expect(port.grants.grantee(0)).toBe(protection.domain.id);
    const first = port.receive.plan.firstReference;
    expect(first).toBe(16 * 4);
    expect(port.grants.flags(first)).toBe(1);
    port.transmit.finish(1);
    expect([price(), port.grants.flags(0), port.grants.flags(1)]).toEqual([4, 0, 0]);
  });

  it.each([
    [-PAGE, 'not-ram'],
    [0.5, 'not-ram'],
    [Number.NaN, 'not-ram'],
    [2 ** 44, 'not-ram'],
    [2 ** 44 - PAGE, undefined],
  ])('has no request for address %d: %s', (address, refusal) => {
    const { guest } = one();
    expect(guest.post({ address, length: 100 })).toBe(refusal === undefined ? 1 : 0);
    expect(guest.port.transmit.refusal).toEqual(
      refusal === undefined
        ? undefined
        : {
            domain: guest.domain.id,
            direction: 'transmit',
            refusal,
            address: guestPhysicalAddress(address),
            length: 100,
            atNs: expect.any(Number),
          },
    );
  });
});
