import { describe, expect, it } from 'vitest';
import { AmdviDriver } from '../../../../host/protection/iommu/amdvi-driver.js';
import type { IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import type { IommuVendor } from '../../../../host/protection/iommu/iommu-driver.js';
import { SILENCE_LIMIT } from '../../../../host/protection/iommu/queue-recovery.js';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  pageNumber,
  requesterId,
} from '../../../../nic/addresses.js';
import { either } from '../../../support/whole.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, requesterOf, SETTLE_NS, VENDORS } from './lab.js';

/** As long as a unit waits for a device, and the hypervisor's own work on top. */
const TIMEOUT_NS = 1_100_000;

/** A lab with eyes on the ring of commands, as a debugger would read it. */
class RingLab extends IommuLab {
  readonly #vendor: IommuVendor;

  constructor(vendor: IommuVendor, options: Partial<IommuOptions> = {}) {
    super({ strategy: 'single-use', vendor, ...options });
    this.#vendor = vendor;
  }

  get driver(): VtdDriver | AmdviDriver {
    const { driver } = this.iommu;
    if (driver instanceof VtdDriver || driver instanceof AmdviDriver) return driver;
    throw new Error('no such driver');
  }

  get registers() {
    return this.driver.unit.registers;
  }

  /** Where the command lies that the unit takes next. */
  get head(): HostPhysicalAddress {
    const [base, head] = this.#vendor === 'vtd' ? [0x90, 0x80] : [0x08, 0x2000];
    const ring = Number(this.registers.read64(base) & 0x000f_ffff_ffff_f000n);
    return hostPhysicalAddress(ring + this.registers.read32(head));
  }

  /** A command of a type that no unit has. */
  spoil(at: HostPhysicalAddress): void {
    const { memory } = this.machine.host;
    memory.writeU32(at, 0xf);
    memory.writeU32(addressAfter(at, 4), 0xf000_0000);
  }

  /** Posts a receive buffer, lets the device go there, and unmaps it; returns the page and the device's address. */
  unmapOne(guest: ReturnType<IommuLab['guest']>) {
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    this.settle();
    const bus = this.busAddress(guest, 'receive', guest.port.receive.producer - 1);
    expect(this.reach(guest, bus, true)).toBe(page);
    this.settle();
    guest.port.receive.finish(guest.port.receive.producer);
    return { page, bus };
  }

  pinned(page: number): number {
    return this.machine.host.pages.count(pageNumber(frameOf(page)));
  }
}

