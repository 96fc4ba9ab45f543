import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

const END = 1;

/** A guest that loses its port over its first mistake, and pages of which it is known what they held. */
function bench(transfer: 'copy' | 'flip') {
  const machine = new Machine(new DriverDomain({ transfer }), { host: { faultPolicy: 'revoke' } });
  const [bad, other] = [machine.guest(1), machine.guest(2)];
  machine.run();
  const { port } = bad;
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  const shared = [...port.transmit.ringPages, ...port.receive.ringPages, ...port.grants.pages];
  return {
    machine,
    bad,
    other,
    port,
    /** The port is gone, and nothing was written to what were its rings: they are free pages, all zero. */
    expectSilence: () => {
      machine.run();
      expect(port.isOpen).toBe(false);
      for (const page of shared) {
        expect(machine.host.pages.owner(page)).toBe(-1);
        expect(machine.peek(page * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
      }
      machine.host.checkInvariants();
      other.send(frame(STRANGER, macOf(2), 90));
      machine.run();
      expect(machine.wire.frames.at(-1)?.bytes.length).toBe(90);
    },
  };
}

describe.each(['copy', 'flip'] as const)(
  'a port that is lost over a fault, by %s: nothing of its rings is touched any more',
  (transfer) => {
    it('when a receive request is refused, with good ones behind it', () => {
      const { machine, bad, other, expectSilence } = bench(transfer);
      bad.postReceive({ address: other.page(), length: PAGE }, { address: bad.page(), length: PAGE });
      machine.arrive(frame(macOf(1), STRANGER, 200));
      expectSilence();
      expect(machine.host.protection.drops['port-closed']).toBe(1);
      expect(machine.host.hypervisor.faultCount).toBe(1);
    });

    it('when a frame of its own is refused, alone or in a chain', () => {
      for (const chain of [false, true]) {
        const { machine, bad, other, expectSilence } = bench(transfer);
        const [good, foreign] = [bad.page(), other.page()];
        if (chain) bad.post({ address: good, length: 100, flags: 0 }, { address: foreign, length: 100 });
        else bad.post({ address: foreign, length: 100 });
        bad.post({ address: good, length: 100 });
        expectSilence();
        expect(machine.host.hypervisor.faultCount).toBe(1);
        expect(machine.wire.frames).toHaveLength(1);
      }
    });

    it('when its ring is beyond sense, on either side', () => {
      for (const side of ['transmit', 'receive'] as const) {
        const { machine, port, expectSilence } = bench(transfer);
        const ring = port[side].shared;
        ring.requestEvent = 1000;
        if (ring.pushRequests(1000)) port.transmit.plan.notify();
        machine.arrive(frame(macOf(1), STRANGER, 200));
        expectSilence();
      }
    });

    it('when the page of a second piece proves to be none of its own', () => {
      const { machine, bad, port, expectSilence } = bench(transfer);
      const page = bad.page();
      bad.postReceive({ address: page, length: PAGE }, { address: page, length: PAGE });
      // A frame over two pages: where pages change hands, the first takes away what the second names.
      machine.arrive(frame(macOf(1), STRANGER, 5000));
      machine.run();
      if (transfer === 'flip') expectSilence();
      else expect(port.isOpen).toBe(true);
    });

    it('when its domain is killed while it has requests in its rings', () => {
      const { machine, bad, port, expectSilence } = bench(transfer);
      const page = bad.page();
      port.receive.shared.put(0, 5, 0, END, 100);
      bad.post({ address: page, length: 100 });
      machine.host.hypervisor.kill(bad.domain);
      machine.arrive(frame(macOf(1), STRANGER, 200));
      expectSilence();
    });
  },
);
