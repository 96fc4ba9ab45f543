import { describe, expect, it } from 'vitest';
import { COST } from '../../../host/cpu/costs.js';
import { Cdna, type FaultPolicy, PlainDma } from '../../../host/index.js';
import type { Protection } from '../../../host/protection/protection.js';
import { guestPhysicalAddress, pageNumber } from '../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../support/machine.js';

describe('interrupts', () => {
  it('go to the guests whose bits are set, and to no others', () => {
    const machine = new Machine(new PlainDma(), { nic: { contexts: 40 } });
    const guests = Array.from({ length: 35 }, (_, index) => machine.guest(index + 1));
    machine.run();
    for (const guest of guests) guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run();
    // Contexts 0, 31, 32 and 34: both words of the vector, and its seams.
    for (const number of [1, 32, 33, 35]) machine.arrive(frame(macOf(number), STRANGER));
    machine.run();
    const heard = guests.flatMap((guest, index) => (guest.interrupts > 0 ? [index + 1] : []));
    expect(heard).toEqual([1, 32, 33, 35]);
    expect(guests.map((guest) => guest.interrupts).filter((count) => count > 1)).toEqual([]);
    for (const number of heard)
      expect(guests[number - 1]?.receive()).toEqual([frame(macOf(number), STRANGER)]);
  });

  it('drain every vector that is there, however late the hypervisor comes', () => {
    const machine = new Machine(new PlainDma(), { nic: { interruptGapNs: 0 } });
    const guests = [1, 2, 3, 4, 5].map((number) => machine.guest(number));
    const { processor, hypervisor, nic } = machine.host;
    machine.run();
    for (const guest of guests) {
      for (let count = 0; count < 8; count += 1) guest.postReceive({ address: guest.page(), length: 2048 });
    }
    machine.run();
    // The hypervisor is busy for a millisecond; vectors pile up in its ring meanwhile.
    processor.post(hypervisor.account, () => processor.charge(COST.interrupt, 1000));
    machine.run(1000);
    for (let turn = 0; turn < 8; turn += 1) {
      for (let number = 1; number <= 5; number += 1) {
        machine.arrive(frame(macOf(number), STRANGER, 64, turn));
        machine.run(3_000);
      }
    }
    const vectors = nic.interruptsRaised;
    expect(vectors).toBeGreaterThan(5);
    expect(guests.every((guest) => guest.interrupts === 0)).toBe(true);
    machine.run(3_000_000);
    expect(nic.interruptsRaised).toBe(vectors);
    for (const guest of guests) {
      // An event channel has one bit: many vectors, one virtual interrupt.
      expect(guest.interrupts).toBe(1);
      expect(guest.receive()).toHaveLength(8);
    }
    expect(hypervisor.virtualInterrupts).toBe(5);
  });

  it('come again when something happens while the handler runs', () => {
    const machine = new Machine(new PlainDma());
    const guest = machine.guest(1);
    machine.run();
    for (let count = 0; count < 3; count += 1) guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run();
    for (let turn = 1; turn <= 3; turn += 1) {
      machine.arrive(frame(macOf(1), STRANGER, 64, turn));
      machine.run(100_000);
      expect(guest.interrupts).toBe(turn);
    }
  });

  it('are charged: the physical one and the words to the hypervisor', () => {
    const machine = new Machine(new PlainDma());
    const guest = machine.guest(1);
    machine.run();
    guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run();
    const { processor, hypervisor } = machine.host;
    const { costs } = processor;
    const before = processor.cyclesOf(hypervisor.account);
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run();
    // 33 bits: two words. Then the consumer index is written back to the card.
    const spent = processor.cyclesOf(hypervisor.account) - before;
    expect(spent).toBe(costs.interrupt + 2 * costs.vectorWord + costs.virtualInterrupt + costs.doorbell);
  });
});

