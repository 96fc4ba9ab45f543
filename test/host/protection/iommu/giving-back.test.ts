import { describe, expect, it } from 'vitest';
import { pageNumber } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, VENDORS } from './lab.js';

/** Strategies by whether the device has a guest's whole page itself while it is posted, or a copy of it. */
const STRATEGIES = [
  ['single-use', true],
  ['shared', true],
  ['persistent', true],
  ['deferred', true],
  ['flush-on-wrap', true],
  ['swiotlb', true],
  ['shadow-copy', false],
] as const;

describe.each(VENDORS)('a page that is wanted back on %s', (vendor) => {
  it.each(STRATEGIES)('%s: is given if no device can have it, and otherwise not', (strategy, isMapped) => {
    const lab = IommuLab.with(strategy, vendor);
    const guest = lab.guest(1);
    const [unused, posted] = [guest.page(), guest.page()];
    const gives = (address: number) => lab.iommu.relinquish(guest.domain, pageNumber(frameOf(address)));
    expect(guest.postReceive({ address: posted, length: PAGE })).toBe(1);
    lab.settle();
    expect(gives(unused), 'never used').toBe(true);
    expect(gives(posted), 'posted').toBe(!isMapped);
    const { address, bytes } = lab.iommu.ports.get(guest.port.context)?.port.ringMemory ?? {
      address: 0,
      bytes: 0,
    };
    expect(bytes).toBe(3 * PAGE);
    for (let at = 0; at < bytes; at += PAGE) expect(gives(address + at), 'of a ring').toBe(false);
    lab.machine.arrive(frame(macOf(1), STRANGER, 200));
    lab.settle();
    expect(guest.receive()).toHaveLength(1);
    lab.settle();
    expect(gives(posted), 'done with').toBe(true);
    expect(guest.domain.release(pageNumber(frameOf(posted)))).not.toBe('refused');
    lab.settle();
    expect(lab.machine.host.pages.owner(pageNumber(frameOf(posted)))).toBe(-1);
    lab.machine.host.checkInvariants();
  });

  it('is one that its space holds no reference on: rings as long as the port is open, buffers until they are forgotten', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const space = lab.iommu.ports.get(guest.port.context)?.space;
    expect(space?.pinned).toBe(3);
    guest.postReceive({ address: guest.page(), length: 100 }, { address: guest.pages(2) + 64, length: PAGE });
    expect(space?.pinned).toBe(3 + 1 + 2);
    lab.settle();
    guest.port.receive.finish(2);
    expect(space?.pinned, 'the unit has not reported').toBe(3 + 1 + 2);
    lab.settle();
    expect(space?.pinned).toBe(3);
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect(space?.pinned).toBe(0);
  });
});
