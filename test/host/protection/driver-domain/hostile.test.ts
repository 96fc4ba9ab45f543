import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaultPolicy } from '../../../../host/index.js';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { contextId } from '../../../../scheduler/branded.js';
import { runs } from '../../../support/whole.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

const END_OF_PACKET = 1;
const SECRET = frame(STRANGER, macOf(2), 600, 77);

function bench(transfer: 'copy' | 'flip', faultPolicy: FaultPolicy = 'log') {
  const machine = new Machine(new DriverDomain({ transfer }), { host: { faultPolicy } });
  const { protection } = machine.host;
  const [bad, victim] = [machine.guest(1), machine.guest(2)];
  machine.run();
  const page = victim.page();
  victim.store(page, SECRET);
  const { port } = bad;
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  const ring = { transmit: port.transmit.shared, receive: port.receive.shared };
  /** The guest writes a request by hand and rings. */
  const request = (reference: number, offset: number, flags: number, length: number) => {
    const at = ring.transmit.requestProducer;
    ring.transmit.put(at, reference, offset, flags, length);
    push(at + 1);
  };
  /** Moves the producer by hand and makes sure that the driver domain looks. */
  const push = (producer: number) => {
    ring.transmit.requestEvent = producer >>> 0;
    if (ring.transmit.pushRequests(producer >>> 0)) port.transmit.plan.notify();
    machine.run(200_000);
  };
  return { protection, machine, bad, victim, page, port, ring, request, push };
}

function unharmed(machine: Machine, victim: TestGuest, page: number): void {
  expect(machine.peek(page, SECRET.length)).toEqual(SECRET);
  for (const sent of machine.wire.frames)
    expect(Buffer.from(sent.bytes).includes(Buffer.from(SECRET.subarray(14, 80))), 'a secret went out').toBe(
      false,
    );
  const seen = machine.wire.frames.length;
  victim.send(frame(STRANGER, macOf(2), 90, 5));
  machine.run(2_000_000);
  expect(machine.wire.frames.slice(seen).map((one) => one.bytes)).toContainEqual(
    frame(STRANGER, macOf(2), 90, 5),
  );
}

