import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../support/whole.js';
import { ethernet, RECEIVE, TRANSMIT } from './support/driver.js';
import { Lab, MAC } from './support/lab.js';

/** Ways in which a guest's device ends while transfers are under way. */
const ENDS = {
  'a reset by the driver': (lab: Lab) => void lab.driver(0).client.write(0, 20, 0, 1),
  'a reset by the virtual machine': (lab: Lab) => void lab.driver(0).client.command(13, new Uint8Array(0)),
  'a machine that is gone': (lab: Lab) => lab.driver(0).client.disconnect(),
} as const;
type End = keyof typeof ENDS;

describe.each(['none', 'cdna', 'iommu:single-use', 'driver-domain', 'cdna+iommu'])(
  'transfers that are under way when a device ends (%s)',
  (protection) => {
    it('land whole before it or not at all, and the next driver starts from nothing', () => {
      const lab = new Lab({ protection });
      lab.boot(1);
      lab.boot(0);
      let slot = 0;
      const slots = () => (slot = (slot + 1) % 100);
      fc.assert(
        fc.property(
          fc.constantFrom(...(Object.keys(ENDS) as End[])),
          fc.integer({ min: 0, max: 40_000 }),
          fc.integer({ min: 1, max: 8 }),
          (end, ns, frames) => {
            const owner = lab.driver(0);
            const other = lab.driver(1);
            lab.ram(0).fill(0x2e, 0x300000, 0x310000);
            for (let at = 0; at < frames; at += 1) {
              owner.post(RECEIVE, at, [{ at: 0x300000 + 0x1000 * at, bytes: 1600 }]);
              owner.send(at, 0x200000 + 0x1000 * at, ethernet(0x020000ffffff, MAC, 'out', 1400));
              other.send(slots(), 0x200000, ethernet(MAC, MAC + 1, 'in', 1400));
            }
            lab.run(ns);
            ENDS[end](lab);
            const then = lab.ram(0).slice(0x300000, 0x310000);
            lab.run(5_000_000);
            expect(Buffer.compare(lab.ram(0).subarray(0x300000, 0x310000), then)).toBe(0);
            lab.live.checkInvariants();
            if (end === 'a machine that is gone') {
              lab.plugIn(0);
              lab.boot(0);
            } else lab.driver(0).start();
            const next = lab.driver(0);
            next.send(0, 0x200000, ethernet(0x020000ffffff, MAC, 'next'));
            lab.run(2_000_000);
            expect(next.takeUsed(TRANSMIT)).toHaveLength(1);
          },
        ),
        { numRuns: runs(60) },
      );
      expect(lab.live.guests[1]?.device.faults).toEqual({});
    });
  },
);
