import { afterEach, describe, expect, it, vi } from 'vitest';
import { NAMED_APPROACHES } from '../../../host/protection/approaches.js';
import { ReleaseTimer } from '../../../host/protection/cdna/release-timer.js';
import type { PortOptions } from '../../../host/protection/guest-port.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER } from '../support/machine.js';

const SETTLE_NS = 60_000_000;
const CONTEXTS = 4;

/** What every approach refuses, and what the card refuses where a port is a context. */
const BY_ALL: [Partial<PortOptions>, RegExp][] = [
  [{ transmitSlots: 3 }, /port\.transmitSlots is 3/],
  [{ receiveSlots: 5 }, /port\.receiveSlots is 5/],
];
const BY_THE_CARD: [Partial<PortOptions>, RegExp][] = [
  [{ share: { weight: 0 } }, /the card refused to open a context: bad-weight/],
  [{ mac: 2 ** 48 }, /the card refused to open a context: mac-missing-or-taken/],
  [{ trafficClass: 8 }, /the card refused 8 for its register TRAFFIC_CLASS/],
];

afterEach(() => {
  vi.restoreAllMocks();
});

/** Numbers that gates have at release timers: so many more than when this was called. */
function gatesOnTimers(): () => number {
  const added = vi.spyOn(ReleaseTimer.prototype, 'add');
  const removed = vi.spyOn(ReleaseTimer.prototype, 'remove');
  return () => added.mock.calls.length - removed.mock.calls.length;
}

/** All that a port takes of a host. */
function taken({ host }: Machine, domain: { readonly ownedPages: Iterable<number> }, gates: () => number) {
  return {
    freePages: host.pages.freePages,
    pinnedPages: host.pages.pinnedPages,
    ownedPages: [...domain.ownedPages],
    contexts: host.nic.contexts.map(({ state }) => state),
    gates: gates(),
  };
}

describe.each(NAMED_APPROACHES)('$name', ({ name, make }) => {
  it.each(name === 'driver-domain' ? BY_ALL : [...BY_ALL, ...BY_THE_CARD])(
    'a port that is refused for %j leaves the host as it was',
    (change, refusal) => {
      const gates = gatesOnTimers();
      const machine = new Machine(make(), { nic: { contexts: CONTEXTS } });
      const domain = machine.host.createGuest('guest', 1);
      const open = (options: Partial<PortOptions> = {}) =>
        machine.host.openPort(domain, { ...PORT, mac: macOf(1), ...options });
      // The first mistake may set up what stays for all ports: tables that they share, an entry of the guest.
      expect(() => open(change)).toThrow(refusal);
      machine.run(SETTLE_NS);
      const before = taken(machine, domain, gates);
      // More often than there are contexts.
      for (let turn = 0; turn <= CONTEXTS; turn += 1) expect(() => open(change)).toThrow(refusal);
      machine.run(SETTLE_NS);
      expect(taken(machine, domain, gates)).toEqual(before);
      expect(before.gates).toBe(0);
      expect(before.contexts.filter((state) => state === 'allocated')).toEqual([]);
    },
  );

  it('a port that comes behind those that were refused is the one that it would have been', () => {
    const [plain, marked] = [false, true].map((refuses) => {
      const machine = new Machine(make(), { nic: { contexts: CONTEXTS } });
      const domain = machine.host.createGuest('guest 1', 1);
      const refusals = name === 'driver-domain' ? BY_ALL : [...BY_ALL, ...BY_THE_CARD];
      for (const [change, refusal] of refuses ? refusals : [])
        expect(() => machine.host.openPort(domain, { ...PORT, ...change })).toThrow(refusal);
      machine.run(SETTLE_NS);
      const guest = machine.guest(2);
      machine.run();
      guest.postReceive({ address: guest.page(), length: PAGE });
      guest.send(frame(STRANGER, macOf(2)));
      machine.run();
      machine.arrive(frame(macOf(2), STRANGER));
      machine.run(SETTLE_NS);
      return { context: guest.port.context, sent: machine.wire.frames, received: guest.receive() };
    });
    expect(marked).toEqual(plain);
    expect([plain?.sent.length, plain?.received.length]).toEqual([1, 1]);
  });
});

describe.each(NAMED_APPROACHES.filter(({ name }) => name !== 'driver-domain'))('$name', ({ make }) => {
  it('a port for which there is no context leaves the host as it was', () => {
    const gates = gatesOnTimers();
    const machine = new Machine(make(), { nic: { contexts: 2 } });
    machine.guest(1);
    machine.guest(2);
    const domain = machine.host.createGuest('guest 3', 3);
    machine.run(SETTLE_NS);
    const refuse = () =>
      expect(() => machine.host.openPort(domain, { ...PORT, mac: macOf(3) })).toThrow(
        /all 2 contexts are taken/,
      );
    refuse();
    machine.run(SETTLE_NS);
    const before = taken(machine, domain, gates);
    for (let turn = 0; turn < 3; turn += 1) refuse();
    machine.run(SETTLE_NS);
    expect(taken(machine, domain, gates)).toEqual(before);
    // Two of each port that is open, where there are gates with a timer at all.
    expect([0, 4]).toContain(before.gates);
  });
});
