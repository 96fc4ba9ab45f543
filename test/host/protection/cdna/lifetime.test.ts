import { describe, expect, it } from 'vitest';
import { Cdna } from '../../../../host/index.js';
import { hostPhysicalAddress, pageNumber } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

const RELEASE_NS = 1_000_000;
const TX_PRODUCER = 0x00;
const RX_PRODUCER = 0x04;
const DESCRIPTOR_FETCH = 'sequence-break';

function machineWith(guests: number) {
  const machine = new Machine(new Cdna({ releaseTimeoutNs: RELEASE_NS }));
  const made = Array.from({ length: guests }, (_, index) => machine.guest(index + 1));
  machine.run(10_000);
  return { machine, guests: made };
}

function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new Error('empty list');
  return one;
}

describe('references on pages', () => {
  it('are held until the NIC is done, and released at the next enqueue', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const { pages } = machine.host;
    const page = guest.send(frame(STRANGER, macOf(1)));
    expect(pages.count(pageNumber(page / PAGE))).toBe(1);
    machine.run(100_000);
    expect(machine.wire.frames).toHaveLength(1);
    // Lazily: the NIC is done, the hypervisor has not looked yet.
    expect(pages.count(pageNumber(page / PAGE))).toBe(1);
    const next = guest.send(frame(STRANGER, macOf(1)));
    expect(pages.count(pageNumber(page / PAGE))).toBe(0);
    expect(pages.count(pageNumber(next / PAGE))).toBe(1);
    expect(machine.host.protection.counters().details.releaseTimeouts).toBe(0);
  });

  it('are released by timeout when the guest falls idle', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const { pages, processor, hypervisor } = machine.host;
    const page = guest.send(frame(STRANGER, macOf(1)));
    machine.run(RELEASE_NS - 1);
    expect(pages.count(pageNumber(page / PAGE))).toBe(1);
    const before = processor.cyclesOf(hypervisor.account);
    machine.run(10);
    expect(pages.count(pageNumber(page / PAGE))).toBe(0);
    expect(pages.pinnedPages).toBe(0);
    expect(machine.host.protection.counters().details.releaseTimeouts).toBe(1);
    expect(processor.cyclesOf(hypervisor.account) - before).toBe(processor.costs.unpinPage);
  });

  it('are counted a page and a descriptor: a page in two buffers waits for both', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const { pages } = machine.host;
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 }, { address: page + 2048, length: 2048 });
    expect(pages.count(pageNumber(page / PAGE))).toBe(2);
    machine.run(100_000);
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run(5 * RELEASE_NS);
    expect(pages.count(pageNumber(page / PAGE))).toBe(1);
    expect(guest.domain.release(pageNumber(page / PAGE))).toBe('pending');
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run(5 * RELEASE_NS);
    expect(pages.owner(pageNumber(page / PAGE))).toBe(-1);
  });

  it('keep a page that was released in flight from its next owner until the NIC is done', () => {
    const { machine, guests } = machineWith(2);
    const [guest, other] = guests;
    if (guest === undefined || other === undefined) throw new Error('two guests wanted');
    const { pages } = machine.host;
    const payload = frame(STRANGER, macOf(1), 1000);
    const page = guest.page();
    guest.store(page, payload);
    guest.post({ address: page, length: payload.length });
    expect(guest.domain.release(pageNumber(page / PAGE))).toBe('pending');
    // The machine is emptied: that page is never given out, however much is asked for.
    const taken = other.domain.allocate(pages.freePages);
    expect(taken).not.toContain(page / PAGE);
    machine.run(100_000);
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([payload]);
    expect(pages.owner(pageNumber(page / PAGE))).toBe(guest.domain.id);
    machine.run(RELEASE_NS);
    expect(pages.owner(pageNumber(page / PAGE))).toBe(-1);
    expect(other.domain.allocate(1)).toEqual([page / PAGE]);
    expect(machine.peek(page, PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it('keep a receive page alive for as long as a frame may still land in it', () => {
    const { machine, guests } = machineWith(2);
    const [guest, other] = guests;
    if (guest === undefined || other === undefined) throw new Error('two guests wanted');
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    machine.run(100_000);
    guest.domain.release(pageNumber(page / PAGE));
    machine.run(20 * RELEASE_NS);
    const taken = other.domain.allocate(machine.host.pages.freePages);
    machine.arrive(frame(macOf(1), STRANGER, 1500));
    machine.run(100_000);
    for (const at of taken)
      expect(machine.host.memory.readU32(hostPhysicalAddress(at * PAGE)), `frame ${at}`).toBe(0);
    machine.run(2 * RELEASE_NS);
    expect(machine.host.pages.owner(pageNumber(page / PAGE))).toBe(-1);
  });
});

describe('a driver that misreports its progress', () => {
  it('about what is finished does not get slots or pages back that the NIC still uses', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const queue = guest.port.receive;
    const pages = Array.from({ length: queue.slots }, () => guest.page());
    guest.postReceive(...pages.map((address) => ({ address, length: 2048 })));
    machine.run(100_000);
    queue.finish(queue.producer);
    expect(guest.postReceive({ address: guest.page(), length: 2048 })).toBe(0);
    expect(queue.refusal).toBeUndefined();
    for (const page of pages) expect(machine.host.pages.count(pageNumber(page / PAGE))).toBe(1);
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run(100_000);
    expect(machine.peek(pages[0] ?? 0, 100)).toEqual(frame(macOf(1), STRANGER));
    machine.host.checkInvariants();
  });

  it('cannot forge the consumer index: neither its CPU nor its device reaches the status block', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const { nic, pages } = machine.host;
    const status = nic.contexts[0]?.statusAddress ?? 0;
    expect(pages.owner(pageNumber(status / PAGE))).toBe(0);
    expect(guest.store(status, Uint8Array.of(9, 0, 0, 0))).toBe('page-fault');
    expect(guest.postReceive({ address: status, length: 64 })).toBe(0);
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    machine.run(10 * RELEASE_NS);
    expect(pages.count(pageNumber(page / PAGE))).toBe(1);
  });

  it.each([
    ['transmit', TX_PRODUCER],
    ['receive', RX_PRODUCER],
  ] as const)(
    'pushes the %s producer past the last valid descriptor and is caught by sequence number',
    (direction, mailbox) => {
      const { machine, guests } = machineWith(2);
      const [bad, good] = guests;
      if (bad === undefined || good === undefined) throw new Error('two guests wanted');
      const queue = bad.port[direction];
      // More than a lap, so that every slot holds a descriptor that once was valid.
      const pages = Array.from({ length: 4 }, () => bad.page());
      for (let turn = 0; turn < 6; turn += 1) {
        for (const address of pages) {
          bad.store(address, frame(STRANGER, macOf(1)));
          expect(
            direction === 'transmit'
              ? bad.post({ address, length: 100 })
              : bad.postReceive({ address, length: 2048 }),
          ).toBe(1);
        }
        machine.run(100_000);
        if (direction === 'receive') for (const _ of pages) machine.arrive(frame(macOf(1), STRANGER));
        machine.run(100_000);
        if (direction === 'transmit') bad.reclaim();
        else bad.receive();
      }
      machine.run(5 * RELEASE_NS);
      expect(machine.host.pages.pinnedPages).toBe(0);
      // The pages of the old descriptors go to another domain.
      for (const address of pages) bad.domain.release(pageNumber(address / PAGE));
      const stolen = good.domain.allocate(pages.length);
      expect(stolen.map((at) => at * PAGE).sort()).toEqual([...pages].sort());
      const sent = machine.wire.frames.length;
      machine.host.window.write(bad.domain.id, bad.port.context, mailbox, queue.producer + 1);
      machine.run(100_000);
      machine.arrive(frame(macOf(1), STRANGER, 1000));
      machine.run(100_000);
      expect(machine.host.hypervisor.faultLog).toMatchObject([
        { domain: 'guest 1', caughtBy: 'nic', reason: DESCRIPTOR_FETCH },
      ]);
      expect(machine.wire.frames).toHaveLength(sent);
      for (const at of stolen) expect(machine.host.memory.readU32(hostPhysicalAddress(at * PAGE))).toBe(0);
      good.send(frame(STRANGER, macOf(2)));
      machine.run(100_000);
      expect(machine.wire.frames).toHaveLength(sent + 1);
    },
  );

  it('pushes the producer into a ring that was never filled and is caught too', () => {
    const { machine, guests } = machineWith(1);
    const bad = first(guests);
    machine.host.window.write(bad.domain.id, bad.port.context, TX_PRODUCER, 3);
    machine.run(100_000);
    expect(machine.host.hypervisor.faultLog).toMatchObject([{ domain: 'guest 1', reason: 'sequence-break' }]);
    expect(machine.wire.frames).toEqual([]);
  });

  it('sets the producer out of range and is stopped for that', () => {
    const { machine, guests } = machineWith(1);
    const bad = first(guests);
    machine.host.window.write(bad.domain.id, bad.port.context, TX_PRODUCER, 1000);
    machine.run(100_000);
    expect(machine.host.hypervisor.faultLog).toMatchObject([
      { domain: 'guest 1', reason: 'producer-out-of-range' },
    ]);
  });
});

