import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { PAGES_PER_SLOT } from '../../../../host/protection/driver-domain/front-queue.js';
import { BufferBatch } from '../../../../host/protection/guest-port.js';
import { guestPhysicalAddress } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

function frontOf({ port }: TestGuest): FrontEnd {
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  return port;
}

describe.each(['copy', 'flip'] as const)('events of a driver domain to its guests, by %s', (transfer) => {
  const bench = () => {
    const machine = new Machine(new DriverDomain({ transfer }));
    const guest = machine.guest(1);
    machine.run();
    for (let count = 0; count < 12; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
    machine.run();
    let seed = 0;
    const arrive = (count: number) => {
      for (let one = 0; one < count; one += 1) {
        seed += 1;
        machine.arrive(frame(macOf(1), STRANGER, 100, seed));
        machine.run(200_000);
      }
    };
    return { machine, guest, arrive };
  };

  it('one comes with each frame that comes alone, to a driver that never masks', () => {
    const { guest, arrive } = bench();
    for (let count = 1; count <= 5; count += 1) {
      arrive(1);
      expect(guest.interrupts).toBe(count);
      guest.receive();
    }
  });

  it('none comes while they are masked, and one that makes up for them when they are not any more', () => {
    const { machine, guest, arrive } = bench();
    let interrupts = 0;
    guest.port.onInterrupt(() => {
      interrupts += 1;
      guest.port.maskInterrupts(true);
    });
    arrive(3);
    expect(interrupts).toBe(1);
    expect(guest.receive()).toHaveLength(3);
    arrive(2);
    expect(interrupts, 'nobody has unmasked').toBe(1);
    guest.port.maskInterrupts(false);
    machine.run();
    expect(interrupts, 'two frames came since the driver looked').toBe(2);
    expect(guest.receive()).toHaveLength(2);
    guest.port.maskInterrupts(false);
    machine.run();
    expect(interrupts, 'nothing was missed').toBe(2);
    arrive(1);
    expect(interrupts).toBe(3);
  });

  it('of many frames that are sent at once the guest hears when about half of them are done', () => {
    const { machine, guest } = bench();
    let interrupts = 0;
    guest.port.onInterrupt(() => {
      interrupts += 1;
    });
    const address = guest.page();
    guest.store(address, frame(STRANGER, macOf(1), 1500));
    // The first is asked for from the beginning; what is outstanding then decides.
    guest.post(...Array.from({ length: 12 }, () => ({ address, length: 1500 })));
    machine.run();
    expect(machine.wire.frames).toHaveLength(12);
    expect(interrupts).toBeGreaterThan(0);
    expect(interrupts).toBeLessThan(8);
  });
});

describe('references of a guest', () => {
  it('are taken back with the buffers that they were for, and no others', () => {
    const machine = new Machine(new DriverDomain());
    const guest = machine.guest(1);
    machine.run();
    const { grants, transmit } = frontOf(guest);
    // The longest frame, from the last byte of a page on: it takes all references of its slot. One page, two, all.
    const pages = guest.pages(PAGES_PER_SLOT);
    guest.store(pages, new Uint8Array(PAGES_PER_SLOT * PAGE));
    guest.store(pages + PAGE - 1, frame(STRANGER, macOf(1), 9018));
    const buffers = [
      { address: pages + PAGE - 1, length: 9018 },
      { address: pages + PAGE - 1, length: 100 },
      { address: pages, length: 100 },
      { address: pages + PAGE - 1, length: 9018 },
    ];
    const perSlot = [4, 2, 1, 4];
    expect(guest.post(...buffers)).toBe(4);
    const granted = () =>
      buffers.map((_, slot) =>
        Array.from({ length: PAGES_PER_SLOT }, (_unused, at) => grants.flags(slot * PAGES_PER_SLOT + at)),
      );
    const expected = (finished: number) =>
      perSlot.map((pagesOfSlot, slot) =>
        Array.from({ length: PAGES_PER_SLOT }, (_unused, at) =>
          at < pagesOfSlot && slot >= finished ? 5 : 0,
        ),
      );
    expect(granted()).toEqual(expected(0));
    machine.run();
    for (const finished of [1, 2, 3, 4]) {
      transmit.finish(finished);
      expect(granted(), `${finished} finished`).toEqual(expected(finished));
    }
  });
});

describe('what a front queue cannot express', () => {
  it.each([
    ['no bytes', 0],
    ['more than a request describes', (PAGES_PER_SLOT - 1) * PAGE + 1],
  ])('%s: refused where it is posted, and what was before it in the batch is in', (_what, length) => {
    const machine = new Machine(new DriverDomain());
    const guest = machine.guest(1);
    machine.run();
    const page = guestPhysicalAddress(guest.page());
    for (const direction of ['transmit', 'receive'] as const) {
      const batch = new BufferBatch(4);
      batch.add(page, 100, 1);
      batch.add(page, length, 1);
      batch.add(page, 100, 1);
      expect(guest.port[direction].post(batch)).toBe(1);
      expect(guest.port[direction].refusal).toMatchObject({ refusal: 'bad-length', direction, length });
    }
    expect(machine.host.protection.counters()).toMatchObject({ accepted: 2, refused: 2 });
    machine.host.protection.closePort(guest.port);
    expect(machine.host.protection.counters(), 'counted on').toMatchObject({ accepted: 2, refused: 2 });
  });

  it('a receive request of no bytes that is written by hand is answered empty, and the next is used', () => {
    const machine = new Machine(new DriverDomain());
    const guest = machine.guest(1);
    machine.run();
    guest.postReceive({ address: guest.page(), length: PAGE }, { address: guest.page(), length: PAGE });
    const { shared } = frontOf(guest).receive;
    shared.put(0, shared.word(0), 0, 0, 0);
    const came = frame(macOf(1), STRANGER, 200);
    machine.arrive(came);
    machine.run();
    expect(machine.host.hypervisor.faultLog.map(({ reason }) => reason)).toEqual(['bad-length']);
    expect([shared.length(0), shared.length(1)]).toEqual([0, 200]);
    expect(machine.peek(guest.port.receive.completedAddress(1), 200)).toEqual(came);
  });
});

describe('a driver domain with a budget of one frame', () => {
  it('goes on for as long as guests have frames, though no event of anybody reminds it', () => {
    const machine = new Machine(new DriverDomain({ budget: 1 }));
    const [one, two] = [machine.guest(1), machine.guest(2)];
    machine.run();
    for (let count = 0; count < 12; count += 1) two.postReceive({ address: two.page(), length: PAGE });
    machine.run();
    // From guest to guest: the card, whose interrupts would wake it, has no part in it.
    const address = one.page();
    one.store(address, frame(macOf(2), macOf(1), 300, 5));
    one.post(...Array.from({ length: 12 }, () => ({ address, length: 300 })));
    machine.run();
    expect(two.receive()).toEqual(Array.from({ length: 12 }, () => frame(macOf(2), macOf(1), 300, 5)));
  });

  it('goes on for as long as the card has frames', () => {
    const machine = new Machine(new DriverDomain({ budget: 1 }));
    const guest = machine.guest(1);
    machine.run();
    for (let count = 0; count < 10; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
    machine.run();
    const came = Array.from({ length: 10 }, (_, seed) => frame(macOf(1), STRANGER, 200, seed));
    for (const one of came) machine.arrive(one);
    machine.run();
    expect(guest.receive()).toEqual(came);
  });

  it('serves the others on when a guest goes, whenever that is and whether or not it waits itself', () => {
    for (const isBusy of [false, true])
      for (let ns = 0; ns <= 30_000; ns += 1_500) {
        const machine = new Machine(new DriverDomain({ budget: 1 }));
        const [one, two, gone] = [machine.guest(1), machine.guest(2), machine.guest(3)];
        machine.run();
        for (const [at, guest] of [one, two].entries()) {
          const address = guest.page();
          guest.store(address, frame(STRANGER, macOf(at + 1), 100 + at));
          guest.post(...Array.from({ length: 6 }, () => ({ address, length: 100 + at })));
        }
        if (isBusy) for (let count = 0; count < 6; count += 1) gone.send(frame(STRANGER, macOf(3), 200));
        machine.run(ns);
        machine.host.protection.closePort(gone.port);
        machine.run();
        const lengths = machine.wire.frames.map(({ bytes }) => bytes.length);
        for (const length of [100, 101])
          expect(
            lengths.filter((one) => one === length),
            `gone after ${ns} ns`,
          ).toHaveLength(6);
      }
  });
});

describe('the budget of a driver domain', () => {
  it.each([1, 3])('of %i frames each way is kept by every unit of its work', (budget) => {
    const machine = new Machine(new DriverDomain({ budget }));
    const [one, two] = [machine.guest(1), machine.guest(2)];
    machine.run();
    for (let count = 0; count < 12; count += 1) two.postReceive({ address: two.page(), length: PAGE });
    machine.run();
    const units = [{ taken: 0, collected: 0 }];
    machine.host.protection.moves$.subscribe(({ kind }) => {
      const now = units.at(-1);
      if (kind === 'served') units.push({ taken: 0, collected: 0 });
      else if (now !== undefined && (kind === 'taken' || kind === 'collected')) now[kind] += 1;
    });
    const address = one.page();
    one.store(address, frame(STRANGER, macOf(1), 200));
    one.post(...Array.from({ length: 10 }, () => ({ address, length: 200 })));
    for (let seed = 0; seed < 10; seed += 1) machine.arrive(frame(macOf(2), STRANGER, 200, seed));
    machine.run();
    for (const way of ['taken', 'collected'] as const) {
      expect(units.reduce((sum, unit) => sum + unit[way], 0)).toBe(10);
      expect(Math.max(...units.map((unit) => unit[way]))).toBe(budget);
    }
  });

  it('gives a guest no turn more for an event more: who rings again and again is served as the others', () => {
    const machine = new Machine(new DriverDomain({ budget: 2 }));
    const [loud, quiet] = [machine.guest(1), machine.guest(2)];
    machine.run();
    const [first, second] = [loud.page(), quiet.page()];
    loud.store(first, frame(STRANGER, macOf(1), 200));
    quiet.store(second, frame(STRANGER, macOf(2), 200));
    quiet.post(...Array.from({ length: 12 }, () => ({ address: second, length: 200 })));
    loud.post(...Array.from({ length: 12 }, () => ({ address: first, length: 200 })));
    const front = frontOf(loud);
    for (let step = 0; step < 400 && machine.wire.frames.length < 24; step += 1) {
      front.transmit.plan.notify();
      machine.run(1_000);
    }
    machine.run();
    const order = machine.wire.frames.map(({ bytes }) => bytes[11]);
    expect(order).toHaveLength(24);
    // Whatever was sent at any moment: neither is more than a turn ahead, until the quiet one has no more.
    const ahead = order.map((_, at) => {
      const sent = order.slice(0, at + 1);
      return sent.filter((who) => who === 1).length - sent.filter((who) => who === 2).length;
    });
    expect(Math.max(...ahead)).toBeLessThanOrEqual(1);
  });
});
