import { describe, expect, it } from 'vitest';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { IommuLab, sendFrom, VENDORS } from './lab.js';

const INTERRUPT_WINDOW = 0xfee0_0000;
const FAR = 0x12_3456_7000;

describe.each(VENDORS)('what is counted on %s', (vendor) => {
  it('every access and every message that the gate looks at, and those that it stops', () => {
    const lab = IommuLab.with('persistent', vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    lab.settle();
    const start = lab.iommu.counters();
    const since = () => {
      const { checked, denied } = lab.iommu.counters();
      return [checked - start.checked, denied - start.denied];
    };
    expect(lab.reach(guest, page, true)).toBe(page);
    expect(since()).toEqual([1, 0]);
    expect(lab.reach(guest, FAR, true)).toBeUndefined();
    expect(since()).toEqual([2, 1]);
    const message = () => lab.strayWrite(guest, INTERRUPT_WINDOW, Uint8Array.of(0x82, 0, 0, 0));
    expect(message()).toBe(true);
    expect(since()).toEqual([3, 1]);
    lab.iommu.driver.remapInterrupts();
    lab.settle();
    const before = since();
    expect(message()).toBe(false);
    expect(since()).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 1]);
  });

  it('interrupts are remapped with a command that the unit takes', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const commands = lab.details('queueDescriptors');
    lab.iommu.driver.remapInterrupts();
    lab.settle();
    expect(lab.details('queueErrors')).toBe(0);
    expect(lab.details('queueDescriptors')).toBeGreaterThan(commands);
    sendFrom(guest, guest.page());
    lab.settle();
    expect(lab.machine.wire.frames).toHaveLength(1);
  });

  it.each(['single-use', 'shared'])(
    '%s: a flush for each buffer, and a hypercall for each batch',
    (strategy) => {
      const lab = IommuLab.with(strategy, vendor);
      const guest = lab.guest(1);
      const buffers = Array.from({ length: 5 }, () => ({ address: guest.page(), length: 100 }));
      for (const { address } of buffers) guest.store(address, frame(STRANGER, macOf(1), 100));
      const { hypervisor } = lab.machine.host;
      const since = (before: number) => hypervisor.hypercalls - before;
      const start = hypervisor.hypercalls;
      expect(guest.post(...buffers)).toBe(5);
      expect(since(start), 'mapped').toBe(1);
      lab.settle();
      const sent = hypervisor.hypercalls;
      guest.reclaim();
      expect(since(sent), 'unmapped').toBe(1);
      lab.settle();
      expect(lab.details('flushes')).toBe(5);
      expect(lab.details('pagesMapped') - lab.details('pagesUnmapped')).toBeGreaterThan(0);
      // The next batch is one again.
      guest.post(...buffers.slice(2));
      lab.settle();
      const again = hypervisor.hypercalls;
      guest.reclaim();
      expect(since(again)).toBe(1);
      expect(lab.details('flushes')).toBe(8);
    },
  );

  it('what was refused, and it stays counted when the port has gone', () => {
    const lab = IommuLab.with('single-use', vendor);
    const [guest, other] = [lab.guest(1), lab.guest(2)];
    const page = guest.page();
    sendFrom(guest, page);
    guest.post({ address: page, length: 0 });
    guest.postReceive({ address: other.page(), length: 100 });
    guest.postReceive({ address: -PAGE, length: 100 });
    lab.settle();
    expect(lab.iommu.counters()).toMatchObject({ accepted: 1, refused: 3 });
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect(lab.iommu.counters()).toMatchObject({ accepted: 1, refused: 3 });
    other.post({ address: page, length: 100 });
    expect(lab.iommu.counters().refused).toBe(4);
  });

  it('direct-map: the pages that are mapped, and none when the port has gone', () => {
    const lab = IommuLab.with('direct-map', vendor);
    const guest = lab.guest(1);
    const rings = 3;
    const before = lab.details('directMappedPages');
    guest.domain.allocate(40);
    expect(lab.details('directMappedPages')).toBe(before + 40);
    expect(before).toBeLessThanOrEqual(guest.domain.ownedPages.size - 40 + rings);
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect(lab.details('directMappedPages')).toBe(0);
  });
});

describe('a protected region of VT-d', () => {
  it('stops and counts an access, though it is in no log', () => {
    const lab = IommuLab.with('persistent', 'vtd');
    const guest = lab.guest(1);
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    lab.settle();
    const { driver } = lab.iommu;
    if (!(driver instanceof VtdDriver)) throw new Error('no VT-d here');
    const base = page - (page % 2 ** 21);
    driver.unit.registers.write32(0x68, base);
    driver.unit.registers.write32(0x6c, base);
    driver.unit.registers.write32(0x64, 0x8000_0000);
    const { checked, denied } = lab.iommu.counters();
    expect(lab.reach(guest, page, true)).toBeUndefined();
    expect(lab.iommu.counters()).toMatchObject({ checked: checked + 1, denied: denied + 1 });
    lab.settle();
    expect(driver.faults).toEqual([]);
  });
});

describe('the seed of an IOMMU', () => {
  const walksOf = (seed?: number) => {
    const lab = new IommuLab({
      strategy: 'persistent',
      timing: { iotlbEntries: 8, iotlbWays: 8, replacement: 'random' },
      ...(seed === undefined ? {} : { seed }),
    });
    const guest = lab.guest(1);
    const pages = Array.from({ length: 12 }, () => guest.page());
    for (const address of pages) guest.postReceive({ address, length: 2048 });
    lab.settle();
    return Array.from({ length: 120 }, (_, turn) => {
      lab.reach(guest, pages[turn % pages.length] ?? 0, true);
      lab.settle(10_000);
      return lab.details('walks');
    });
  };

  it('decides what a cache gives up for another entry: the same for the same, 1 if none is given', () => {
    expect(walksOf(7)).toEqual(walksOf(7));
    expect(walksOf()).toEqual(walksOf(1));
    expect(walksOf(7)).not.toEqual(walksOf(1));
  });
});