describe('revocation', () => {
  /** Stops a guest at every moment of a transfer; nothing of it may move afterwards, and nothing be held. */
  function revokeAt(ns: number, prepare: (machine: Machine, guest: TestGuest) => number[]) {
    const { machine, guests } = machineWith(2);
    const [guest, other] = guests;
    if (guest === undefined || other === undefined) throw new Error('two guests wanted');
    const pages = prepare(machine, guest);
    machine.run(ns);
    const accesses: number[] = [];
    machine.host.protection.closePort(guest.port);
    machine.host.bus.watch({ accessed: (requesterId) => accesses.push(requesterId) });
    expect(machine.host.pages.pinnedPages).toBe(0);
    // At once for another domain: if the device could still reach them, this is where it would show.
    for (const page of pages) expect(guest.domain.release(pageNumber(page / PAGE))).toBe('freed');
    const taken = other.domain.allocate(pages.length);
    const sent = machine.wire.frames.length;
    machine.run(1_000_000);
    expect(accesses).not.toContain(machine.host.nic.contexts[guest.port.context]?.requesterId);
    for (const at of taken) expect(machine.peek(at * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
    const late = machine.wire.frames
      .slice(sent)
      .filter((one) => one.bytes.every((byte, at) => at < 60 || byte === 0));
    expect(late, 'a page of the next owner went out').toEqual([]);
    machine.host.checkInvariants();
  }

  it('stops sending at any moment, and unpins pages only when nothing can reach them', () => {
    for (let ns = 0; ns <= 40_000; ns += 900) {
      revokeAt(ns, (_machine, guest) =>
        Array.from({ length: 3 }, (_, index) => guest.send(frame(STRANGER, macOf(1), 1400, index))),
      );
    }
  });

  it('stops receiving at any moment, and unpins pages only when nothing can reach them', () => {
    for (let ns = 0; ns <= 4_000; ns += 130) {
      revokeAt(ns, (machine, guest) => {
        const pages = [guest.page(), guest.page(), guest.page()];
        guest.postReceive(...pages.map((address) => ({ address, length: 2048 })));
        machine.run(20_000);
        for (const index of [1, 2, 3]) machine.arrive(frame(macOf(1), STRANGER, 1500, index));
        return pages;
      });
    }
  });

  it('answers later requests with a value, and harms no other guest when it comes twice', () => {
    const { machine, guests } = machineWith(1);
    const guest = first(guests);
    const page = guest.send(frame(STRANGER, macOf(1)));
    machine.host.protection.closePort(guest.port);
    machine.host.protection.closePort(guest.port);
    expect(guest.post({ address: page, length: 64 })).toBe(0);
    expect(guest.port.transmit.refusal?.refusal).toBe('port-closed');
    guest.port.transmit.ring();
    guest.port.maskInterrupts(true);
    guest.port.transmit.finish(guest.port.transmit.consumer());
    machine.run(20 * RELEASE_NS);
    expect(machine.host.window.pageFaults).toBe(0);
    expect(machine.host.pages.pinnedPages).toBe(0);
    expect(machine.kernel.pending).toBe(0);
  });
});
