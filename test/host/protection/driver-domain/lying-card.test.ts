import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { hostPhysicalAddress, pageNumber } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

const DESCRIPTOR_BYTES = 16;
/** Offsets of a descriptor: length of 16 bits, flags of 16 bits with DONE (4) and END_OF_PACKET (1). */
const LENGTH = 8;
const DONE = 4;
const END = 1;

/** A machine whose card says of received frames what a test wants, before the driver domain looks. */
function bench(transfer: 'copy' | 'flip') {
  const machine = new Machine(new DriverDomain({ transfer }));
  const guest = machine.guest(1);
  machine.run();
  for (let slot = 0; slot < 6; slot += 1) guest.postReceive({ address: guest.page(), length: PAGE });
  machine.run();
  const { host } = machine;
  const context = host.nic.contexts.find(({ state }) => state === 'open');
  if (context === undefined) throw new Error('no context');
  const ring = context.receive.base;
  let next = 0;
  /** A frame arrives, and the descriptors of it say what they are given. */
  const arrive = (bytes: Uint8Array, ...lies: readonly { length: number; flags: number }[]) => {
    machine.arrive(bytes);
    // The card's writes are on their way for less than that; the driver domain's interrupt takes longer.
    let written = false;
    for (let step = 0; step < 400 && !written; step += 1) {
      machine.kernel.run(machine.kernel.nowNs + 20);
      const at = hostPhysicalAddress(ring + next * DESCRIPTOR_BYTES + LENGTH);
      written = ((host.memory.readU32(at) >>> 16) & DONE) !== 0;
    }
    expect(written).toBe(true);
    for (const { length, flags } of lies) {
      const at = hostPhysicalAddress(ring + next * DESCRIPTOR_BYTES + LENGTH);
      host.memory.writeU32(at, length | (flags << 16));
      next += 1;
    }
    machine.run(3_000_000);
  };
  return { machine, guest, arrive };
}

function serves({ machine, guest, arrive }: ReturnType<typeof bench>): void {
  const good = frame(macOf(1), STRANGER, 300, 9);
  arrive(good, { length: 300, flags: DONE | END });
  expect(guest.receive()).toEqual([good]);
  machine.host.checkInvariants();
}

describe.each(['copy', 'flip'] as const)('a card that lies to the driver domain, by %s', (transfer) => {
  it.each([
    ['longer than its buffer', { length: 0xffff, flags: DONE | END }],
    ['one byte longer than its buffer', { length: PAGE + 1, flags: DONE | END }],
    ['empty', { length: 0, flags: DONE | END }],
    ['without an end', { length: 100, flags: DONE }],
  ])(
    'says that a frame is %s: it is dropped and counted, and nothing of other memory comes with it',
    (_what, lie) => {
      const one = bench(transfer);
      one.arrive(frame(macOf(1), STRANGER, 200, 1), lie);
      expect(one.guest.receive()).toEqual([]);
      expect(one.machine.host.protection.counters().details['drop:malformed-completion']).toBe(1);
      serves(one);
    },
  );

  it('says the most that a buffer holds: that is believed, and the guest gets a page and no more', () => {
    const one = bench(transfer);
    const { machine, guest } = one;
    one.arrive(frame(macOf(1), STRANGER, 200, 1), { length: PAGE, flags: DONE | END });
    const [got] = guest.receive();
    expect(got?.length).toBe(PAGE);
    expect(Buffer.compare(got?.subarray(0, 200) ?? new Uint8Array(), frame(macOf(1), STRANGER, 200, 1))).toBe(
      0,
    );
    machine.host.checkInvariants();
  });
});

function grantBench() {
  const machine = new Machine(new DriverDomain());
  const guest = machine.guest(1);
  machine.run();
  const { port } = guest;
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  const grantee = machine.host.protection.domain?.id ?? 0;
  const request = (reference: number, length: number, offset = 0) => {
    const { shared } = port.transmit;
    const at = shared.requestProducer;
    shared.put(at, reference, offset, END, length);
    shared.requestEvent = (at + 1) >>> 0;
    if (shared.pushRequests((at + 1) >>> 0)) port.transmit.plan.notify();
    machine.run();
  };
  return { machine, guest, port, grantee, request };
}

function refusals(machine: Machine): readonly string[] {
  return machine.host.hypervisor.faultLog.map(({ reason }) => reason);
}

function granted(
  { guest, port, grantee }: { guest: TestGuest; port: FrontEnd; grantee: number },
  reference: number,
) {
  const page = guest.page();
  guest.store(page, frame(STRANGER, macOf(1), 70, reference));
  port.grants.grant(reference, grantee, pageNumber(page / PAGE), true);
  return frame(STRANGER, macOf(1), 70, reference);
}

describe('references at the edge of a grant table', () => {
  it('the first and the last entry are good, the one behind the last is not', () => {
    const one = grantBench();
    const { machine, port, request } = one;
    const last = port.grants.entries - 1;
    for (const reference of [0, last]) {
      const expected = granted(one, reference);
      request(reference, 70);
      expect(machine.wire.frames.at(-1)?.bytes).toEqual(expected);
    }
    request(last + 1, 70);
    expect(refusals(machine)).toEqual(['bad-grant']);
    for (const reference of [0xffff, 0x7fff_ffff, 0xffff_ffff]) request(reference, 70);
    expect(new Set(refusals(machine))).toEqual(new Set(['bad-grant']));
    expect(machine.wire.frames.length).toBe(2);
  });

  it('a buffer that begins in the last entry and goes on behind it is refused whole', () => {
    const one = grantBench();
    const { machine, port, request } = one;
    granted(one, port.grants.entries - 1);
    request(port.grants.entries - 1, 200, PAGE - 70);
    expect(refusals(machine)).toEqual(['bad-grant']);
    expect(machine.wire.frames).toEqual([]);
  });
});
