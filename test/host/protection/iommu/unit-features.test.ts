import { describe, expect, it } from 'vitest';
import { DEFAULT_VTD_CAPABILITIES, encodeCap, encodeEcap } from '../../../../host/iommu/vtd/capabilities.js';
import { readVtdFeatures } from '../../../../host/protection/iommu/vtd-features.js';
import { requesterId } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { IommuLab } from './lab.js';

const registers = (cap: bigint, ecap: bigint) => (offset: number) => (offset === 0x08 ? cap : ecap);

describe('what a driver reads of a VT-d unit', () => {
  it('is what the registers of a client and of a server say, field by field', () => {
    // CAP and ECAP as machines print them at boot (dmar: DRHD ... cap ... ecap ...): a Skylake client's graphics
    // unit, and the unit of a Xeon E5 v2.
    expect(readVtdFeatures(registers(0x1c0000c40660462n, 0x7e3ff0505en))).toEqual({
      levels: 4,
      addressBits: 39,
      largePages: true,
      maxOrder: -1,
      domainLimit: 2 ** 8,
      cachingMode: false,
      writeOnlyPages: true,
      deviceTlbs: true,
      interruptRemapping: true,
      faultRecords: 1,
      faultRecordOffset: 0x400,
    });
    expect(readVtdFeatures(registers(0xd2078c106f0466n, 0xf020dfn))).toEqual({
      levels: 4,
      addressBits: 48,
      largePages: true,
      maxOrder: 18,
      domainLimit: 2 ** 16,
      cachingMode: false,
      writeOnlyPages: true,
      deviceTlbs: true,
      interruptRemapping: true,
      faultRecords: 8,
      faultRecordOffset: 0x100,
    });
  });

  it('takes four levels where the unit offers several, and the only choice otherwise (SAGAW is a mask, row B16)', () => {
    const levelsOf = (tableLevels: readonly (3 | 4 | 5)[]) => {
      const capabilities = { ...DEFAULT_VTD_CAPABILITIES, tableLevels };
      return readVtdFeatures(registers(encodeCap(capabilities), encodeEcap(capabilities))).levels;
    };
    expect([levelsOf([3, 4, 5]), levelsOf([3, 5]), levelsOf([5]), levelsOf([3])]).toEqual([4, 3, 5, 3]);
  });

  it('refuses a unit that it cannot drive, and says which field', () => {
    expect(() => readVtdFeatures(registers(0n, 2n))).toThrow(/CAP\.SAGAW of the VT-d unit is 0/);
    expect(() => readVtdFeatures(registers(0x400n, 0n))).toThrow(/ECAP\.QI of the VT-d unit is 0/);
  });

  it('without CAP.ZLR grants reads of receive buffers too, as Linux does (row V129)', () => {
    for (const zeroLengthReads of [true, false]) {
      const lab = new IommuLab({ strategy: 'single-use', capabilities: { zeroLengthReads } });
      const guest = lab.guest(1);
      const page = guest.page();
      guest.postReceive({ address: page, length: 2048 });
      guest.store(guest.page(), frame(STRANGER, macOf(1), 64));
      lab.settle();
      const bus = lab.busAddress(guest, 'receive', 0);
      expect(lab.reach(guest, bus, true)).toBe(page);
      expect(lab.reach(guest, bus, false)).toBe(zeroLengthReads ? undefined : page);
    }
  });

  it('keeps addresses within tables of three levels', () => {
    const lab = new IommuLab({ strategy: 'single-use', capabilities: { tableLevels: [3] } });
    const guest = lab.guest(1);
    guest.postReceive({ address: guest.page(), length: 2048 });
    lab.settle();
    const bus = lab.busAddress(guest, 'receive', 0);
    expect(bus).toBeGreaterThanOrEqual(2 ** 38);
    expect(bus).toBeLessThan(2 ** 39);
  });

  it('runs out of domain numbers where ND has four bits, and says so', () => {
    const lab = new IommuLab({ strategy: 'single-use', capabilities: { domainBits: 4 } });
    for (let number = 1; number <= 14; number += 1) lab.guest(number);
    expect(() => lab.guest(15)).toThrow(
      'all 16 domain IDs of the IOMMU are taken, expected fewer guests at a time',
    );
    // A number is free again when the unit has reported the last invalidation of its domain.
    const [first] = [...lab.iommu.ports.values()];
    if (first === undefined) throw new Error('no port');
    lab.iommu.closePort(first.port);
    lab.settle();
    expect(lab.guest(16).port.context).toBe(first.port.context);
  });

  it('invalidates the domain where the unit cannot pick so many pages, or none at all', () => {
    const flush = (capabilities: { maxAddressMask?: number; pageSelective?: boolean }) => {
      const lab = new IommuLab({ strategy: 'single-use', capabilities });
      const guest = lab.guest(1);
      const pages = guest.pages(2);
      guest.postReceive({ address: pages + PAGE - 64, length: 128 });
      const [other] = [guest.page()];
      guest.postReceive({ address: other, length: 128 });
      lab.settle();
      const [spanning, single] = [0, 1].map((index) => lab.busAddress(guest, 'receive', index));
      for (const bus of [spanning, single]) lab.reach(guest, bus ?? 0, true);
      lab.settle();
      // The walks have ended by now, and what they found is cached.
      expect(lab.iommu.driver.timing.walksUnderWay).toBe(0);
      const cached = lab.iommu.driver.timing.cachedPages;
      guest.port.receive.finish(1);
      lab.settle();
      return cached - lab.iommu.driver.timing.cachedPages;
    };
    // One of two cached buffers is invalidated, or everything of the domain with its rings.
    expect(flush({})).toBe(1);
    expect(flush({ maxAddressMask: 0 })).toBeGreaterThan(1);
    expect(flush({ pageSelective: false })).toBeGreaterThan(1);
  });

  it('is asked for nothing that it does not have', () => {
    const lab = new IommuLab({
      strategy: 'single-use',
      capabilities: { interruptRemapping: false, deviceTlb: false },
    });
    lab.guest(1);
    expect(() => lab.iommu.driver.remapInterrupts()).toThrow(/does not remap interrupts/);
    expect(() => lab.iommu.driver.enableDeviceTlb(requesterId(0x100))).toThrow(
      /no support for translations of devices/,
    );
  });
});
