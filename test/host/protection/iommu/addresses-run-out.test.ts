import { describe, expect, it } from 'vitest';
import { ParameterError } from '../../../../scheduler/errors.js';
import { runs } from '../../../support/whole.js';
import { PAGE } from '../../support/machine.js';
import { IommuLab } from './lab.js';

/** 30 bits, of which the upper half is given out: 131,072 pages. */
const NARROW = { guestAddressBits: 30, tableLevels: [3] as const };
const SAID =
  /^iommu\.capabilities give addresses of 30 bits, expected more: \d+ pages in a row are not free$/u;

describe('a unit with few address bits (CAP.MGAW 29)', () => {
  it('is named when a bitmap of addresses does not fit it', () => {
    const lab = new IommuLab({
      strategy: 'flush-on-wrap',
      strategyOptions: { tablePages: 2 ** 18 },
      capabilities: NARROW,
    });
    const before = lab.machine.host.pages.pinnedPages;
    expect(() => lab.guest(1)).toThrow(ParameterError);
    expect(() => lab.guest(2)).toThrow(SAID);
    // What was begun for the port is given back.
    lab.settle();
    expect(lab.machine.host.pages.pinnedPages).toBe(before);
  });

  it.each(['single-use', 'deferred', 'contiguous', 'swiotlb'])(
    'is named when %s has given all of them out',
    (strategy) => {
      const lab = new IommuLab({ strategy, capabilities: NARROW });
      const guest = lab.guest(1, { receiveSlots: 32_768 });
      const { address } = lab.iommu.ports.get(guest.port.context)?.space ?? {};
      if (address === undefined) throw new Error('no such port');
      // Somebody else of the space has most of them.
      while (address.iovas.allocate(64) >= 0);
      const page = guest.pages(2);
      const post = () => {
        for (let posted = 0; posted < 64; posted += 1)
          guest.postReceive({ address: page + PAGE - 64, length: 128 });
      };
      expect(post).toThrow(SAID);
    },
  );

  it('carries traffic as any other', () => {
    const lab = new IommuLab({ strategy: 'single-use', capabilities: NARROW });
    const guest = lab.guest(1);
    const page = guest.page();
    for (let turn = 0; turn < runs(60); turn += 1) {
      expect(guest.postReceive({ address: page, length: 200 })).toBe(1);
      expect(lab.reach(guest, lab.busAddress(guest, 'receive', turn), true)).toBe(page);
      guest.port.receive.finish(guest.port.receive.producer);
      lab.settle();
    }
  });
});
