import { describe, expect, it } from 'vitest';
import { Iommu, type IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import {
  busAddress,
  busPageOf,
  hostPhysicalAddress,
  pageNumber,
  requesterId,
} from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, requesterOf, sendFrom, VENDORS } from './lab.js';

/** Where writes are interrupt messages. */
const INTERRUPT_WINDOW = 0xfee0_0000;
const BYTES = new Uint8Array(16).fill(0x77);

describe.each(VENDORS)('the gate on %s', (vendor) => {
  it('lets no access to the interrupt window reach memory, and there is none behind it', () => {
    const lab = new IommuLab({ strategy: 'direct-map', vendor }, { host: { memoryBytes: 8 * 2 ** 30 } });
    const { pages, memory } = lab.machine.host;
    const guest = lab.guest(1);
    // More than all RAM below the window.
    const big = lab.machine.host.createGuest('big', 1);
    big.reserve(INTERRUPT_WINDOW / PAGE - 1024);
    const after = lab.machine.host.createGuest('after', 1);
    after.reserve(4096);
    for (let at = INTERRUPT_WINDOW; at < INTERRUPT_WINDOW + 2 ** 20; at += PAGE) {
      expect(pages.owner(pageNumber(frameOf(at)))).toBe(-1);
    }
    expect(Math.min(...after.ownedPages)).toBeGreaterThan(frameOf(INTERRUPT_WINDOW));
    for (const at of [INTERRUPT_WINDOW, INTERRUPT_WINDOW + 2 ** 20 - 16]) {
      expect(lab.strayWrite(guest, at, BYTES)).toBe(false);
      expect(lab.reach(guest, at, false)).toBeUndefined();
      expect(memory.readU32(hostPhysicalAddress(at))).toBe(0);
    }
  });

  it('lets an interrupt message pass, until interrupts are remapped; then it stops and logs it (row B14)', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const { hypervisor } = lab.machine.host;
    const send = () => lab.strayWrite(guest, INTERRUPT_WINDOW + 0x3000, Uint8Array.of(0x82, 0, 0, 0));
    expect(send()).toBe(true);
    expect([hypervisor.strayMessages, ...hypervisor.strayVectors]).toEqual([1, 0x82]);
    lab.iommu.driver.remapInterrupts();
    lab.settle();
    expect(send()).toBe(false);
    lab.settle();
    expect(hypervisor.strayMessages).toBe(1);
    expect(lab.iommu.driver.faults).toMatchObject([
      { requesterId: requesterOf(guest.port.context), reason: vendor === 'vtd' ? 0x25 : 2 },
    ]);
    // A guest that opens its port later has its messages stopped as well, and everything else goes on.
    const later = lab.guest(2);
    expect(lab.strayWrite(later, INTERRUPT_WINDOW, Uint8Array.of(0x82, 0, 0, 0))).toBe(false);
    later.send(frame(STRANGER, macOf(2), 77));
    lab.settle();
    expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(77);
  });

  it('takes 4 aligned bytes for a message, and nothing else', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    for (const [offset, length] of [
      [0, 3],
      [0, 8],
      [2, 4],
    ] as const)
      expect(lab.strayWrite(guest, INTERRUPT_WINDOW + offset, new Uint8Array(length))).toBe(false);
    expect(lab.machine.host.hypervisor.strayMessages).toBe(0);
  });

  it('knows contexts by their requester IDs, and stops one that uses another’s addresses', () => {
    const lab = IommuLab.with('persistent', vendor);
    const [one, two] = [lab.guest(1), lab.guest(2)];
    const [mine, yours] = [one.page(), two.page()];
    one.postReceive({ address: mine, length: 2048 });
    two.postReceive({ address: yours, length: 2048 });
    lab.settle();
    expect(lab.reach(one, mine, true)).toBe(mine);
    expect(lab.reach(one, yours, true)).toBeUndefined();
    expect(lab.reach(two, mine, true)).toBeUndefined();
    expect(requesterOf(one.port.context)).not.toBe(requesterOf(two.port.context));
  });

  it('cannot tell guests apart when the card has one requester ID, which is why that is not enough', () => {
    const lab = new IommuLab({ strategy: 'single-use', vendor, oneRequesterId: true });
    const [one, two] = [lab.guest(1), lab.guest(2)];
    const yours = two.page();
    two.postReceive({ address: yours, length: 2048 });
    sendFrom(one, one.page());
    lab.settle();
    // It works, and each guest's device reaches what is in flight for the other.
    expect(lab.machine.wire.frames.length).toBe(1);
    const bus = lab.busAddress(two, 'receive', 0);
    expect(lab.strayWrite(one, bus, BYTES)).toBe(true);
    expect(lab.machine.peek(yours, 16)).toEqual(BYTES);
    // Rings of a port that goes are out of reach when the unit has been told, though the card goes on.
    const entry = lab.iommu.ports.get(two.port.context);
    const ring = entry?.port.ringMemory?.address ?? 0;
    lab.iommu.closePort(two.port);
    expect(lab.machine.host.pages.owner(pageNumber(frameOf(ring)))).toBe(two.domain.id);
    lab.settle();
    expect(lab.machine.host.pages.owner(pageNumber(frameOf(ring)))).toBe(-1);
    expect(lab.reach(one, bus, true)).toBeUndefined();
    sendFrom(one, one.page());
    lab.settle();
    expect(lab.machine.wire.frames.length).toBe(2);
  });

  it('logs what it stopped, and the hypervisor reads the log', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const address = 0x12_3456_7000;
    expect(lab.strayWrite(guest, address, BYTES)).toBe(false);
    lab.settle();
    expect(lab.iommu.driver.faults).toMatchObject([
      { requesterId: requesterOf(guest.port.context), address, write: true },
    ]);
    expect(lab.iommu.driver.faults[0]?.text).toBe(
      vendor === 'vtd' ? 'no write permission' : 'page not present',
    );
    // From 2^53 on the hypervisor reads which page it was.
    const far = busPageOf(busAddress(2 ** 56 + 2 ** 55));
    const id = requesterId(requesterOf(guest.port.context));
    expect(lab.machine.host.bus.write(id, far, 0x123, 16, BYTES, 0)).toBeLessThan(0);
    lab.settle();
    expect(lab.iommu.driver.faults[1]).toMatchObject({ address: 2 ** 56 + 2 ** 55, write: true });
    // A storm is compressed, or fills the log; then the log is emptied and works on.
    for (let turn = 0; turn < 2000; turn += 1) lab.reach(guest, address + turn * PAGE, false);
    lab.settle(10_000_000);
    const read = lab.details('faultsRead');
    lab.reach(guest, address, false);
    lab.settle();
    expect(lab.details('faultsRead')).toBe(read + 1);
    expect(lab.iommu.driver.faults.length).toBeLessThanOrEqual(1000);
  });

  it('keeps its tables, queue and log out of every device’s reach', () => {
    const lab = IommuLab.with('direct-map', vendor);
    const guest = lab.guest(1);
    const { pages } = lab.machine.host;
    let own = 0;
    for (let at = 0; at < pages.pageCount; at += 1) {
      if (!['io-table', 'hypervisor'].includes(pages.kind(pageNumber(at)))) continue;
      own += 1;
      expect(lab.reach(guest, at * PAGE, true)).toBeUndefined();
    }
    expect(own).toBeGreaterThan(10);
  });
});

