import { describe, expect, it } from 'vitest';
import { Cdna } from '../../../../host/index.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

const RELEASE_NS = 1_000_000;

function machineWith(onFault: 'log' | 'revoke' = 'log') {
  const machine = new Machine(new Cdna({ releaseTimeoutNs: RELEASE_NS }), { host: { faultPolicy: onFault } });
  const [guest, other] = [machine.guest(1), machine.guest(2)];
  machine.run(10_000);
  return { machine, guest, other };
}

describe('what CDNA counts', () => {
  it('is the sum of both directions of every port, and stays when a port is closed', () => {
    const { machine, guest, other } = machineWith();
    const foreign = other.page();
    guest.send(frame(STRANGER, macOf(1)));
    guest.send(frame(STRANGER, macOf(1)));
    for (let count = 0; count < 3; count += 1) guest.postReceive({ address: guest.page(), length: 2048 });
    expect(guest.post({ address: foreign, length: 64 })).toBe(0);
    for (let count = 0; count < 2; count += 1)
      expect(guest.postReceive({ address: foreign, length: 64 })).toBe(0);
    expect(machine.host.protection.counters()).toMatchObject({ accepted: 5, refused: 3 });
    machine.run(2 * RELEASE_NS);
    const { releaseTimeouts } = machine.host.protection.counters().details;
    expect(releaseTimeouts).toBe(1);
    machine.host.protection.closePort(guest.port);
    expect(machine.host.protection.counters()).toMatchObject({
      accepted: 5,
      refused: 3,
      details: { releaseTimeouts },
    });
  });

  it('takes a release timeout of one nanosecond and none below', () => {
    expect(() => new Cdna({ releaseTimeoutNs: 1 })).not.toThrow();
    expect(() => new Cdna({ releaseTimeoutNs: 0 })).toThrow('cdna.releaseTimeoutNs is 0');
  });
});

describe('the release timeout', () => {
  it('is one event, however many calls were made, and none is left when nothing is held', () => {
    const { machine, guest } = machineWith();
    expect(machine.kernel.pending).toBe(0);
    const first = guest.send(frame(STRANGER, macOf(1)));
    machine.run(RELEASE_NS / 2);
    expect(machine.kernel.pending).toBe(1);
    const second = guest.send(frame(STRANGER, macOf(1)));
    machine.run(RELEASE_NS / 4);
    expect(machine.kernel.pending).toBe(1);
    machine.run(RELEASE_NS / 2);
    for (const page of [first, second]) expect(machine.host.pages.count(pageNumber(page / PAGE))).toBe(0);
    expect(machine.kernel.pending).toBe(0);
  });

  it('that finds nothing finished is not counted as a release, and comes again while something is held', () => {
    const { machine, guest } = machineWith();
    guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run(5 * RELEASE_NS);
    expect(machine.host.protection.counters().details.releaseTimeouts).toBe(0);
    expect(machine.host.pages.pinnedPages).toBe(1);
    expect(machine.kernel.pending).toBe(1);
    machine.host.protection.closePort(guest.port);
    machine.run(2 * RELEASE_NS);
    expect(machine.kernel.pending).toBe(0);
  });
});

describe('a batch', () => {
  it('of which a refusal costs the guest its context pins nothing, though its first buffers were good', () => {
    const { machine, guest, other } = machineWith('revoke');
    const good = guest.page();
    const foreign = other.page();
    expect(guest.post({ address: good, length: 64 }, { address: foreign, length: 64 })).toBe(0);
    expect(guest.post({ address: good, length: 64 })).toBe(0);
    expect(guest.port.transmit.refusal?.refusal).toBe('port-closed');
    expect(machine.host.pages.pinnedPages).toBe(0);
    machine.run(2 * RELEASE_NS);
    expect(machine.kernel.pending).toBe(0);
  });

  it('that the ring cuts goes on where it was cut: only a refusal takes a frame back whole', () => {
    const { machine, guest } = machineWith();
    const { slots } = guest.port.transmit;
    const buffers = Array.from({ length: slots - 1 }, () => ({ address: guest.page(), length: 64 }));
    expect(guest.post(...buffers)).toBe(slots - 1);
    const chain = [
      { address: guest.page(), length: 64, flags: 0 },
      { address: guest.page(), length: 64 },
    ];
    expect(guest.post(...chain)).toBe(1);
    machine.host.checkInvariants();
  });
});
