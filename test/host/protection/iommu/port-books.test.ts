import { describe, expect, it } from 'vitest';
import { AmdviDriver } from '../../../../host/protection/iommu/amdvi-driver.js';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, PORT, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, requesterOf, sendFrom, VENDORS } from './lab.js';

const FAR = 0x12_3456_7000;

describe.each(VENDORS)('ports behind an IOMMU, on %s', (vendor) => {
  it('count on what a strategy has counted when they are closed, each with the others', () => {
    const lab = IommuLab.with('persistent', vendor);
    const [one, two] = [lab.guest(1), lab.guest(2)];
    const page = one.page();
    for (let turn = 0; turn < 3; turn += 1) {
      sendFrom(one, page);
      lab.settle();
      one.reclaim();
    }
    sendFrom(two, two.page());
    lab.settle();
    const names = ['pagesMapped', 'pagesUnmapped', 'flushes', 'reusedMappings', 'liveMappings'] as const;
    const counts = () => names.map((name) => lab.details(name));
    // Rings of three pages each, and a page each.
    expect(counts()).toEqual([8, 0, 0, 2, 2]);
    lab.iommu.closePort(one.port);
    lab.settle();
    expect(counts()).toEqual([8, 4, 0, 2, 1]);
    lab.iommu.closePort(two.port);
    lab.settle();
    expect(counts()).toEqual([8, 8, 0, 2, 0]);
  });

  it('of one guest give a page back only if none of them has it', () => {
    const lab = IommuLab.with('persistent', vendor);
    const guest = lab.guest(1);
    const second = lab.iommu.openPort(guest.domain, { ...PORT, mac: macOf(9) });
    const other = lab.guest(2);
    const page = guest.page();
    guest.postReceive({ address: page, length: PAGE });
    lab.settle();
    const gives = () => lab.iommu.relinquish(guest.domain, pageNumber(frameOf(page)));
    expect(gives()).toBe(false);
    expect(lab.iommu.relinquish(other.domain, pageNumber(frameOf(other.page())))).toBe(true);
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect([gives(), second.context]).toEqual([true, 1]);
  });

  it('show every walk to whoever watches, for as long as that is', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const seen: number[] = [];
    const stop = lab.iommu.watchWalks((...walk) => seen.push(walk.length));
    const walks = lab.details('walks');
    sendFrom(guest, guest.page());
    lab.settle();
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBe(lab.details('walks') - walks);
    stop();
    const { length } = seen;
    sendFrom(guest, guest.page());
    lab.settle();
    expect([seen.length, lab.details('walks') > walks]).toEqual([length, true]);
  });

  it('have their faults read from the log with what they did: which page, and whether it was a write', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const { driver } = lab.iommu;
    for (const [at, write] of [true, false, true].entries()) {
      expect(lab.reach(guest, FAR + at * PAGE, write)).toBeUndefined();
      lab.settle();
    }
    expect(driver.faults.map(({ requesterId, address, write }) => [requesterId, address, write])).toEqual(
      [true, false, true].map((write, at) => [requesterOf(guest.port.context), FAR + at * PAGE, write]),
    );
    expect([
      lab.details('faultsRead'),
      lab.details('faultsRecorded'),
      lab.details('translationFaults'),
    ]).toEqual([3, 3, 3]);
    expect(lab.details('faultsDropped')).toBe(0);
  });

  it('have all of their faults read that came before the hypervisor looked', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    for (let at = 0; at < 5; at += 1) lab.reach(guest, FAR + at * PAGE, true);
    lab.settle();
    expect(lab.details('faultsRead') + lab.details('faultsCompressed')).toBe(5);
    for (let at = 5; at < 9; at += 1) lab.reach(guest, FAR + at * PAGE, true);
    lab.settle();
    expect(lab.details('faultsRead') + lab.details('faultsCompressed')).toBe(9);
  });

  it('cost the hypervisor an interrupt for a log, and the registers that the unit keeps it in', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const { processor, hypervisor } = lab.machine.host;
    const before = processor.cyclesOf(hypervisor.account);
    lab.reach(guest, FAR, true);
    lab.settle();
    const { interrupt, registerRead } = processor.costs;
    // VT-d: four words of a recording register. AMD-Vi's log lies in memory.
    expect(processor.cyclesOf(hypervisor.account) - before).toBe(
      interrupt + (vendor === 'vtd' ? 4 * registerRead : 0),
    );
  });
});

describe('a card with one requester ID', () => {
  it('has one domain for all ports: rings of one that goes are invalidated with it, and the others go on', () => {
    const lab = new IommuLab({ strategy: 'single-use', oneRequesterId: true });
    const [one, two] = [lab.guest(1), lab.guest(2)];
    const spaces = [one, two].map(({ port }) => lab.iommu.ports.get(port.context)?.space);
    expect(spaces[0]?.address).toBe(spaces[1]?.address);
    const { driver } = lab.iommu;
    // One entry is enough for all of them: a port more is not attached, and the unit is asked for nothing.
    const commands = lab.details('queueDescriptors');
    lab.iommu.closePort(lab.guest(5).port);
    lab.settle();
    // The domain of the one that went, and the wait.
    expect(lab.details('queueDescriptors') - commands).toBe(2);
    const tables = lab.details('tablePages');
    lab.iommu.closePort(one.port);
    lab.settle();
    expect([lab.details('tablePages'), driver.spareTablePages]).toEqual([tables, 0]);
    two.send(frame(STRANGER, macOf(2), 90));
    lab.settle();
    expect(lab.machine.wire.frames).toHaveLength(1);
    // A port that cannot be opened leaves the shared tables alone as well.
    expect(() => lab.guest(3, { receiveSlots: 3 })).toThrow(/port\.receiveSlots is 3/);
    lab.settle();
    two.send(frame(STRANGER, macOf(2), 91));
    lab.settle();
    expect(lab.machine.wire.frames).toHaveLength(2);
  });
});

describe('what a driver has read of its unit', () => {
  it.each([undefined, 4, 5, 6])(
    'AMD-Vi with EFR.HATS for %s levels: tables of four, which every unit has',
    (maxMode) => {
      const lab = new IommuLab({
        strategy: 'single-use',
        vendor: 'amdvi',
        ...(maxMode === undefined ? {} : { maxMode }),
      });
      const { driver } = lab.iommu;
      expect(driver).toBeInstanceOf(AmdviDriver);
      expect(driver.features).toEqual({
        levels: 4,
        addressBits: 48,
        largePages: true,
        maxOrder: 40,
        domainLimit: 65_536,
        cachingMode: false,
        writeOnlyPages: true,
        deviceTlbs: true,
        interruptRemapping: true,
      });
    },
  );

  it('VT-d: its gate and its counters are those of the unit that it drives', () => {
    const lab = new IommuLab({ strategy: 'single-use', cachingMode: true });
    const { driver } = lab.iommu;
    if (!(driver instanceof VtdDriver)) throw new Error('no VT-d here');
    expect([driver.vendor, driver.features.cachingMode, driver.gate]).toEqual(['vtd', true, lab.iommu.gate]);
    expect([driver.checked, driver.denied]).toEqual([driver.gate.checked, driver.gate.denied]);
    expect(lab.iommu.handOver).toBe('map-then-write');
  });
});
