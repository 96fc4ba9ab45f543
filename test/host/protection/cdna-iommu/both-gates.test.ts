import { describe, expect, it } from 'vitest';
import { CdnaIommu } from '../../../../host/protection/cdna-iommu/cdna-iommu.js';
import type { IommuProtection } from '../../../../host/protection/iommu/iommu-protection.js';
import { pageNumber, requesterId } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';

const RELEASE_NS = 1_000_000;
const STEP_NS = 40;
/** The card's registers of a context. */
const TX_PRODUCER = 0x00;
const VENDORS = ['vtd', 'amdvi'] as const;

class BothGates {
  readonly machine: Machine<IommuProtection>;
  readonly guest: TestGuest;

  constructor(vendor: (typeof VENDORS)[number]) {
    // Caches that forget nothing by themselves.
    const timing = { iotlbEntries: 4096, iotlbWays: 4096 };
    this.machine = new Machine(new CdnaIommu({ vendor, releaseTimeoutNs: RELEASE_NS, timing }));
    this.guest = this.machine.guest(1);
    this.machine.run(50_000);
  }

  /** Where the device's access goes, or undefined. */
  reach(address: number, write: boolean, guest = this.guest): number | undefined {
    const { host } = this.machine;
    const id = requesterId(0x100 + guest.port.context);
    const physical = reachedThrough(host.protection.gate, id, address, 1, write);
    return physical < 0 ? undefined : physical;
  }

  pinned(address: number): number {
    return this.machine.host.pages.count(pageNumber(address / PAGE));
  }

  details(name: string): number {
    return this.machine.host.protection.counters().details[name] ?? 0;
  }
}