describe('contexts', () => {
  it('report an error when they run out, and a failed request loses nothing', () => {
    for (const protection of [new PlainDma(), new Cdna()]) {
      const machine = new Machine<Protection>(protection, { nic: { contexts: 2 } });
      machine.guest(1);
      const second = machine.guest(2);
      const free = machine.host.pages.freePages;
      expect(() => machine.guest(3)).toThrow(
        /guest 3: all 2 contexts are taken; expected a larger nic\.contexts/,
      );
      expect(machine.host.pages.freePages).toBe(free);
      machine.host.protection.closePort(second.port);
      expect(machine.guest(4).port.context).toBe(1);
    }
  });

  it('are refused with the reason of the card, and nothing is lost by it', () => {
    for (const protection of [new PlainDma(), new Cdna()]) {
      const machine = new Machine<Protection>(protection);
      machine.guest(1);
      const free = machine.host.pages.freePages;
      expect(() => machine.guest(2, { mac: macOf(1) })).toThrow(
        /guest 2: .*open a context: mac-missing-or-taken/,
      );
      expect(() => machine.guest(3, { share: { weight: 0 } })).toThrow(
        /guest 3: .*open a context: bad-weight/,
      );
      expect(() => machine.guest(4, { transmitSlots: 12 })).toThrow(
        /port\.transmitSlots is 12, expected a power of two/,
      );
      expect(machine.host.pages.freePages).toBe(free);
      expect(machine.guest(5).port.context).toBe(1);
    }
  });

  it('can be opened and closed for ever in the same memory', () => {
    for (const protection of [new PlainDma(), new Cdna()]) {
      const machine = new Machine<Protection>(protection, { host: { memoryBytes: 2 ** 20 } });
      const domain = machine.host.createGuest('guest', 1);
      for (let turn = 0; turn < 500; turn += 1) {
        const port = machine.host.openPort(domain, { ...BIG_PORT, mac: macOf(1) });
        machine.host.protection.closePort(port);
        machine.host.protection.closePort(port);
      }
      machine.run();
      expect(machine.host.pages.freePages).toBe(2 ** 20 / PAGE - 2);
    }
  });
});

const BIG_PORT = {
  share: { weight: 1 },
  transmitSlots: 1024,
  receiveSlots: 1024,
  antiSpoofing: false,
  promiscuous: false,
};

