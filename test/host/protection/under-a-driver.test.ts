import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NicDriver } from '../../../guests/nic-driver.js';
import { BUFFER_BYTES, type BufferBytes } from '../../../guests/ring-buffers.js';
import { BorrowedFrame } from '../../../guests/traffic/index.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import { runs } from '../../support/whole.js';
import { frame, Machine, macOf, PORT, STRANGER } from '../support/machine.js';

/** A guest as it really is: a driver with interrupts, polls and CPU time. */
function guests(machine: Machine, count: number, bufferBytes: BufferBytes) {
  return Array.from({ length: count }, (_, index) => {
    const domain = machine.host.createGuest(`guest ${index + 1}`, index + 1);
    const options = {
      ...PORT,
      mac: macOf(index + 1),
      transmitSlots: 32,
      receiveSlots: 64,
      coalesceFrames: 4,
      coalesceNs: 15_000,
    };
    const port = machine.host.openPort(domain, options);
    const driver = new NicDriver(machine.host, domain, port, { bufferBytes });
    const received: Uint8Array[] = [];
    driver.onReceive((bytes, offset, length) => {
      received.push(bytes.slice(offset, offset + length));
      return undefined;
    });
    return { domain, port, driver, received, sent: [] as Uint8Array[], expected: [] as Uint8Array[] };
  });
}

const step = fc.record({
  guest: fc.nat(2),
  // Towards the wire, from the wire, or from one guest for the next.
  way: fc.constantFrom('out', 'in', 'across'),
  length: fc.oneof(fc.integer({ min: 60, max: 1514 }), fc.constantFrom(60, 1514, 4096, 9018)),
  waitNs: fc.nat(60_000),
});

const flipping = {
  name: 'driver-domain that flips pages',
  make: () => new DriverDomain({ transfer: 'flip' }),
};

describe.each<{ name: string; make: () => ProtectionPlan }>([...APPROACHES, flipping])(
  '$name',
  ({ make }) => {
    it('carries what drivers send and receive, in order and byte for byte, and nothing is lost', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(...BUFFER_BYTES), (steps, buffer) => {
          const machine = new Machine(make());
          const all = guests(machine, 3, buffer);
          machine.run(2_000_000);
          for (const [seed, { guest, way, length, waitNs }] of steps.entries()) {
            const me = all[guest];
            if (me === undefined) throw new Error('no such guest');
            if (way === 'in') {
              const bytes = frame(macOf(guest + 1), STRANGER, length, seed);
              machine.arrive(bytes);
              me.expected.push(bytes);
            } else {
              const to = way === 'out' ? STRANGER : macOf(((guest + 1) % 3) + 1);
              const bytes = frame(to, macOf(guest + 1), length, seed);
              if (me.driver.send(bytes)) me.sent.push(bytes);
            }
            machine.run(waitNs);
            for (const { driver } of all) driver.checkInvariants();
          }
          machine.run(60_000_000);
          const bridged = machine.host.protection.intermediary !== undefined;
          for (const [index, me] of all.entries()) {
            const mine = machine.wire.frames.filter(({ context }) => context === me.port.context);
            const toWire = me.sent.filter((bytes) => !bridged || bytes[0] !== 0x02 || bytes[4] === 0x99);
            expect(mine.map(({ bytes }) => hash(bytes))).toEqual(toWire.map(hash));
            expect(me.driver.framesSent).toBe(me.sent.length);
            const previous = all[(index + 2) % 3];
            const local = bridged
              ? (previous?.sent.filter((bytes) => bytes[5] === index + 1 && bytes[4] === 0) ?? [])
              : [];
            expect(me.received.map(hash).sort()).toEqual([...me.expected, ...local].map(hash).sort());
            const fromWire = me.received.filter((bytes) => bytes[10] === 0x99);
            expect(fromWire.map(hash), 'in the order in which they came').toEqual(me.expected.map(hash));
            expect(machine.host.trafficOf(me.port)).toMatchObject({
              framesTransmitted: me.sent.length,
              framesReceived: me.received.length,
            });
          }
          expect(machine.host.hypervisor.faultLog).toEqual([]);
        }),
        { numRuns: runs(8) },
      );
    });
  },
);

function hash(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

describe('what the driver domain costs', () => {
  /** Frames of 1,500 bytes per second that greedy guests send through a card of 10 Gb/s, and which accounts were busy. */
  function throughput(protection: ProtectionPlan, count: number) {
    const machine = new Machine(protection, { nic: { rateBps: 1e10 }, host: { cores: 1 } });
    const all = guests(machine, count, 2048);
    const bytes = frame(STRANGER, macOf(1), 1500);
    const loan = new BorrowedFrame('greedy').lend(bytes);
    for (const { driver } of all) driver.attach({ kind: 'pull', name: 'greedy', pull: () => loan });
    machine.kernel.run(20_000_000);
    return { frames: machine.wire.frames.length, idleNs: machine.host.processor.idleNs };
  }

  it('shows on one full core: CDNA carries about twice as much, plain DMA a little more than CDNA', () => {
    const [plain, cdna, bridged] = ['none', 'cdna', 'driver-domain'].map((name) => {
      const approach = APPROACHES.find((candidate) => candidate.name === name);
      if (approach === undefined) throw new Error(`no ${name}`);
      return throughput(approach.make(), 2);
    });
    if (plain === undefined || cdna === undefined || bridged === undefined) throw new Error('three runs');
    expect([plain.idleNs, cdna.idleNs, bridged.idleNs]).toEqual([0, 0, 0]);
    expect(plain.frames).toBeGreaterThan(cdna.frames);
    expect(cdna.frames).toBeGreaterThan(1.5 * bridged.frames);
  });
});