describe.each(VENDORS)('both gates, on %s', (vendor) => {
  it('map a page when a descriptor with it is validated, and not before', () => {
    const lab = new BothGates(vendor);
    const page = lab.guest.page();
    expect(lab.reach(page, true)).toBeUndefined();
    lab.guest.postReceive({ address: page, length: 2048 });
    expect([lab.reach(page, true), lab.pinned(page), lab.details('liveMappings')]).toEqual([page, 1, 1]);
    expect(lab.machine.host.protection.name).toBe('cdna+iommu');
  });

  it('refuse at set-up a page of another, map nothing of the batch behind it, and the context goes on', () => {
    const lab = new BothGates(vendor);
    const other = lab.machine.guest(2);
    const [mine, yours, last] = [lab.guest.page(), other.page(), lab.guest.page()];
    const accepted = lab.guest.postReceive(
      { address: mine, length: 64 },
      { address: yours, length: 64 },
      { address: last, length: 64 },
    );
    expect(accepted).toBe(1);
    expect([mine, yours, last].map((page) => lab.reach(page, true))).toEqual([mine, undefined, undefined]);
    expect(lab.machine.host.hypervisor.faultLog).toMatchObject([{ caughtBy: 'set-up', reason: 'not-owner' }]);
    lab.guest.send(frame(STRANGER, macOf(1), 90));
    lab.machine.run();
    expect(lab.machine.wire.frames.length).toBe(1);
  });

  it('keep a page mapped while any of two buffers in it is with the card', () => {
    const lab = new BothGates(vendor);
    const page = lab.guest.page();
    lab.guest.postReceive({ address: page, length: 256 }, { address: page + 2048, length: 256 });
    expect(lab.details('liveMappings')).toBe(1);
    lab.machine.run(50_000);
    lab.machine.arrive(frame(macOf(1), STRANGER, 80, 1));
    lab.machine.run(100_000);
    lab.guest.receive();
    // The next enqueue releases what the card is done with: the first buffer.
    lab.guest.postReceive({ address: lab.guest.page(), length: 256 });
    lab.machine.run(100_000);
    expect(lab.reach(page, true)).toBe(page);
    lab.machine.arrive(frame(macOf(1), STRANGER, 80, 2));
    lab.machine.run(100_000);
    lab.guest.receive();
    lab.guest.postReceive({ address: lab.guest.page(), length: 256 });
    lab.machine.run(100_000);
    expect(lab.reach(page, true)).toBeUndefined();
    expect(lab.pinned(page)).toBe(0);
  });

  it('hold a page until the unit has reported, at every instant between', () => {
    const lab = new BothGates(vendor);
    const page = lab.guest.send(frame(STRANGER, macOf(1)));
    lab.machine.run(100_000);
    expect(lab.reach(page, false)).toBe(page);
    lab.machine.run(10_000);
    // The enqueue that releases it.
    lab.guest.send(frame(STRANGER, macOf(1), 70));
    let stale = 0;
    for (let step = 0; step < 500; step += 1) {
      if (lab.reach(page, false) !== undefined) {
        stale += 1;
        expect(lab.pinned(page)).toBeGreaterThan(0);
      }
      lab.machine.kernel.run(lab.machine.kernel.nowNs + STEP_NS);
    }
    expect(stale).toBeGreaterThan(0);
    expect([lab.reach(page, false), lab.pinned(page)]).toEqual([undefined, 0]);
  });

  it('ask for one invalidation per release, however many pages it has', () => {
    const lab = new BothGates(vendor);
    for (let count = 0; count < 8; count += 1) lab.guest.send(frame(STRANGER, macOf(1), 80, count));
    lab.machine.run(100_000);
    const before = lab.details('flushes');
    lab.guest.send(frame(STRANGER, macOf(1), 90));
    expect(lab.details('flushes') - before).toBe(1);
    expect(lab.details('liveMappings')).toBe(1);
  });

  it('release what an idle guest left, by the timeout', () => {
    const lab = new BothGates(vendor);
    const page = lab.guest.send(frame(STRANGER, macOf(1)));
    lab.machine.run(RELEASE_NS - 60_000);
    expect(lab.pinned(page)).toBeGreaterThan(0);
    lab.machine.run(200_000);
    expect([lab.reach(page, false), lab.pinned(page), lab.details('releaseTimeouts')]).toEqual([
      undefined,
      0,
      1,
    ]);
  });

  it('stop a producer index beyond what was validated at the card, which refuses the old sequence number', () => {
    const lab = new BothGates(vendor);
    const { host } = lab.machine;
    for (let count = 0; count < 16; count += 1) {
      lab.guest.send(frame(STRANGER, macOf(1), 64, count));
      lab.machine.run(20_000);
      lab.guest.reclaim();
    }
    const producer = lab.guest.port.transmit.producer;
    host.window.write(lab.guest.domain.id, lab.guest.port.context, TX_PRODUCER, producer + 1);
    lab.machine.run();
    expect(lab.machine.wire.frames.length).toBe(16);
    expect(host.hypervisor.faultLog).toMatchObject([{ caughtBy: 'nic', reason: 'sequence-break' }]);
  });

  it('keep the descriptor ring out of the guest’s stores, and out of other contexts’ reach', () => {
    const lab = new BothGates(vendor);
    const other = lab.machine.guest(2);
    const entry = lab.machine.host.protection.ports.get(lab.guest.port.context);
    const ring = entry?.port.ringMemory?.address ?? 0;
    expect(lab.guest.store(ring, Uint8Array.of(1))).toBe('page-fault');
    expect(lab.reach(ring, true)).toBeUndefined();
    expect(lab.reach(2 ** 40, true)).toBe(ring);
    expect(lab.reach(2 ** 40, true, other)).not.toBe(ring);
  });

  it('leave nothing pinned or mapped when the port closes in the middle of it all', () => {
    const lab = new BothGates(vendor);
    for (let count = 0; count < 5; count += 1) {
      lab.guest.postReceive({ address: lab.guest.page(), length: 512 });
      lab.guest.send(frame(STRANGER, macOf(1), 200, count));
    }
    lab.machine.run(3_000);
    lab.machine.host.protection.closePort(lab.guest.port);
    lab.machine.run(RELEASE_NS * 3);
    expect(lab.machine.host.pages.pinnedPages).toBe(0);
    expect(lab.details('liveMappings')).toBe(0);
  });
});