describe('VT-d alone', () => {
  it('keeps devices out of its protected regions, whatever the tables say', () => {
    const lab = IommuLab.with('direct-map', 'vtd');
    const guest = lab.guest(1);
    const page = guest.page();
    lab.settle();
    expect(lab.reach(guest, page, true)).toBe(page);
    const { driver } = lab.iommu;
    if (!(driver instanceof VtdDriver)) throw new Error('no VT-d here');
    const { registers } = driver.unit;
    // PLMBASE, PLMLIMIT, then PMEN.EPM.
    const base = page - (page % 2 ** 21);
    registers.write32(0x68, base);
    registers.write32(0x6c, base);
    registers.write32(0x64, 0x8000_0000);
    expect(lab.reach(guest, page, true)).toBeUndefined();
    expect(lab.strayWrite(guest, page, BYTES)).toBe(false);
    registers.write32(0x64, 0);
    expect(lab.reach(guest, page, true)).toBe(page);
  });

  it('in caching mode is sent an invalidation for every new mapping, and costs more', () => {
    const run = (cachingMode: boolean) => {
      const lab = new IommuLab({ strategy: 'single-use', cachingMode });
      const guest = lab.guest(1);
      for (let turn = 0; turn < 10; turn += 1) {
        guest.send(frame(STRANGER, macOf(1), 100, turn));
        lab.settle();
        guest.reclaim();
        lab.settle();
      }
      expect(lab.machine.wire.frames.length).toBe(10);
      return lab.details('invalidations');
    };
    // One more a batch, and one for the rings.
    expect(run(true) - run(false)).toBe(11);
  });

  it.each([
    [{ strategy: 'single-use', vendor: 'vt' as 'vtd' }, /iommu\.vendor is "vt", expected one of: vtd, amdvi/],
    [{ strategy: 'lazy' }, /iommu\.strategy is "lazy", expected one of: direct-map/],
    [{ strategy: 'single-use', vendor: 'amdvi' as const, cachingMode: true }, /cachingMode is true/],
    [{ strategy: 'single-use', vendor: 'amdvi' as const, capabilities: {} }, /capabilities is given/],
    [{ strategy: 'single-use', maxMode: 4 }, /iommu\.maxMode is 4, expected none for vtd/],
    [
      { strategy: 'persistent', strategyOptions: { quotaPages: 0 } },
      /iommu\.strategyOptions\.quotaPages is 0/,
    ],
    [{ strategy: 'shared', seed: Number.NaN }, /iommu\.seed is NaN, expected a whole number >= 0$/],
    [{ strategy: 'shared', vendor: 'amdvi', maxMode: 7 }, /iommu\.maxMode is 7, expected 4, 5 or 6$/],
    [
      { strategy: 'shared', timing: { walkers: 0 } },
      /iommu\.timing\.walkers is 0, expected a whole number of walkers/,
    ],
    [
      { strategy: 'shared', queueTiming: { statusWriteNs: -1 } },
      /iommu\.queueTiming\.statusWriteNs is -1, expected whole/,
    ],
    [{ strategy: 'shared', capabilities: { domainBits: 5 } }, /domainBits is 5, expected an even number$/],
    [
      { strategy: 'shared', capabilities: { tableLevels: [6] } },
      /iommu\.capabilities\.tableLevels is \[6\], expected at least one/,
    ],
    [{ strategy: 'shared', timing: { walker: 4 } }, /^iommu\.timing: walker is not an option that is known/],
    [{ strategy: 'shared', queueTiming: { fetchNs: 4 } }, /^iommu\.queueTiming: fetchNs is not an option/],
    [{ strategy: 'shared', capabilities: { levels: [4] } }, /^iommu\.capabilities: levels is not an option/],
    [
      { strategy: 'deferred', strategyOptions: { queueEntries: 1.5 } },
      /iommu\.strategyOptions\.queueEntries is 1\.5/,
    ],
  ])('names what is wrong with its options: %o', (options, message) => {
    // Some are of a kind that only a caller without types can give.
    expect(() => new Iommu(options as IommuOptions)).toThrow(message);
  });
});
