import { describe, expect, it } from 'vitest';
import { ContextPort } from '../../../host/protection/context-port.js';
import { PlainDma } from '../../../host/protection/none/plain-dma.js';
import { ringLayout } from '../../../host/protection/ring-layout.js';
import { untranslated } from '../../../nic/addresses.js';
import { contextId } from '../../../scheduler/branded.js';
import { present } from '../../../scheduler/present.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER } from '../support/machine.js';
import { Shifting } from './shifting-gate.js';

describe('rings and status block in one piece of memory', () => {
  it.each([
    [2, 2, PAGE, 2 * PAGE],
    [256, 256, PAGE, 2 * PAGE],
    [512, 256, 2 * PAGE, 3 * PAGE],
    [256, 512, PAGE, 3 * PAGE],
    [32_768, 1024, 128 * PAGE, 132 * PAGE],
  ])('of %i and %i slots: each on pages of its own', (transmit, receive, at, status) => {
    expect(ringLayout(transmit, receive)).toEqual({ transmit: 0, receive: at, status, bytes: status + PAGE });
  });

  it('go to the card as they lie, with what the port was opened with', () => {
    const machine = new Machine(new PlainDma(), { nic: { pfcClasses: 0b100 } });
    const guest = machine.guest(7, {
      transmitSlots: 512,
      receiveSlots: 64,
      antiSpoofing: true,
      promiscuous: true,
      share: { weight: 5 },
      coalesceFrames: 11,
      coalesceNs: 12_345,
      trafficClass: 2,
    });
    machine.run();
    const { port } = guest;
    if (!(port instanceof ContextPort)) throw new Error('no context');
    const base = present(port.ringMemory).address;
    const context = present(machine.host.nic.contexts[port.context]);
    expect([context.transmit.base, context.receive.base, context.statusAddress]).toEqual([
      base,
      base + 2 * PAGE,
      base + 3 * PAGE,
    ]);
    expect(context).toMatchObject({
      mac: macOf(7),
      share: { weight: 5 },
      antiSpoofing: true,
      promiscuousAllowed: true,
      promiscuous: true,
      coalesceFrames: 11,
      coalesceNs: 12_345,
      trafficClass: 2,
      sequenceChecking: false,
    });
    expect([context.transmit.slots, context.receive.slots]).toEqual([512, 64]);
    const { coalesceFrames: _frames, coalesceNs: _ns, ...unsaid } = PORT;
    const [domain, free] = [machine.host.createGuest('unsaid', 1), machine.host.nic.contexts[31]];
    const opened = machine.host.openPort(domain, { ...unsaid, mac: macOf(9) });
    machine.run();
    const untouched = present(machine.host.nic.contexts[opened.context]);
    // What nobody has said is as the card has it.
    expect([untouched.coalesceFrames, untouched.coalesceNs]).toEqual([
      free?.coalesceFrames,
      free?.coalesceNs,
    ]);
    const plain = present(machine.host.nic.contexts[machine.guest(8, { coalesceFrames: 3 }).port.context]);
    machine.run();
    expect(plain).toMatchObject({
      antiSpoofing: false,
      promiscuous: false,
      promiscuousAllowed: false,
      coalesceFrames: 3,
    });
  });
});

describe('interrupts of a port', () => {
  it('are held back while they are masked, and come when they are not any more', () => {
    const machine = new Machine(new PlainDma());
    const guest = machine.guest(1);
    machine.run();
    guest.port.maskInterrupts(true);
    machine.run();
    guest.send(frame(STRANGER, macOf(1)));
    machine.run();
    expect([machine.wire.frames.length, guest.interrupts]).toEqual([1, 0]);
    guest.port.maskInterrupts(false);
    machine.run();
    guest.send(frame(STRANGER, macOf(1)));
    machine.run();
    expect(guest.interrupts).toBeGreaterThan(0);
  });
});

describe('a port that cannot be opened', () => {
  const attempt = (change: Partial<typeof PORT>, hypervisorRings: boolean, taken = 0) => {
    const machine = new Machine(new PlainDma(), { nic: { contexts: 1 } });
    const { host } = machine;
    const domain = host.createGuest('guest', 1);
    for (let number = 0; number < taken; number += 1) machine.guest(number + 2);
    const gate = new Shifting(domain.account);
    const before = [domain.ownedPages.size, host.pages.freePages];
    const open = () =>
      new ContextPort({
        parts: host,
        domain,
        options: { ...PORT, ...change },
        transmitGate: gate,
        receiveGate: gate,
        hypervisorRings,
        busAddressOf: untranslated,
      });
    return { open, before, after: () => [domain.ownedPages.size, host.pages.freePages] };
  };

  it.each([true, false])('leaves no memory behind (rings of the hypervisor: %s)', (hypervisorRings) => {
    for (const [change, taken, message] of [
      [{ transmitSlots: 3 }, 0, /port\.transmitSlots is 3/],
      [{ receiveSlots: 5 }, 0, /port\.receiveSlots is 5/],
      [{}, 1, /guest: all 1 contexts are taken/],
    ] as const) {
      const { open, before, after } = attempt(change, hypervisorRings, taken);
      expect(open).toThrow(message);
      expect(after()).toEqual(before);
    }
  });

  it('is none where no context will do, although some are free', () => {
    const machine = new Machine(new PlainDma());
    const { host } = machine;
    const domain = host.createGuest('guest', 1);
    const gate = new Shifting(domain.account);
    const open = (eligible: (context: ReturnType<typeof contextId>) => boolean) =>
      new ContextPort({
        parts: host,
        domain,
        options: PORT,
        transmitGate: gate,
        receiveGate: gate,
        hypervisorRings: false,
        eligible,
        busAddressOf: untranslated,
      });
    expect(() => open(() => false)).toThrow(/32 of 32 contexts are free, and this protection can use none/);
    expect(open((context) => context === 5).context).toBe(contextId(5));
  });
});
