import { describe, expect, it } from 'vitest';
import { NAMED_APPROACHES } from '../../../host/protection/approaches.js';
import { frame, Machine, macOf, STRANGER } from '../support/machine.js';

/** More than 16 bits count, in each direction. */
const DESCRIPTORS = 70_000;
const SLOTS = 64;
const BATCH = 16;
const BYTES = 60;

describe('indices and sequence numbers that wrap', () => {
  it.each(NAMED_APPROACHES)(
    '70,000 descriptors go through each gate, in order: $name',
    ({ make }) => {
      const machine = new Machine(make(), { nic: { rateBps: 10e9 } });
      const guest = machine.guest(1, { transmitSlots: SLOTS, receiveSlots: SLOTS });
      machine.run();
      const [page, target] = [guest.page(), guest.page()];
      const outgoing = frame(STRANGER, macOf(1), BYTES, 1);
      const incoming = frame(macOf(1), STRANGER, BYTES, 2);
      guest.store(page, outgoing);
      let [sent, received, offered, arrived] = [0, 0, 0, 0];
      for (let step = 0; sent < DESCRIPTORS || received < DESCRIPTORS; step += 1) {
        expect(step).toBeLessThan(60_000);
        sent += guest.post(
          ...Array.from({ length: Math.min(BATCH, DESCRIPTORS - sent) }, () => ({
            address: page,
            length: BYTES,
          })),
        );
        const more = Math.min(BATCH, DESCRIPTORS - offered);
        offered += guest.postReceive(
          ...Array.from({ length: more }, () => ({ address: target, length: 256 })),
        );
        machine.kernel.run(machine.kernel.nowNs + 20_000);
        for (; arrived < Math.min(offered, received + SLOTS / 2); arrived += 1) machine.arrive(incoming);
        machine.kernel.run(machine.kernel.nowNs + 20_000);
        guest.reclaim();
        for (const bytes of guest.receive()) {
          expect(Buffer.compare(bytes, incoming)).toBe(0);
          received += 1;
        }
      }
      machine.run(60_000_000);
      guest.reclaim();
      expect(machine.wire.frames.length).toBe(DESCRIPTORS);
      expect(machine.wire.frames.every(({ bytes }) => Buffer.compare(bytes, outgoing) === 0)).toBe(true);
      expect(received).toBe(DESCRIPTORS);
      expect(machine.host.hypervisor.faultLog).toEqual([]);
      machine.host.protection.closePort(guest.port);
      machine.run(60_000_000);
      expect(machine.host.pages.pinnedPages).toBe(0);
    },
    120_000,
  );
});
