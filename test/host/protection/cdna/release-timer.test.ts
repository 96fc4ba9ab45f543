import { describe, expect, it } from 'vitest';
import { Cdna } from '../../../../host/index.js';
import { PinnedPages } from '../../../../host/protection/cdna/page-references.js';
import { ReleaseTimer } from '../../../../host/protection/cdna/release-timer.js';
import { ValidatedGate } from '../../../../host/protection/cdna/validated-gate.js';
import { frame, Machine, type MachineOptions, macOf, PAGE, STRANGER } from '../../support/machine.js';

const RELEASE_NS = 1_000_000;

function bench(options: MachineOptions = {}) {
  const machine = new Machine(new Cdna({ releaseTimeoutNs: RELEASE_NS }), options);
  const [guest, other] = [machine.guest(1), machine.guest(2)];
  machine.run(10_000);
  const idle = machine.kernel.pending;
  const timers = () => machine.kernel.pending - idle;
  const details = () => machine.host.protection.counters().details;
  return { machine, guest, other, timers, details };
}

describe('the release timer of CDNA', () => {
  it('is one per queue, however many requests there are', () => {
    const { machine, guest, timers } = bench();
    for (let sent = 0; sent < 3; sent += 1) guest.send(frame(STRANGER, macOf(1)));
    machine.run(100_000);
    expect(machine.wire.frames.length).toBe(3);
    expect(timers()).toBe(1);
    guest.postReceive({ address: guest.page(), length: PAGE });
    machine.run(100_000);
    expect(timers()).toBe(2);
  });

  it('does not run for a request that is refused', () => {
    const { machine, guest, other, timers } = bench();
    expect(guest.post({ address: other.page(), length: 100 })).toBe(0);
    machine.run(1000);
    expect(timers()).toBe(0);
  });

  it('stops when no page is held, and runs again with the next request', () => {
    const { machine, guest, timers, details } = bench();
    for (let round = 1; round <= 2; round += 1) {
      guest.send(frame(STRANGER, macOf(1)));
      machine.run(RELEASE_NS + 100_000);
      expect([timers(), details().releaseTimeouts, machine.host.pages.pinnedPages]).toEqual([0, round, 0]);
    }
  });

  it('looks again and again while a buffer waits, and counts only what it releases', () => {
    const { machine, guest, timers, details } = bench();
    guest.postReceive({ address: guest.page(), length: PAGE });
    machine.run(5 * RELEASE_NS);
    expect([timers(), details().releaseTimeouts, machine.host.pages.pinnedPages]).toEqual([1, 0, 1]);
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run(2 * RELEASE_NS);
    expect([timers(), details().releaseTimeouts, machine.host.pages.pinnedPages]).toEqual([0, 1, 0]);
  });

  it('ends with the port', () => {
    const { machine, guest, timers, details } = bench();
    guest.postReceive({ address: guest.page(), length: PAGE });
    machine.host.protection.closePort(guest.port);
    machine.run(2 * RELEASE_NS);
    expect([timers(), details().releaseTimeouts, machine.host.pages.pinnedPages]).toEqual([0, 0, 0]);
  });

  it('may be as short as a nanosecond, and no shorter', () => {
    expect(() => new Cdna({ releaseTimeoutNs: 1 })).not.toThrow();
    expect(() => new Cdna({ releaseTimeoutNs: 0 })).toThrow(/cdna\.releaseTimeoutNs is 0/);
  });
});

describe('a request to CDNA’s gate', () => {
  it('that costs the guest its context leaves nothing pinned of what came before the mistake', () => {
    const { machine, guest, other } = bench({ host: { faultPolicy: 'revoke' } });
    const good = { address: guest.page(), length: 100 };
    expect(guest.post(good, { address: other.page(), length: 100 })).toBe(0);
    expect(machine.host.nic.contexts[guest.port.context]?.state).toBe('free');
    machine.run(2 * RELEASE_NS);
    expect(machine.host.pages.pinnedPages).toBe(0);
    expect(machine.wire.frames).toEqual([]);
  });

  it('may end inside a frame: the rest comes with the next one', () => {
    const { machine, guest } = bench();
    const [one, two] = [guest.page(), guest.page()];
    const bytes = frame(STRANGER, macOf(1), 200);
    guest.store(one, bytes.subarray(0, 120));
    guest.store(two, bytes.subarray(120));
    expect(guest.post({ address: one, length: 120, flags: 0 })).toBe(1);
    machine.run(100_000);
    expect(machine.wire.frames).toEqual([]);
    expect(guest.post({ address: two, length: 80 })).toBe(1);
    machine.run(100_000);
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([bytes]);
  });

  it('holds nothing before the first one', () => {
    const { machine } = bench();
    const timer = new ReleaseTimer(machine.host, RELEASE_NS);
    const gate = new ValidatedGate(machine.host, timer, new PinnedPages(machine.host));
    gate.releaseFinished();
    gate.releaseAll();
    expect([gate.held, gate.timeouts, gate.checkInvariants()]).toEqual([0, 0, 0]);
  });
});

describe('the counters of CDNA', () => {
  it('keep what closed ports came to', () => {
    const { machine, guest, other, details } = bench();
    const { protection } = machine.host;
    for (let sent = 0; sent < 3; sent += 1) guest.send(frame(STRANGER, macOf(1)));
    guest.postReceive({ address: guest.page(), length: PAGE }, { address: guest.page(), length: PAGE });
    guest.post({ address: other.page(), length: 100 });
    guest.postReceive({ address: other.page(), length: 100 });
    guest.postReceive({ address: other.page(), length: 100 });
    machine.run(RELEASE_NS + 100_000);
    const before = protection.counters();
    expect([before.accepted, before.refused, details().releaseTimeouts]).toEqual([5, 3, 1]);
    protection.closePort(guest.port);
    machine.run(100_000);
    const after = protection.counters();
    expect([after.accepted, after.refused, after.details.releaseTimeouts]).toEqual([5, 3, 1]);
    // A context that is no port of the approach does not count.
    machine.host.hypervisor.revokeContext(other.port.context);
    machine.run(100_000);
    expect(protection.counters().accepted).toBe(5);
  });
});
