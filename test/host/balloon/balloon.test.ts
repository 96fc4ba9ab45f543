import { describe, expect, it } from 'vitest';
import { Balloon, type BalloonParameters } from '../../../host/balloon/index.js';
import { makeProtection } from '../../../host/protection/approaches.js';
import { BufferBatch } from '../../../host/protection/guest-port.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import { IommuProtection } from '../../../host/protection/iommu/iommu-protection.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import {
  guestPhysicalAddress,
  hostPhysicalAddress,
  pageNumber,
  requesterId,
} from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../support/machine.js';
import { placeOf } from '../support/places.js';

const DEFAULTS: BalloonParameters = { pages: 10, everyNs: 10_000, startNs: 0, bufferPercent: 0, seed: 1 };
const PORT = {
  share: { weight: 1 },
  transmitSlots: 16,
  receiveSlots: 16,
  antiSpoofing: false,
  promiscuous: false,
  coalesceFrames: 1,
  coalesceNs: 0,
};

/** A guest with 1 MB of RAM, a port, and a page posted for receiving. */
function lab(protection: ProtectionPlan, parameters: Partial<BalloonParameters> = {}) {
  const machine = new Machine(protection);
  const { host } = machine;
  const domain = host.createGuest('guest 1', 1);
  domain.reserve(256);
  const port = host.openPort(domain, { ...PORT, mac: macOf(1) });
  const buffer = present(domain.allocate(1)[0]);
  const guest = { domain, bufferPages: () => [buffer] };
  const balloon = new Balloon(host, host.protection, [guest], { ...DEFAULTS, ...parameters });
  const post = () => {
    const batch = new BufferBatch(1);
    batch.add(guestPhysicalAddress(buffer * PAGE), 2048, 0);
    if (port.receive.post(batch) > 0) port.receive.ring();
  };
  return { machine, host, domain, port, buffer, balloon, post };
}

describe('a balloon', () => {
  it('takes as many pages as are wanted and no more, one per request', () => {
    const { machine, host, domain, balloon } = lab(makeProtection('cdna'), { startNs: 5_000 });
    const before = domain.ownedPages.size;
    machine.run(4_999);
    expect(balloon.report().asked).toBe(0);
    machine.run(50_001);
    expect(balloon.report().reclaimed).toBe(6);
    machine.run(1_000_000);
    expect(balloon.report()).toMatchObject({ asked: 10, reclaimed: 10, waiting: 0, refused: 0 });
    expect(domain.ownedPages.size).toBe(before - 10);
    expect(balloon.newOwner.domain.ownedPages.size).toBe(10);
    for (const frameNumber of balloon.newOwner.domain.ownedPages) {
      expect(host.pages.owner(frameNumber)).toBe(balloon.newOwner.domain.id);
      expect(domain.ownedPages.has(frameNumber)).toBe(false);
    }
    balloon.checkInvariants();
  });

  it('does the same with the same seed, and something else with another', () => {
    const taken = (seed: number) => {
      const { machine, balloon } = lab(makeProtection('none'), { seed, bufferPercent: 50, pages: 3 });
      machine.run(500_000);
      return [balloon.report().refused, ...balloon.newOwner.domain.ownedPages];
    };
    expect(taken(3)).toEqual(taken(3));
    const runs = Array.from({ length: 12 }, (_, seed) => JSON.stringify(taken(seed)));
    expect(new Set(runs).size).toBeGreaterThan(1);
  });

  it('costs the guest one hypercall per request, and counts the time until the page is free', () => {
    const { machine, host, balloon } = lab(makeProtection('none'));
    const before = host.hypervisor.hypercalls;
    machine.run(1_000_000);
    expect(host.hypervisor.hypercalls - before).toBe(10);
    const { reclaimNs } = balloon.report();
    expect(reclaimNs.length).toBe(10);
    expect(Math.min(...reclaimNs)).toBeGreaterThan(0);
  });

  it('is refused a page that is in flight, and gets it when the device is done', () => {
    for (const name of ['cdna', 'iommu:single-use', 'iommu:shared', 'iommu:persistent', 'cdna+iommu']) {
      const { machine, host, balloon, buffer, domain, post, port } = lab(makeProtection(name), {
        pages: 1,
        bufferPercent: 100,
        startNs: 100_000,
      });
      post();
      machine.run(200_000);
      expect(balloon.report().reclaimed, name).toBe(0);
      expect(balloon.report().refused, name).toBeGreaterThan(5);
      machine.arrive(frame(macOf(1), STRANGER, 100));
      machine.run(100_000);
      port.receive.finish(port.receive.consumer());
      machine.run(20_000_000);
      expect(balloon.report().reclaimed, name).toBe(1);
      expect(host.pages.owner(pageNumber(buffer)), name).toBe(balloon.newOwner.domain.id);
      expect(domain.ownedPages.has(pageNumber(buffer)), name).toBe(false);
      expect(balloon.newOwner.damagedPages(), name).toEqual([]);
      expect(balloon.newOwner.lateWrites, name).toBe(0);
    }
  });

  it('gets nothing of a guest that is mapped as a whole', () => {
    const { machine, balloon } = lab(makeProtection('iommu:direct-map'), { bufferPercent: 50 });
    machine.run(2_000_000);
    expect(balloon.report().reclaimed).toBe(0);
    expect(balloon.report().refused).toBeGreaterThan(100);
  });

  it('finds what a device wrote into a page that was given away, with who, when and whose', () => {
    const { machine, balloon, buffer, post, port } = lab(makeProtection('none'), {
      pages: 1,
      bufferPercent: 100,
      startNs: 50_000,
    });
    post();
    machine.run(100_000);
    expect(balloon.report().reclaimed).toBe(1);
    expect(balloon.newOwner.damagedPages()).toEqual([]);
    machine.arrive(frame(macOf(1), STRANGER, 100));
    machine.run(100_000);
    expect(balloon.newOwner.damagedPages()).toEqual([buffer]);
    const [proof] = balloon.newOwner.proofs;
    expect(proof).toMatchObject({
      page: buffer,
      requesterId: 0x0100 + port.context,
      write: true,
      length: 100,
      oldOwner: 'guest 1',
      newOwner: 'reclaimed',
      givenAtNs: 50_000,
    });
    expect(proof?.atNs).toBeGreaterThan(100_000);
    expect(balloon.newOwner.lateWrites).toBe(1);
  });

  it('finds the stale window of the lazy mode when a device makes use of it, and none when pages wait for the flush', () => {
    for (const pinUntilFlush of [false, true]) {
      const iommu = new Iommu({ strategy: 'deferred', strategyOptions: { pinUntilFlush } });
      const { machine, host, balloon, post, port } = lab(iommu, {
        pages: 1,
        bufferPercent: 100,
        startNs: 300_000,
      });
      post();
      machine.run(100_000);
      machine.arrive(frame(macOf(1), STRANGER, 100));
      machine.run(100_000);
      const { protection } = host;
      if (!(protection instanceof IommuProtection)) throw new Error('built without its IOMMU');
      const ring = protection.ports.get(port.context)?.port.receive.ringAddress ?? 0;
      const bus = Number(host.memory.readU64(hostPhysicalAddress(ring)));
      port.receive.finish(port.receive.consumer());
      machine.run(200_000);
      expect(balloon.report().reclaimed).toBe(pinUntilFlush ? 0 : 1);
      // The card errs, and writes to where the buffer was.
      host.bus.write(requesterId(0x0100 + port.context), ...placeOf(bus), 4, new Uint8Array(4), 0);
      expect(balloon.newOwner.damagedPages().length).toBe(pinUntilFlush ? 0 : 1);
      machine.run(12_000_000);
      expect(balloon.report().reclaimed).toBe(1);
      expect(balloon.newOwner.lateWrites).toBe(pinUntilFlush ? 0 : 1);
    }
  });

  it.each([
    ['pages', 0],
    ['everyNs', 0],
    ['startNs', -1],
    ['bufferPercent', 101],
  ] as const)('does not take %s = %s', (field, value) => {
    expect(() => lab(makeProtection('none'), { [field]: value })).toThrow(`balloon.${field} is ${value}`);
  });
});