describe('the fault policy', () => {
  /** Two guests; the first asks for a page of the second at the set-up gate. */
  function offend(policy: FaultPolicy) {
    const machine = new Machine(new Cdna(), { host: { faultPolicy: policy } });
    const bad = machine.guest(1);
    const good = machine.guest(2);
    const second = machine.host.openPort(bad.domain, { ...BIG_PORT, mac: macOf(3) });
    machine.run();
    const stolen = good.page();
    expect(bad.post({ address: bad.page(), length: 100 }, { address: stolen, length: 100 })).toBe(
      policy === 'log' ? 1 : 0,
    );
    machine.run();
    const { hypervisor } = machine.host;
    expect(hypervisor.faultLog).toMatchObject([
      { domain: 'guest 1', context: 0, caughtBy: 'set-up', reason: 'not-owner', action: policy },
    ]);
    expect(hypervisor.faultCount).toBe(1);
    good.send(frame(STRANGER, macOf(2)));
    // Long enough for the references of what is sent to be dropped.
    machine.run(20_000_000);
    expect(machine.wire.frames.at(-1)?.context).toBe(good.port.context);
    return { machine, bad, good, second };
  }

  it('log: the fault is logged and the guest continues', () => {
    const { machine, bad } = offend('log');
    bad.send(frame(STRANGER, macOf(1), 80));
    machine.run();
    expect(machine.wire.frames.at(-1)?.bytes).toEqual(frame(STRANGER, macOf(1), 80));
    expect(machine.host.nic.contexts[0]?.state).toBe('open');
  });

  it('revoke: the context is gone, its references are dropped, the other port of the guest stays', () => {
    const { machine, bad, second } = offend('revoke');
    expect(machine.host.nic.contexts[0]?.state).toBe('free');
    expect(machine.host.pages.pinnedPages).toBe(0);
    expect(bad.post({ address: bad.page(), length: 100 })).toBe(0);
    expect(bad.port.transmit.refusal?.refusal).toBe('port-closed');
    expect(machine.host.nic.contexts[second.context]?.state).toBe('open');
    expect(bad.domain.state).toBe('running');
    expect(machine.host.hypervisor.faultCount).toBe(1);
  });

  it('kill: the guest runs no more and all its contexts are gone', () => {
    const { machine, bad, second } = offend('kill');
    expect(bad.domain.state).toBe('killed');
    expect(machine.host.nic.contexts[0]?.state).toBe('free');
    expect(machine.host.nic.contexts[second.context]?.state).toBe('free');
    let ran = false;
    machine.host.processor.post(bad.domain.account, () => {
      ran = true;
    });
    machine.run();
    expect(ran).toBe(false);
  });

  it('log: a fault that the NIC found names context and reason; only that context stops', () => {
    const machine = new Machine(new PlainDma());
    const bad = machine.guest(1);
    const good = machine.guest(2);
    machine.run();
    bad.post({ address: machine.host.memory.bytes, length: 100 });
    machine.run();
    expect(machine.host.hypervisor.faultLog).toMatchObject([
      { domain: 'guest 1', context: 0, caughtBy: 'nic', reason: 'payload-abort', action: 'log' },
    ]);
    expect(machine.host.nic.contexts[0]?.state).toBe('faulted');
    good.send(frame(STRANGER, macOf(2)));
    machine.run();
    expect(machine.wire.frames).toHaveLength(1);
  });

  it('does not charge an unread fault to the next owner of the context', () => {
    const machine = new Machine(new PlainDma(), { nic: { contexts: 1 }, host: { faultPolicy: 'kill' } });
    const bad = machine.guest(1);
    const { hypervisor, processor, nic } = machine.host;
    machine.run();
    processor.post(hypervisor.account, () => processor.charge(COST.interrupt, 10_000));
    machine.run(1_000);
    bad.post({ address: machine.host.memory.bytes, length: 100 });
    machine.run(100_000);
    expect(nic.contexts[0]?.state).toBe('faulted');
    expect(hypervisor.faultCount).toBe(0);
    machine.host.protection.closePort(bad.port);
    const next = machine.guest(2);
    machine.run(50_000_000);
    expect(hypervisor.faultLog.map((record) => record.domain)).toEqual(['guest 1']);
    expect(next.domain.state).toBe('running');
    expect(nic.contexts[0]?.state).toBe('open');
  });

  it('keeps a thousand records of a storm and counts all of it', () => {
    const machine = new Machine(new Cdna());
    const bad = machine.guest(1);
    let streamed = 0;
    machine.host.hypervisor.faults$.subscribe(() => {
      streamed += 1;
    });
    for (let count = 0; count < 1500; count += 1) bad.post({ address: 0, length: 64 });
    expect(machine.host.hypervisor.faultCount).toBe(1500);
    expect(machine.host.hypervisor.faultLog).toHaveLength(1000);
    expect(streamed).toBe(1500);
  });
});

describe('a domain', () => {
  it('reaches its own memory with its CPU and no other', () => {
    const machine = new Machine(new PlainDma());
    const [one, two] = [machine.guest(1), machine.guest(2)];
    const page = one.page();
    expect(one.store(page, frame(1, 2, PAGE))).toBe('done');
    expect(two.store(page, frame(1, 2))).toBe('page-fault');
    expect(one.store(page + PAGE - 10, frame(1, 2, 20))).toBe('page-fault');
    expect(two.domain.read(guestPhysicalAddress(page), 4, new Uint8Array(4), 0)).toBe('page-fault');
    expect(one.store(machine.host.memory.bytes - 4, frame(1, 2))).toBe('page-fault');
    expect(one.domain.release(pageNumber(page / PAGE))).toBe('freed');
    expect(one.domain.release(pageNumber(page / PAGE))).toBe('refused');
    expect(one.store(page, frame(1, 2))).toBe('page-fault');
  });

  it('is told when the machine has no memory left', () => {
    const machine = new Machine(new PlainDma(), { host: { memoryBytes: 2 ** 18 } });
    const domain = machine.host.createGuest('greedy', 1);
    expect(() => domain.allocate(1000)).toThrow(
      /greedy: 1000 pages wanted, \d+ free; expected a larger host\.memoryMegabytes/,
    );
  });
});
