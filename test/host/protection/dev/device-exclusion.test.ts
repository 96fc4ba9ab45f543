import { describe, expect, it } from 'vitest';
import { DeviceExclusion } from '../../../../host/protection/dev/device-exclusion.js';
import { pageNumber, requesterId } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER, type TestGuest } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';

/** `thief` asks its device to send a page of `victim`; returns whether the bytes left. */
function steals(machine: Machine, thief: TestGuest, victim: TestGuest): boolean {
  const page = victim.page();
  const secret = frame(STRANGER, macOf(99), 200, 42);
  victim.store(page, secret);
  const before = machine.wire.frames.length;
  thief.post({ address: page, length: 200 });
  machine.run();
  return machine.wire.frames.slice(before).some((sent) => Buffer.compare(sent.bytes, secret) === 0);
}

function guests(machine: Machine, count: number): TestGuest[] {
  const made = Array.from({ length: count }, (_, index) => machine.guest(index + 1));
  machine.run();
  return made;
}

describe('guests behind exclusion vectors', () => {
  it('each get a unit and a domain of their own while there are some: three with four domains', () => {
    const machine = new Machine(new DeviceExclusion());
    const { protection } = machine.host;
    const made = guests(machine, 3);
    expect(made.map((guest) => guest.port.context)).toEqual([0, 8, 16]);
    expect(protection.guestsSharing).toBe(0);
    for (const thief of made) {
      const victim = made[(made.indexOf(thief) + 1) % 3];
      if (victim !== undefined) expect(steals(machine, thief, victim)).toBe(false);
    }
    expect(machine.host.hypervisor.faultLog.map((fault) => fault.reason)).toEqual(
      new Array(3).fill('payload-abort'),
    );
    expect(protection.counters().denied).toBe(3);
  });

  it('share a domain from the fourth on, and those two reach each other: a finding, not a surprise', () => {
    const machine = new Machine(new DeviceExclusion());
    const { protection } = machine.host;
    const [one, two, three, four] = guests(machine, 4);
    if (one === undefined || two === undefined || three === undefined || four === undefined)
      throw new Error('four');
    expect(protection.guestsSharing).toBe(2);
    expect(protection.counters().details.mostGuestsSharingADomain).toBe(2);
    expect(steals(machine, four, one)).toBe(true);
    expect(steals(machine, one, four)).toBe(true);
    expect(steals(machine, four, two)).toBe(false);
    expect(steals(machine, two, one)).toBe(false);
  });

  it('are all one device to a card with eight contexts or fewer, however many domains there are', () => {
    const machine = new Machine(new DeviceExclusion({ domains: 16 }), { nic: { contexts: 8 } });
    const { protection } = machine.host;
    const [one, two] = guests(machine, 2);
    if (one === undefined || two === undefined) throw new Error('two');
    expect(protection.guestsSharing).toBe(2);
    expect(steals(machine, one, two)).toBe(true);
  });

  it('are more with more domains', () => {
    const machine = new Machine(new DeviceExclusion({ domains: 9 }), { nic: { contexts: 64 } });
    const { protection } = machine.host;
    const made = guests(machine, 8);
    expect(protection.guestsSharing).toBe(0);
    expect(new Set(made.map((guest) => guest.port.context >> 3)).size).toBe(8);
  });

  it('cannot reach the hypervisor, its tables or its vector ring', () => {
    const machine = new Machine(new DeviceExclusion());
    const { pages, memory } = machine.host;
    let turn = 0;
    for (let at = 0; at < pages.pageCount; at += 1) {
      if (pages.owner(pageNumber(at)) !== 0) continue;
      turn += 1;
      // One of each run of the hypervisor's frames, and each run's ends.
      if (pages.owner(pageNumber(at - 1)) === 0 && pages.owner(pageNumber(at + 1)) === 0 && turn % 16 !== 0)
        continue;
      const guest = machine.guest(1);
      machine.run(10_000);
      guest.postReceive({ address: at * PAGE, length: 2048 });
      machine.run(20_000);
      machine.arrive(frame(macOf(1), STRANGER, 1000));
      machine.run(20_000);
      expect(machine.host.hypervisor.faultLog.at(-1)?.reason).toBe('payload-abort');
      expect(machine.peek(at * PAGE, 64)).not.toEqual(frame(macOf(1), STRANGER, 1000).subarray(0, 64));
      machine.host.protection.closePort(guest.port);
    }
    expect(turn).toBeGreaterThan(100);
    expect(memory.bytes).toBe(64 * 2 ** 20);
  });

  it('lose the reach of a page at the moment when they give it back', () => {
    const machine = new Machine(new DeviceExclusion());
    const [guest] = guests(machine, 1);
    if (guest === undefined) throw new Error('one');
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    machine.run();
    expect(guest.domain.release(pageNumber(page / PAGE))).toBe('freed');
    machine.arrive(frame(macOf(1), STRANGER, 1500));
    machine.run();
    expect(machine.peek(page, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(machine.host.hypervisor.faultLog).toMatchObject([{ reason: 'payload-abort' }]);
  });

  it('reach pages that came after the port was opened, and those that they had before', () => {
    const machine = new Machine(new DeviceExclusion());
    const domain = machine.host.createGuest('guest', 1);
    const early = (domain.allocate(1)[0] ?? 0) * PAGE;
    const guest = machine.guest(2);
    machine.host.protection.openPort(domain, {
      mac: macOf(3),
      share: { weight: 1 },
      transmitSlots: 8,
      receiveSlots: 8,
      antiSpoofing: false,
      promiscuous: false,
    });
    const payload = frame(STRANGER, macOf(2));
    guest.send(payload);
    machine.run();
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([payload]);
    expect(early).toBeGreaterThan(0);
    machine.host.checkInvariants();
  });

  it('make the hypervisor read each error, and count those that overran', () => {
    const machine = new Machine(new DeviceExclusion());
    const { protection } = machine.host;
    const made = guests(machine, 3);
    for (const guest of made) guest.post({ address: 0, length: 64 });
    machine.run();
    const { errorsRead = 0, errorsLost = 0 } = protection.counters().details;
    expect(errorsRead + errorsLost).toBe(3);
    expect(errorsRead).toBeGreaterThan(0);
  });

  it('pay for tables: every change of ownership is an invalidation, charged to the hypervisor', () => {
    const machine = new Machine(new DeviceExclusion());
    const { protection } = machine.host;
    const [guest] = guests(machine, 1);
    if (guest === undefined) throw new Error('one');
    const { processor, hypervisor } = machine.host;
    const before = processor.cyclesOf(hypervisor.account);
    const invalidations = protection.gate.invalidations;
    guest.domain.allocate(10);
    expect(protection.gate.invalidations).toBe(invalidations + 1);
    // The write of bit 4 and one look at whether it is clear, two configuration accesses each.
    const { costs } = processor;
    expect(processor.cyclesOf(hypervisor.account) - before).toBe(
      10 * costs.tableWord + 4 * costs.configAccess,
    );
  });

  it('are put where a context is free, though another domain has no more guests', () => {
    const machine = new Machine(new DeviceExclusion());
    const [greedy] = guests(machine, 1);
    if (greedy === undefined) throw new Error('one');
    const { protection } = machine.host;
    // Units 0 and 3 are of domain 1: all of their sixteen contexts.
    for (let port = 1; port < 16; port += 1)
      protection.openPort(greedy.domain, { ...PORT, mac: macOf(100 + port) });
    const units = [2, 3, 4].map((number) => machine.guest(number).port.context >> 3);
    expect(units).toEqual([1, 2, 1]);
  });

  it('do not reach a page that is given to them for another use than their memory', () => {
    const machine = new Machine(new DeviceExclusion());
    const [guest] = guests(machine, 1);
    if (guest === undefined) throw new Error('one');
    const { protection, pages } = machine.host;
    const [page = pageNumber(0)] = guest.domain.allocate(1);
    const id = requesterId(0x100 + guest.port.context);
    const passes = () => reachedThrough(protection.gate, id, page * PAGE, 4, true) >= 0;
    expect(passes()).toBe(true);
    pages.forceTransfer(page, guest.domain.id, 'io-table');
    expect(passes()).toBe(false);
    pages.forceTransfer(page, guest.domain.id, 'guest');
    expect(passes()).toBe(true);
  });

  it('open a second port without a change to the bits of what they have, but for the new rings', () => {
    const machine = new Machine(new DeviceExclusion());
    const [guest] = guests(machine, 1);
    if (guest === undefined) throw new Error('one');
    guest.domain.allocate(50);
    const { protection } = machine.host;
    const changed = () => protection.counters().details.exclusionBitsChanged ?? 0;
    const [bits, owned] = [changed(), guest.domain.ownedPages.size];
    protection.openPort(guest.domain, { ...PORT, mac: macOf(7) });
    expect(changed() - bits).toBe(guest.domain.ownedPages.size - owned);
    machine.host.checkInvariants();
  });

  it('are in no domain when their port could not be opened after all', () => {
    const machine = new Machine(new DeviceExclusion());
    const { protection } = machine.host;
    const unlucky = machine.host.createGuest('unlucky', 1);
    unlucky.allocate(5);
    expect(() => protection.openPort(unlucky, { ...PORT, mac: macOf(9), receiveSlots: 3 })).toThrow(
      /port\.receiveSlots is 3/,
    );
    machine.host.checkInvariants();
    // So there is a domain for each of three others, and the next one shares.
    const made = guests(machine, 3);
    expect(protection.guestsSharing).toBe(0);
    expect(made.map((guest) => guest.port.context >> 3)).toEqual([0, 1, 2]);
    protection.openPort(unlucky, { ...PORT, mac: macOf(9) });
    expect(protection.guestsSharing).toBe(2);
    machine.host.checkInvariants();
  });

  it.each([2, 4, 16])('cost the hypervisor a vector of 128 KB for each of %i domains', (domains) => {
    const { pages } = new Machine(new DeviceExclusion({ domains })).host;
    const tables = Array.from({ length: pages.pageCount }, (_, at) => pages.kind(pageNumber(at))).filter(
      (kind) => kind === 'io-table',
    );
    expect(tables).toHaveLength(domains * 32);
  });
});

describe('units of the card in the maps', () => {
  it('get the domains past 0 one after the other, and begin anew when there are more units', () => {
    const machine = new Machine(new DeviceExclusion(), { nic: { contexts: 64 } });
    const { gate } = machine.host.protection;
    const domains = machine.host.nic.contexts.map(({ requesterId }) => gate.domainOf(requesterId));
    expect(domains).toEqual(Array.from({ length: 64 }, (_, at) => 1 + (Math.floor(at / 8) % 3)));
    const made = guests(machine, 6);
    for (const [at, guest] of made.entries()) {
      guest.send(frame(STRANGER, macOf(at + 1), 100 + at));
      machine.run();
      expect(machine.wire.frames.at(-1)?.bytes.length).toBe(100 + at);
    }
  });

  it('share a map by two on one bus, and never across two', () => {
    // Unit 31 of bus 1, then unit 0 of bus 2.
    const machine = new Machine(new DeviceExclusion(), { nic: { contexts: 16, requesterBase: 0x01f8 } });
    const { gate } = machine.host.protection;
    const { contexts } = machine.host.nic;
    expect(contexts.map(({ requesterId }) => gate.domainOf(requesterId))).toEqual([
      ...new Array(8).fill(1),
      ...new Array(8).fill(2),
    ]);
    // Unit 0 of bus 1 is not the card's.
    expect(gate.domainOf(requesterId(0x0100))).toBe(0);
    const [one, two] = guests(machine, 2);
    if (one === undefined || two === undefined) throw new Error('two');
    expect(steals(machine, one, two)).toBe(false);
    two.send(frame(STRANGER, macOf(2), 77));
    machine.run();
    expect(machine.wire.frames.at(-1)?.bytes.length).toBe(77);
  });

  it('beyond the maps are in no domain, and no guest gets a context there', () => {
    const machine = new Machine(new DeviceExclusion({ maps: 1 }));
    const { protection, nic } = machine.host;
    const domains = nic.contexts.map(({ requesterId }) => protection.gate.domainOf(requesterId));
    expect(new Set(domains.slice(0, 16))).toEqual(new Set([1, 2]));
    expect(new Set(domains.slice(16))).toEqual(new Set([0]));
    const made = guests(machine, 6);
    expect(made.every((guest) => guest.port.context < 16)).toBe(true);
    for (const [at, guest] of made.entries()) guest.send(frame(STRANGER, macOf(at + 1), 100 + at));
    machine.run();
    expect(machine.wire.frames.map(({ bytes }) => bytes.length).sort()).toEqual([
      100, 101, 102, 103, 104, 105,
    ]);
  });
});