describe('RAM that a guest owns from the start', () => {
  it('lies in one piece, is drawn from, and is all there is', () => {
    const { host } = new Machine(makeProtection('none'));
    const domain = host.createGuest('guest', 1);
    domain.reserve(64);
    expect(domain.ownedPages.size).toBe(64);
    const all = [...domain.ownedPages];
    expect(all.at(-1)).toBe((all[0] ?? 0) + 63);
    const some = domain.allocate(10);
    expect(some.every((frameNumber) => domain.ownedPages.has(frameNumber))).toBe(true);
    expect(domain.unusedPages).toBe(54);
    expect(domain.lastUnusedPage).toBe(all.at(-1));
    domain.release(pageNumber(all.at(-1) ?? 0));
    expect(domain.lastUnusedPage).toBe(all.at(-2));
    expect(domain.unusedPages).toBe(53);
    expect(() => domain.allocate(54)).toThrow('guest: 54 pages wanted, 53 of its RAM unused');
    expect(domain.allocate(53).length).toBe(53);
    expect(domain.lastUnusedPage).toBeUndefined();
  });

  it('steps over holes that a balloon has left', () => {
    const { host } = new Machine(makeProtection('none'));
    const domain = host.createGuest('guest', 1);
    domain.reserve(16);
    const all = [...domain.ownedPages];
    for (const index of [2, 5]) domain.release(pageNumber(all[index] ?? 0));
    expect(domain.allocate(4)).toEqual([0, 1, 3, 4].map((index) => all[index]));
    expect(domain.allocate(4, true)).toEqual([6, 7, 8, 9].map((index) => all[index]));
    expect(domain.ownedPages.size).toBe(14);
    expect(domain.unusedPages).toBe(6);
  });

  it('costs next to nothing for a thousand guests', () => {
    const machine = new Machine(makeProtection('none'), { host: { memoryBytes: 16 * 2 ** 30 } });
    const domains = Array.from({ length: 1024 }, (_, index) => machine.host.createGuest(`g${index}`, index));
    for (const domain of domains) domain.reserve(2560);
    expect(new Set(domains.map((domain) => domain.allocate(1)[0])).size).toBe(1024);
    expect(machine.host.memory.touchedBytes).toBeLessThan(2 ** 22);
  });
});
