import { describe, expect, it } from 'vitest';
import { FaultLimit, XEN_FAULT_LIMIT } from '../../../../host/protection/iommu/fault-limit.js';
import { Iommu } from '../../../../host/protection/iommu/iommu.js';
import { requesterId } from '../../../../nic/addresses.js';
import { frame, macOf, STRANGER, type TestGuest } from '../../support/machine.js';
import { placeOf } from '../../support/places.js';
import { IommuLab, VENDORS } from './lab.js';

const ONE = requesterId(0x0100);
const OTHER = requesterId(0x0101);
const MS = 1_000_000;
const UNMAPPED = 0x12_3456_7000;
const BYTES = new Uint8Array(16).fill(0x77);

describe('the limit on faults (Xen, pci_check_disable_device)', () => {
  it('is reached by the tenth fault of a function, and each function has its own count', () => {
    const limit = new FaultLimit(XEN_FAULT_LIMIT);
    const outcomes = Array.from({ length: 10 }, (_, at) => limit.reached(ONE, at * MS));
    expect(outcomes).toEqual([...new Array(9).fill(false), true]);
    expect(limit.reached(OTHER, 10 * MS)).toBe(false);
    expect(limit.reached(ONE, 10 * MS)).toBe(true);
  });

  it('halves the count after a pause of more than 10 ms', () => {
    const limit = new FaultLimit(4);
    for (const atMs of [0, 10, 20]) expect(limit.reached(ONE, atMs * MS)).toBe(false);
    // 3 becomes 1, and then counts up: 2, 3, 4.
    expect(limit.reached(ONE, 30 * MS + 1)).toBe(false);
    expect(limit.reached(ONE, 31 * MS)).toBe(false);
    expect(limit.reached(ONE, 32 * MS)).toBe(true);
  });

  it('is never reached by faults 10 ms and a nanosecond apart', () => {
    const limit = new FaultLimit(3);
    for (let at = 0; at < 50; at += 1) expect(limit.reached(ONE, at * (10 * MS + 1))).toBe(false);
  });

  it('begins at 0 for the next user of a function', () => {
    const limit = new FaultLimit(2);
    expect(limit.reached(ONE, 0)).toBe(false);
    limit.forget(ONE);
    expect([limit.reached(ONE, 1), limit.reached(ONE, 2)]).toEqual([false, true]);
  });

  it('refuses what is no limit, when the approach is chosen', () => {
    for (const faultLimit of [0, -1, 1.5, Number.NaN])
      expect(() => new Iommu({ strategy: 'single-use', faultLimit })).toThrow(
        `iommu.faultLimit is ${faultLimit}, expected a whole number from 1`,
      );
    expect(() => new FaultLimit(0)).toThrow(/iommu\.faultLimit is 0/);
  });
});

