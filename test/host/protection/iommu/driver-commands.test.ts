import { describe, expect, it } from 'vitest';
import { ALL, Eyes, hex, WAIT } from './eyes.js';
import { requesterOf, VENDORS } from './lab.js';

describe('what the driver writes for the unit', () => {
  it('VT-d: at open the context entry, at close the entry again and its domain, each with a wait', () => {
    const eyes = new Eyes('vtd');
    eyes.lab.settle();
    eyes.commands();
    const guest = eyes.lab.guest(1);
    const requester = requesterOf(guest.port.context);
    const source = hex(requester);
    expect(eyes.entry(requester)).toBe('P 1 FPD 0 TT 0 AW 2 domain 2');
    expect(eyes.commands()).toEqual([`context 3 domain 2 source ${source} FM 0`, WAIT]);
    eyes.lab.iommu.closePort(guest.port);
    expect(eyes.entry(requester)).toBe('P 0 FPD 0 TT 0 AW 0 domain 0');
    expect(eyes.commands()).toEqual([`context 3 domain 2 source ${source} FM 0`, 'iotlb 2 domain 2', WAIT]);
  });

  it('B18 (XSA-442, CVE-2023-34326): AMD-Vi, at open and at close the entry and then all pages of its domain, each with a wait', () => {
    const eyes = new Eyes('amdvi');
    eyes.lab.settle();
    eyes.commands();
    const guest = eyes.lab.guest(1);
    const requester = requesterOf(guest.port.context);
    expect(eyes.entry(requester)).toBe('V 1 TV 1 mode 4 IRIW domain 2');
    const dropsBoth = [`devtab source ${hex(requester)}`, `pages domain 2 at ${ALL} S 1 PDE 1`, WAIT];
    expect(eyes.commands()).toEqual(dropsBoth);
    eyes.lab.iommu.closePort(guest.port);
    expect(eyes.entry(requester)).toBe('V 1 TV 1 mode 0  domain 0');
    expect(eyes.commands()).toEqual(dropsBoth);
  });

  it.each([
    ['single-use', 'AM 0 IH 0', 'S 0 PDE 1'],
    ['contiguous', undefined, undefined],
  ])('an unmap of %s names its pages, and is waited for', (strategy, vtd, amdvi) => {
    for (const vendor of VENDORS) {
      const eyes = new Eyes(vendor, strategy);
      const guest = eyes.lab.guest(1);
      guest.postReceive({ address: guest.page(), length: 2048 });
      eyes.lab.settle();
      const bus = eyes.lab.busAddress(guest, 'receive', 0);
      eyes.commands();
      guest.port.receive.finish(1);
      const expected = vendor === 'vtd' ? vtd : amdvi;
      const verb = vendor === 'vtd' ? 'iotlb pages' : 'pages';
      // A range of 64 pages is not invalidated for the first of them.
      expect(eyes.commands()).toEqual(
        expected === undefined ? [] : [`${verb} domain 2 at ${hex(bus)} ${expected}`, WAIT],
      );
    }
  });

  it.each(VENDORS)(
    'a port that another guest opens later has another domain, and the same entry afterwards: %s',
    (vendor) => {
      const eyes = new Eyes(vendor);
      const [one, two] = [eyes.lab.guest(1), eyes.lab.guest(2)];
      const first = eyes.entry(requesterOf(one.port.context));
      const second = eyes.entry(requesterOf(two.port.context));
      expect(first).toMatch(/domain 2$/);
      expect(second).toMatch(/domain 3$/);
      eyes.lab.iommu.closePort(one.port);
      eyes.lab.settle();
      const three = eyes.lab.guest(3);
      expect(three.port.context).toBe(one.port.context);
      expect(eyes.entry(requesterOf(three.port.context))).toBe(first);
    },
  );
});
