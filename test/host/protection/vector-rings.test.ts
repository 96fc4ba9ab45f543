import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { requesterId } from '../../../nic/addresses.js';
import { contextId } from '../../../scheduler/branded.js';
import { turnOf } from '../../support/whole.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../support/machine.js';
import { placeOf } from '../support/places.js';

/** A vector for each of 64 entries, a bit for each of so many contexts and one for the card: two pages and more. */
const CONTEXTS = 1024;

const CASES = APPROACHES.filter(({ name }) => name !== 'driver-domain');

describe('a ring of interrupt vectors that is longer than a page', () => {
  it.each(turnOf(CASES, 2))(
    'is within the card’s reach, all of it, and the page behind it as far as ever: $name',
    ({ name, make }) => {
      const machine = new Machine(make(), { nic: { contexts: CONTEXTS } });
      const { host } = machine;
      const guest = machine.guest(1);
      machine.run();
      const own = requesterId(host.nic.parameters.managementRequesterId);
      const seen: number[] = [];
      host.bus.watch({
        accessed: (id, physical, length) => {
          if (id === own) seen.push(physical, physical + length - 1);
        },
      });
      for (let count = 0; count < 70; count += 1) {
        guest.send(frame(STRANGER, macOf(1), 80, count));
        machine.run(60_000);
        guest.reclaim();
      }
      expect(guest.interrupts).toBe(70);
      // Every entry was written, and the index at the beginning of the ring.
      const ring = Math.min(...seen);
      expect([ring % PAGE, Math.max(...seen) - ring > 2 * PAGE]).toEqual([0, true]);
      const writes = (at: number) =>
        host.bus.write(own, ...placeOf(at), 4, Uint8Array.of(0, 0, 0, 0), 0) >= 0;
      const pages = Math.floor((Math.max(...seen) - ring) / PAGE) + 1;
      for (let page = 0; page < pages; page += 1) expect(writes(ring + page * PAGE + PAGE - 4)).toBe(true);
      // The page behind it is a guest's, which these three keep from no device.
      if (!['none', 'cdna', 'nodma'].includes(name)) expect(writes(ring + pages * PAGE)).toBe(false);
      expect(host.hypervisor.faultLog).toEqual([]);
      expect(guest.port.context).toBe(contextId(0));
    },
  );
});
