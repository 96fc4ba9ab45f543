import { describe, expect, it } from 'vitest';
import { STRATEGIES } from '../../../../host/protection/iommu/strategies/index.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { either, turnOf } from '../../../support/whole.js';
import { frame, macOf, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, VENDORS } from './lab.js';

/** Less than any unit needs for one entry of its queue: it fetches an entry in 197 ns. */
const STEP_NS = either(40, 80);
/** From before the driver asks until after the unit has reported, in steps. */
const STEPS = 10_000 / STEP_NS;
const BUFFERS = 4;
/** Each strategy on both vendors' units; in one turn of two, each on one of them. */
const casesOf = (turn: number) =>
  VENDORS.flatMap((vendor, offset) =>
    turnOf(STRATEGIES, turn + offset, 2).map(({ name }) => ({ vendor, name })),
  );

interface Known {
  readonly page: number;
  readonly bus: number;
  readonly write: boolean;
}

/** A guest whose device has been to every buffer, so that the unit's caches know them all. */
function bench(name: string, vendor: (typeof VENDORS)[number], options: { pinUntilFlush?: boolean } = {}) {
  const lab = IommuLab.with(name, vendor, options);
  const guest = lab.guest(1, { transmitSlots: 16, receiveSlots: 16 });
  const known: Known[] = [];
  for (let index = 0; index < BUFFERS; index += 1) {
    const [sent, received] = [guest.page(), guest.page()];
    guest.store(sent, frame(STRANGER, macOf(1), 64, index));
    guest.post({ address: sent, length: 64 });
    guest.postReceive({ address: received, length: 200 });
    known.push({ page: sent, bus: lab.busAddress(guest, 'transmit', index), write: false });
    known.push({ page: received, bus: lab.busAddress(guest, 'receive', index), write: true });
  }
  for (let index = 0; index < BUFFERS; index += 1) lab.machine.arrive(frame(macOf(1), STRANGER, 80, index));
  lab.settle();
  for (const { bus, write } of known) lab.reach(guest, bus, write);
  lab.settle();
  return { lab, guest, known };
}

/** Looks in short steps; returns how often the device reached a page that no reference held any more. */
function reachedUnpinned({ lab, guest, known }: ReturnType<typeof bench>): number {
  const { pages } = lab.machine.host;
  let unpinned = 0;
  for (let step = 0; step < STEPS; step += 1) {
    for (const { page, bus, write } of known) {
      const physical = lab.reach(guest, bus, write);
      if (physical === page && pages.count(pageNumber(frameOf(page))) === 0) unpinned += 1;
    }
    lab.settle(STEP_NS);
  }
  return unpinned;
}

describe('between the request for an invalidation and its report', () => {
  it.each(casesOf(0))('$name on $vendor: a page that is reached is pinned', ({ name, vendor }) => {
    const one = bench(name, vendor);
    const { guest } = one;
    // One buffer, then the others: the unit has several entries to work on.
    guest.port.transmit.finish(1);
    let unpinned = reachedUnpinned(one);
    guest.port.transmit.finish(guest.port.transmit.consumer());
    guest.port.receive.finish(guest.port.receive.consumer());
    unpinned += reachedUnpinned(one);
    // Linux's lazy mode lets go of a page before the flush: that is its window.
    if (name === 'deferred') expect(unpinned).toBeGreaterThan(0);
    else expect(unpinned).toBe(0);
  });

  it.each(VENDORS)('deferred on %s that pins until the flush has no such window', (vendor) => {
    const one = bench('deferred', vendor, { pinUntilFlush: true });
    one.guest.port.transmit.finish(one.guest.port.transmit.consumer());
    expect(reachedUnpinned(one)).toBe(0);
  });

  it.each(casesOf(1))(
    '$name on $vendor: a port that closes lets go of nothing that is reached',
    (options) => {
      const one = bench(options.name, options.vendor);
      const { lab, guest, known } = one;
      const { pages } = lab.machine.host;
      const entry = lab.iommu.ports.get(guest.port.context);
      const ring = entry?.port.ringMemory?.address ?? 0;
      // Rings are mapped first, so they lie where a space's own addresses begin.
      const ringBus = 2 ** 40;
      expect(lab.reach(guest, ringBus, true)).toBe(ring);
      lab.settle();
      guest.reclaim();
      lab.iommu.closePort(guest.port);
      for (let step = 0; step < STEPS; step += 1) {
        for (const { page, bus, write } of known) {
          const physical = lab.reach(guest, bus, write);
          if (physical === page && options.name !== 'deferred')
            expect(pages.count(pageNumber(frameOf(page)))).toBeGreaterThan(0);
        }
        if (lab.reach(guest, ringBus, true) !== undefined)
          expect(pages.owner(pageNumber(frameOf(ring)))).toBe(guest.domain.id);
        lab.settle(STEP_NS);
      }
      expect(lab.reach(guest, ringBus, true)).toBeUndefined();
      expect(pages.pinnedPages).toBe(0);
    },
  );
});