for (const transfer of ['copy', 'flip'] as const) {
  describe(`a guest that misuses its front end, by ${transfer}`, () => {
    it('grants a page of another: refused when it is used, answered, charged, and the next frame goes', () => {
      const { protection, machine, bad, victim, page } = bench(transfer);
      bad.post({ address: page, length: 600 });
      bad.send(frame(STRANGER, macOf(1), 70, 1));
      machine.run();
      expect(machine.wire.frames.map((one) => one.bytes)).toEqual([frame(STRANGER, macOf(1), 70, 1)]);
      expect(bad.port.transmit.consumer()).toBe(2);
      expect(machine.host.hypervisor.faultLog).toMatchObject([
        { domain: 'guest 1', caughtBy: 'set-up', reason: 'not-owner', context: bad.port.context },
      ]);
      expect(protection.drops['bad-grant']).toBe(1);
      expect(protection.counters().refused).toBe(1);
      unharmed(machine, victim, page);
    });

    it('posts a page of another for receiving: skipped, and the frame lands in the next buffer', () => {
      const { machine, bad, victim, page } = bench(transfer);
      bad.postReceive({ address: page, length: PAGE }, { address: bad.page(), length: PAGE });
      machine.arrive(frame(macOf(1), STRANGER, 500, 3));
      machine.run();
      expect(bad.receive()).toEqual([frame(macOf(1), STRANGER, 500, 3)]);
      expect(machine.host.hypervisor.faultLog).toMatchObject([{ domain: 'guest 1', reason: 'not-owner' }]);
      unharmed(machine, victim, page);
    });

    it.each([
      ['hypervisor memory', 0, 'not-owner'],
      ['beyond RAM', 64 * 2 ** 20, 'not-ram'],
    ])('names %s', (_what, address, reason) => {
      const { machine, bad, victim, page } = bench(transfer);
      bad.post({ address, length: 600 });
      bad.postReceive({ address, length: 600 });
      machine.arrive(frame(macOf(1), STRANGER, 500, 3));
      machine.run();
      expect(machine.host.hypervisor.faultLog.map((fault) => fault.reason)).toEqual([reason, reason]);
      unharmed(machine, victim, page);
    });

    it('crosses from its own page into another', () => {
      const { machine, bad, victim } = bench(transfer);
      const mine = bad.page();
      const next = victim.page();
      expect(next).toBe(mine + PAGE);
      victim.store(next, SECRET);
      bad.store(mine + PAGE - 100, frame(STRANGER, macOf(1), 100, 1));
      bad.post({ address: mine + PAGE - 100, length: 200 });
      bad.postReceive({ address: mine + PAGE - 100, length: 700 });
      machine.arrive(frame(macOf(1), STRANGER, 600, 3));
      machine.run();
      expect(machine.wire.frames).toEqual([]);
      unharmed(machine, victim, next);
    });

    it('uses a grant that it has revoked, or that is for another domain, or read-only', () => {
      const { protection, machine, bad, victim, page, port, request } = bench(transfer);
      const mine = bad.page() / PAGE;
      port.grants.grant(3, protection.domain?.id ?? 0, pageNumber(mine), true);
      port.grants.revoke(3);
      request(3, 0, END_OF_PACKET, 100);
      port.grants.grant(4, victim.domain.id, pageNumber(mine), true);
      request(4, 0, END_OF_PACKET, 100);
      request(99_999, 0, END_OF_PACKET, 100);
      expect(machine.host.hypervisor.faultLog.map((fault) => fault.reason)).toEqual(
        new Array(3).fill('bad-grant'),
      );
      port.grants.grant(5, protection.domain?.id ?? 0, pageNumber(mine), true);
      port.receive.shared.put(0, 5, 0, 0, PAGE);
      port.receive.shared.pushRequests(1);
      machine.arrive(frame(macOf(1), STRANGER, 500, 3));
      machine.run();
      expect(machine.host.hypervisor.faultLog.at(-1)?.reason).toBe('bad-grant');
      expect(machine.peek(mine * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
      unharmed(machine, victim, page);
    });

    it.each([
      ['no bytes', 0],
      ['too many bytes', 9019],
      ['4 GB', 0xffffffff],
      ['less than a header', 13],
    ])('sends %s', (_what, length) => {
      const { protection, machine, bad, victim, page, port, request } = bench(transfer);
      port.grants.grant(3, protection.domain?.id ?? 0, pageNumber(bad.page() / PAGE), true);
      request(3, 0, END_OF_PACKET, length);
      expect(machine.host.hypervisor.faultLog).toMatchObject([{ reason: 'bad-length' }]);
      expect(protection.drops['bad-frame']).toBe(1);
      unharmed(machine, victim, page);
    });

    it('sends a chain without an end: its port is closed, the others do not notice', () => {
      const { machine, bad, victim, page, ring, push } = bench(transfer);
      for (let index = 0; index < 16; index += 1) ring.transmit.put(index, 1, 0, 0, 100);
      push(16);
      expect(machine.host.hypervisor.faultLog).toMatchObject([{ domain: 'guest 1', reason: 'bad-ring' }]);
      expect(bad.post({ address: bad.page(), length: 100 })).toBe(0);
      expect(bad.port.transmit.refusal?.refusal).toBe('port-closed');
      unharmed(machine, victim, page);
    });

    it.each([17, 1000, 2 ** 31, 2 ** 32 - 1])('moves its producer index to %s', (producer) => {
      const { machine, victim, page, push } = bench(transfer);
      push(producer);
      expect(machine.host.hypervisor.faultLog).toMatchObject([{ domain: 'guest 1', reason: 'bad-ring' }]);
      unharmed(machine, victim, page);
    });

    it('waits with half a frame: nothing happens until the rest comes', () => {
      const { machine, bad } = bench(transfer);
      const whole = frame(STRANGER, macOf(1), 100, 9);
      const page = bad.page();
      bad.store(page, whole);
      bad.post({ address: page, length: 40, flags: 0 });
      machine.run(10_000_000);
      expect(machine.wire.frames).toEqual([]);
      bad.post({ address: page + 40, length: 60 });
      machine.run();
      expect(machine.wire.frames.map((one) => one.bytes)).toEqual([whole]);
      expect(machine.host.hypervisor.faultCount).toBe(0);
    });

    it.each(['revoke', 'kill'] as const)('loses its port when the policy is %s', (policy) => {
      const { machine, bad, victim, page } = bench(transfer, policy);
      bad.post({ address: page, length: 600 });
      machine.run();
      expect(bad.domain.state).toBe(policy === 'kill' ? 'killed' : 'running');
      expect(bad.post({ address: bad.page(), length: 100 })).toBe(0);
      machine.arrive(frame(macOf(1), STRANGER));
      unharmed(machine, victim, page);
      machine.host.checkInvariants();
    });

    it('posts the pages of its own rings and grants as buffers, and harms only itself', () => {
      const { machine, bad, victim, page, port } = bench(transfer);
      const own = [...port.grants.pages, ...port.receive.ringPages, ...port.transmit.ringPages];
      for (const at of own) bad.postReceive({ address: at * PAGE, length: PAGE });
      for (let index = 0; index < 20; index += 1) {
        machine.arrive(frame(macOf(1), STRANGER, 3000, index));
        machine.run(100_000);
      }
      unharmed(machine, victim, page);
    });

    it('scribbles over everything that it shares, and harms only itself', () => {
      const word = fc.oneof(
        fc.nat(0xffffffff),
        fc.nat(40),
        fc.nat(20_000).map((value) => value << 16),
      );
      const scribble = fc.record({
        page: fc.nat(5),
        word: fc.oneof(fc.nat(1023), fc.nat(40)),
        value: word,
      });
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ kind: fc.constant('scribble' as const), what: scribble }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('post' as const), what: scribble }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('arrive' as const), what: scribble }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('event' as const), what: scribble }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          const { machine, bad, victim, page, port } = bench(transfer);
          const own = [...port.transmit.ringPages, ...port.receive.ringPages, ...port.grants.pages];
          const buffer = bad.pages(2);
          victim.postReceive({ address: victim.page(), length: PAGE });
          for (const { kind, what } of steps) {
            const at = (own[what.page % own.length] ?? 0) * PAGE + what.word * 4;
            const bytes = new Uint8Array(new Uint32Array([what.value]).buffer);
            if (kind === 'scribble') bad.store(at, bytes);
            else if (kind === 'post') {
              bad.postReceive({ address: buffer + (what.value % PAGE), length: 1 + (what.word % PAGE) });
              bad.post({ address: buffer + (what.value % PAGE), length: 14 + (what.word % 1500) });
            } else if (kind === 'arrive')
              machine.arrive(frame(macOf(1), STRANGER, 60 + what.word * 3, what.page));
            else if (port.isOpen) port.transmit.plan.notify();
            machine.run(20_000);
          }
          unharmed(machine, victim, page);
        }),
        { numRuns: runs(25) },
      );
    });
  });
}

describe('a driver domain whose NIC is taken away', () => {
  it('drops what is for the wire, with a reason, and bridges on between guests', () => {
    const machine = new Machine(new DriverDomain());
    const { protection } = machine.host;
    const [one, two] = [machine.guest(1), machine.guest(2)];
    machine.run();
    machine.host.hypervisor.revokeContext(contextId(0));
    two.postReceive({ address: two.page(), length: PAGE });
    one.send(frame(STRANGER, macOf(1)));
    one.send(frame(macOf(2), macOf(1), 120, 4));
    machine.run();
    expect(protection.drops['no-device']).toBe(1);
    expect(two.receive()).toEqual([frame(macOf(2), macOf(1), 120, 4)]);
    expect(one.port.transmit.consumer()).toBe(2);
  });
});