describe.each(VENDORS)('a queue that stops on %s (XSA-373, CVE-2021-28692, row B11)', (vendor) => {
  it('is noticed: what was asked for is done again, and reported only then', () => {
    const lab = new RingLab(vendor);
    const guest = lab.guest(1);
    const { page, bus } = lab.unmapOne(guest);
    // The invalidation of the page is spoilt in memory before the unit fetches it.
    lab.spoil(lab.head);
    let wasPinned = false;
    for (let step = 0; step < 200 && lab.pinned(page) > 0; step += 1) {
      wasPinned ||= lab.details('queueErrors') > 0;
      lab.settle(100);
    }
    expect(wasPinned).toBe(true);
    expect(lab.pinned(page)).toBe(0);
    expect(lab.reach(guest, bus, true)).toBeUndefined();
    expect(lab.details('queueErrors')).toBe(1);
    lab.machine.host.checkInvariants();
    // And the unit works on: the next buffer is mapped, used and unmapped as ever.
    const next = lab.unmapOne(guest);
    lab.settle();
    expect([lab.pinned(next.page), lab.details('queueErrors')]).toEqual([0, 1]);
  });

  it('lets a guest that closes its port wait for the repeated invalidation', () => {
    const lab = new RingLab(vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    lab.settle();
    const { context } = guest.port;
    lab.iommu.closePort(guest.port);
    lab.spoil(lab.head);
    expect(lab.machine.guest(2).port.context).not.toBe(context);
    lab.settle();
    expect(lab.details('queueErrors')).toBe(1);
    expect(lab.pinned(page)).toBe(0);
    expect(lab.machine.guest(3).port.context).toBe(context);
  });

  it('is left alone when it stops again and again, and then nothing is released', () => {
    const lab = new RingLab(vendor);
    const guest = lab.guest(1);
    const { page } = lab.unmapOne(guest);
    for (let step = 0; step < either(2_000, 500); step += 1) {
      lab.spoil(lab.head);
      lab.settle(100);
    }
    expect(lab.pinned(page)).toBe(1);
    expect(lab.details('queueErrors')).toBeGreaterThan(3);
    lab.machine.host.checkInvariants();
  });
});

describe.each(VENDORS)('a device that holds translations itself on %s', (vendor) => {
  const withDevice = () => {
    const lab = new RingLab(vendor);
    const guest = lab.guest(1);
    const requester = requesterId(requesterOf(guest.port.context));
    lab.iommu.driver.enableDeviceTlb(requester);
    lab.settle();
    return { lab, guest, requester, silent: lab.driver.timing.silentDevices };
  };

  it('is asked to drop them behind every invalidation, and that takes time', () => {
    const { lab, guest } = withDevice();
    const before = lab.details('queueDescriptors');
    const { page } = lab.unmapOne(guest);
    lab.settle();
    expect(lab.pinned(page)).toBe(0);
    // The page's invalidation, the device's, and the wait.
    expect(lab.details('queueDescriptors') - before).toBe(3);
    expect(lab.details('queueErrors')).toBe(0);
  });

  it('is asked again when it does not answer, and nothing is released meanwhile', () => {
    const { lab, guest, requester, silent } = withDevice();
    silent.add(requester);
    const { page } = lab.unmapOne(guest);
    lab.settle(TIMEOUT_NS);
    expect([lab.pinned(page), lab.details('queueErrors')]).toEqual([1, 1]);
    silent.delete(requester);
    lab.settle(TIMEOUT_NS);
    expect([lab.pinned(page), lab.details('devicesStopped')]).toEqual([0, 0]);
    expect(lab.iommu.ports.has(guest.port.context)).toBe(true);
    // Its silence is forgotten: it may be silent once more.
    silent.add(requester);
    const again = lab.unmapOne(guest);
    lab.settle(TIMEOUT_NS * (SILENCE_LIMIT - 1));
    expect(lab.iommu.ports.has(guest.port.context)).toBe(true);
    silent.delete(requester);
    lab.settle(TIMEOUT_NS);
    expect(lab.pinned(again.page)).toBe(0);
  });

  it('is stopped when it does not answer three times, and only then are its pages released', () => {
    const { lab, guest, requester, silent } = withDevice();
    const { hypervisor, pages, nic } = lab.machine.host;
    const { context } = guest.port;
    silent.add(requester);
    const { page, bus } = lab.unmapOne(guest);
    guest.domain.release(pageNumber(frameOf(page)));
    for (let step = 0; pages.owner(pageNumber(frameOf(page))) !== -1 && step < 1_000; step += 1) {
      // As long as the page has not gone, the device may still be there; once it has gone, nothing leads there.
      expect(pages.owner(pageNumber(frameOf(page)))).toBe(guest.domain.id);
      lab.settle(10_000);
    }
    expect(lab.machine.kernel.nowNs).toBeGreaterThan(SILENCE_LIMIT * 1_000_000);
    expect(pages.owner(pageNumber(frameOf(page)))).toBe(-1);
    expect(lab.reach(guest, bus, true)).toBeUndefined();
    expect(nic.contexts[context]?.state).not.toBe('open');
    expect(hypervisor.faultLog).toMatchObject([
      { domain: guest.domain.name, context, caughtBy: 'iommu', reason: 'device-silent' },
    ]);
    expect(lab.details('devicesStopped')).toBe(1);
    lab.settle();
    expect(pages.pinnedPages).toBe(0);
    // Its bus mastering is off: what it sends does not come to the gate.
    const { checked } = lab.iommu.driver;
    expect(lab.strayWrite(guest, bus, Uint8Array.of(1))).toBe(false);
    expect(lab.iommu.driver.checked).toBe(checked);
  });

  it('that times out has made no access: the limit on faults does not count it', () => {
    const { lab, guest, requester, silent } = withDevice();
    lab.iommu.limitFaults(1);
    silent.add(requester);
    lab.unmapOne(guest);
    lab.settle(TIMEOUT_NS);
    expect(lab.machine.host.hypervisor.faultLog).toEqual([]);
    lab.settle(SILENCE_LIMIT * TIMEOUT_NS);
    expect(lab.machine.host.hypervisor.faultLog.map(({ reason }) => reason)).toEqual(['device-silent']);
  });

  it('holds up the invalidations of others, which are done none the less', () => {
    const { lab, guest, requester, silent } = withDevice();
    const other = lab.guest(2);
    const mine = other.page();
    other.postReceive({ address: mine, length: 2048 });
    lab.settle();
    silent.add(requester);
    const { page } = lab.unmapOne(guest);
    other.port.receive.finish(other.port.receive.producer);
    lab.settle(TIMEOUT_NS);
    expect([lab.pinned(page), lab.pinned(mine)]).toEqual([1, 1]);
    lab.settle(TIMEOUT_NS * SILENCE_LIMIT);
    expect([lab.pinned(page), lab.pinned(mine)]).toEqual([0, 0]);
    other.send(frame(STRANGER, macOf(2), 90));
    lab.settle();
    expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(90);
  });

  it('keeps a CPU that polls for the end busy for as long as the unit waits', () => {
    const { lab, guest, requester, silent } = withDevice();
    const { processor, hypervisor } = lab.machine.host;
    silent.add(requester);
    const page = guest.page();
    guest.postReceive({ address: page, length: 2048 });
    lab.settle();
    lab.machine.arrive(frame(macOf(1), STRANGER, 80));
    lab.settle();
    const before = processor.nsOf(hypervisor.account);
    // The driver takes the frame, and polls for the end of the invalidation.
    guest.receive();
    lab.settle(TIMEOUT_NS * 3);
    expect(processor.nsOf(hypervisor.account) - before).toBeGreaterThan(900_000);
  });

  it('is asked once more when its port closes, and stopped from asking for ever', () => {
    const { lab, guest, requester, silent } = withDevice();
    silent.add(requester);
    lab.iommu.closePort(guest.port);
    lab.settle(TIMEOUT_NS);
    expect(lab.machine.host.pages.pinnedPages).toBeGreaterThan(0);
    lab.settle(TIMEOUT_NS * SILENCE_LIMIT);
    expect(lab.machine.host.pages.pinnedPages).toBe(0);
    lab.settle(SETTLE_NS);
    lab.machine.host.checkInvariants();
  });
});

describe('AMD-Vi alone', () => {
  it('completes waits behind a device that did not answer; a log that lost the event is not believed either', () => {
    const lab = new RingLab('amdvi');
    const guest = lab.guest(1);
    const requester = requesterId(requesterOf(guest.port.context));
    const { timing } = lab.driver;
    lab.iommu.driver.enableDeviceTlb(requester);
    lab.settle();
    timing.silentDevices.add(requester);
    const { page } = lab.unmapOne(guest);
    lab.settle(900_000);
    // A flood of faults just before the time-out: the log is full when the event comes.
    for (let turn = 0; turn < 600; turn += 1) lab.reach(guest, 2 ** 41 + turn * PAGE, false);
    lab.settle(200_000);
    expect(lab.pinned(page)).toBe(1);
    expect(lab.details('queueErrors')).toBeGreaterThan(0);
    timing.silentDevices.delete(requester);
    lab.settle(5_000_000);
    expect(lab.pinned(page)).toBe(0);
  });
});
