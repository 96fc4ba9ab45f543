import { describe, expect, it } from 'vitest';
import { STRATEGIES } from '../../../../host/protection/iommu/strategies/index.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { turnOf } from '../../../support/whole.js';
import { frame, macOf, STRANGER } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';
import { frameOf, IommuLab, requesterOf, SETTLE_NS, sendFrom, VENDORS } from './lab.js';

const NAMES = STRATEGIES.map(({ name }) => name);
/** Each strategy on both vendors' units; in one turn of two, each on one of them. */
const casesOf = (turn: number) =>
  VENDORS.flatMap((vendor, offset) => turnOf(NAMES, turn + offset, 2).map((name) => ({ vendor, name })));

describe('a port that closes', () => {
  it.each(casesOf(0))(
    'leaves nothing pinned, and no frame free before the unit forgot it: $name on $vendor',
    (one) => {
      const lab = IommuLab.with(one.name, one.vendor);
      const guest = lab.guest(1);
      const ownership = lab.machine.host.pages;
      const pages = Array.from({ length: 6 }, () => guest.page());
      for (const page of pages.slice(0, 3)) guest.postReceive({ address: page, length: 2048 });
      for (const page of pages.slice(3)) sendFrom(guest, page);
      lab.settle();
      // Some are finished, and their invalidations are under way, when the port goes.
      guest.reclaim();
      lab.iommu.closePort(guest.port);
      const pinned = ownership.pinnedPages;
      const ring = 0;
      for (const page of pages) guest.domain.release(pageNumber(frameOf(page)));
      const reachable = pages.filter(
        (page) => reachedThrough(lab.iommu.gate, requesterOf(guest.port.context), page, 1, true) >= 0,
      );
      // What caches still answer for must not have been reassigned.
      for (const page of reachable) expect(ownership.owner(pageNumber(frameOf(page)))).toBe(guest.domain.id);
      expect(pinned).toBeGreaterThan(ring);
      lab.settle();
      expect(ownership.pinnedPages).toBe(0);
      for (const page of pages) expect(ownership.owner(pageNumber(frameOf(page)))).toBe(-1);
      expect([...guest.domain.ownedPages]).toEqual([]);
    },
  );

  it.each(casesOf(1))(
    'hears nothing of what its driver says afterwards: $name on $vendor',
    ({ name, vendor }) => {
      const lab = IommuLab.with(name, vendor);
      const [guest, other] = [lab.guest(1), lab.guest(2)];
      const page = guest.page();
      guest.postReceive({ address: page, length: 2048 });
      sendFrom(guest, guest.page());
      lab.machine.arrive(frame(macOf(1), STRANGER, 300));
      lab.settle();
      lab.iommu.closePort(guest.port);
      const before = lab.machine.peek(page, 300);
      guest.reclaim();
      guest.receive();
      lab.settle();
      guest.port.transmit.finish(guest.port.transmit.producer);
      guest.port.receive.finish(guest.port.receive.producer);
      lab.settle();
      expect(lab.machine.peek(page, 300)).toEqual(before);
      expect(guest.post({ address: page, length: 64 })).toBe(0);
      other.send(frame(STRANGER, macOf(2), 70));
      lab.settle();
      expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(70);
    },
  );

  it.each(casesOf(0))(
    'keeps its context allocated until the unit forgot it: $name on $vendor',
    ({ name, vendor }) => {
      const lab = IommuLab.with(name, vendor);
      const guest = lab.guest(1);
      const page = guest.page();
      guest.postReceive({ address: page, length: 2048 });
      lab.settle();
      const bus = lab.busAddress(guest, 'receive', 0);
      lab.reach(guest, bus, true);
      lab.settle();
      const { context } = guest.port;
      lab.iommu.closePort(guest.port);
      const next = lab.machine.guest(2);
      expect(next.port.context).not.toBe(context);
      expect(lab.reach(next, bus, true)).toBeUndefined();
      lab.settle();
      const later = lab.guest(3);
      expect(later.port.context).toBe(context);
      expect(lab.reach(later, bus, true)).toBeUndefined();
    },
  );

  it.each(VENDORS)('may leave more behind than a queue holds: %s', (vendor) => {
    const lab = IommuLab.with('single-use', vendor);
    const slots = 8192;
    const guest = lab.guest(1, { transmitSlots: slots, receiveSlots: slots });
    const page = guest.page();
    for (let index = 0; index < slots; index += 64) {
      guest.postReceive(...Array.from({ length: 64 }, () => ({ address: page, length: 64 })));
    }
    // The driver releases all of them at once: 16,384 commands for a queue of 2,048.
    guest.port.receive.finish(guest.port.receive.producer);
    lab.iommu.closePort(guest.port);
    lab.settle(60_000_000);
    expect(lab.machine.host.pages.pinnedPages).toBe(0);
    expect(lab.details('queueDescriptors')).toBeGreaterThan(2 * slots);
  });

  it.each(casesOf(1))(
    'maps nothing for a batch whose refusal cost the guest its port: $name on $vendor',
    (one) => {
      const lab = new IommuLab(
        { strategy: one.name, vendor: one.vendor },
        { host: { faultPolicy: 'revoke' } },
      );
      const [guest, victim] = [lab.guest(1), lab.guest(2)];
      const page = guest.page();
      const accepted = guest.postReceive(
        { address: page, length: 64 },
        { address: page, length: 64 },
        { address: victim.page(), length: 64 },
      );
      lab.settle(SETTLE_NS);
      // Direct map looks at no buffer: what is wrong is found at the access gate.
      if (one.name === 'direct-map') return expect(accepted).toBe(3);
      expect(accepted).toBe(0);
      expect(lab.iommu.ports.has(guest.port.context)).toBe(false);
      expect(lab.machine.host.pages.count(pageNumber(frameOf(page)))).toBe(0);
    },
  );
});