describe.each(VENDORS)('a function that faults without end, on %s', (vendor) => {
  const stray = (lab: IommuLab, guest: TestGuest, times: number, from = 0) => {
    for (let at = 0; at < times; at += 1) {
      expect(lab.strayWrite(guest, UNMAPPED + (from + at) * 4096, BYTES)).toBe(false);
      lab.settle();
    }
  };
  const limited = (faultLimit: number) => new IommuLab({ strategy: 'single-use', vendor, faultLimit });

  it('is stopped at the limit: the fault is logged, the context revoked, and nothing is logged of it again', () => {
    const lab = limited(3);
    const [guest, neighbour] = [lab.guest(1), lab.guest(2)];
    const { hypervisor, bus } = lab.machine.host;
    stray(lab, guest, 2);
    expect(hypervisor.faultLog).toEqual([]);
    stray(lab, guest, 1, 2);
    expect(hypervisor.faultLog).toMatchObject([
      { domain: guest.domain.name, context: guest.port.context, caughtBy: 'iommu', reason: 'fault-limit' },
    ]);
    expect(lab.iommu.ports.has(guest.port.context)).toBe(false);
    const { checked } = lab.iommu.driver;
    const [read, denied] = [lab.iommu.driver.faults.length, bus.denied];
    stray(lab, guest, 5, 3);
    expect(lab.iommu.driver.faults.length).toBe(read);
    expect(lab.iommu.driver.checked).toBe(checked);
    expect(bus.denied).toBe(denied + 5);
    // The neighbour notices nothing.
    neighbour.send(frame(STRANGER, macOf(2), 77));
    lab.settle();
    expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(77);
  });

  it('may be given to another user, who has all of it', () => {
    const lab = limited(2);
    const guest = lab.guest(1);
    const { context } = guest.port;
    stray(lab, guest, 2);
    const next = lab.guest(2);
    expect(next.port.context).toBe(context);
    next.send(frame(STRANGER, macOf(2), 99));
    lab.settle();
    expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(99);
    stray(lab, next, 1);
    expect(lab.iommu.ports.has(context)).toBe(true);
  });

  it('is not stopped without a limit, however many faults there are', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    stray(lab, guest, 30);
    expect(lab.machine.host.hypervisor.faultLog).toEqual([]);
    expect(lab.iommu.ports.has(guest.port.context)).toBe(true);
    expect(lab.iommu.driver.faults.length).toBe(30);
  });

  it('is all of a card with one requester ID', () => {
    const lab = new IommuLab({ strategy: 'single-use', vendor, oneRequesterId: true, faultLimit: 2 });
    const [one, two] = [lab.guest(1), lab.guest(2)];
    stray(lab, two, 2);
    expect(lab.machine.host.hypervisor.faultLog.map(({ reason }) => reason)).toEqual([
      'fault-limit',
      'fault-limit',
    ]);
    expect([one, two].map(({ port }) => lab.iommu.ports.has(port.context))).toEqual([false, false]);
  });

  const ofOneFunction = () =>
    new IommuLab({ strategy: 'single-use', vendor, oneRequesterId: true, faultLimit: 3 });

  it('is counted from 0 for the next user of a card with one requester ID, whatever context that has', () => {
    const lab = ofOneFunction();
    const first = lab.guest(1);
    expect(first.port.context).toBe(0);
    stray(lab, first, 2);
    lab.iommu.closePort(first.port);
    // Context 0 is not free yet: the unit has not reported its invalidation.
    const next = lab.guest(2);
    expect(next.port.context).toBe(1);
    stray(lab, next, 2, 2);
    expect(lab.iommu.ports.has(next.port.context)).toBe(true);
    stray(lab, next, 1, 4);
    expect(lab.iommu.ports.has(next.port.context)).toBe(false);
  });

  it('keeps what others of its contexts have done when a card with one requester ID gets one more user', () => {
    const lab = ofOneFunction();
    const [first, second] = [lab.guest(1), lab.guest(2)];
    lab.iommu.closePort(first.port);
    lab.settle();
    stray(lab, second, 2);
    const third = lab.guest(3);
    expect(third.port.context).toBe(0);
    stray(lab, third, 1, 2);
    expect([second, third].map(({ port }) => lab.iommu.ports.has(port.context))).toEqual([false, false]);
  });

  it('is never the card’s own function, without which no guest hears of anything', () => {
    const lab = limited(1);
    const guest = lab.guest(1);
    const { bus, hypervisor, nic } = lab.machine.host;
    const own = requesterId(nic.parameters.managementRequesterId);
    for (const id of [own, requesterId(0x7777)])
      for (let at = 0; at < 3; at += 1) {
        expect(bus.write(id, ...placeOf(UNMAPPED), 16, BYTES, 0)).toBeLessThan(0);
        lab.settle();
      }
    expect(hypervisor.faultLog).toEqual([]);
    guest.send(frame(STRANGER, macOf(1), 88));
    lab.settle();
    expect(lab.machine.wire.frames.at(-1)?.bytes.length).toBe(88);
    expect(guest.port.transmit.consumer()).toBe(1);
  });
});
