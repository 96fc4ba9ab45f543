import { GuestDriven } from '../../../../../host/protection/iommu/guest-driven/guest-driven.js';
import type { IommuOptions } from '../../../../../host/protection/iommu/iommu.js';
import { ioVirtualAddress, pageNumber, requesterId } from '../../../../../nic/addresses.js';
import type { ContextId } from '../../../../../scheduler/branded.js';
import { Machine, macOf, PORT, TestGuest } from '../../../support/machine.js';
import { reachedThrough } from '../../../support/places.js';
import { requesterOf, SETTLE_NS } from '../lab.js';

export const READ = 1;
export const WRITE = 2;
const BOTH = 3;
/** An address that is nobody's memory. */
export const IOVA = 0xfff0_0000;
export const MB2 = 2 ** 21;
export const GB = 2 ** 30;
/** Where addresses end that guests may map. */
export const LIMIT = 2 ** 40;

/** A machine with a guest that drives our tables by an IOMMU of its own. */
export function bench(options: Omit<IommuOptions, 'strategy'> = {}, memoryBytes = 64 * 2 ** 20) {
  const machine = new Machine(new GuestDriven(options), { host: { memoryBytes } });
  const { protection, pages } = machine.host;
  const domain = machine.host.createGuest('guest', 1);
  const maps = protection.mapsOf(domain);
  const map = (iova: number, firstPage: number, count = 1, permissions = BOTH) =>
    maps.map({
      iova: ioVirtualAddress(iova),
      firstPage: pageNumber(firstPage),
      pages: count,
      permissions,
    });
  const settle = (ns = SETTLE_NS) => machine.run(ns);
  return {
    machine,
    protection,
    domain,
    maps,
    map,
    settle,
    page: () => domain.allocate(1)[0] ?? pageNumber(0),
    open: () => {
      const guest = new TestGuest(machine, domain, { ...PORT, mac: macOf(1) });
      settle();
      return guest;
    },
    unmap: (...iovas: number[]) => {
      let reports = 0;
      maps.unmap(iovas.map(ioVirtualAddress), () => {
        reports += 1;
      });
      return () => reports;
    },
    reach: (context: ContextId, address: number, write: boolean) => {
      const id = requesterId(requesterOf(context));
      const at = reachedThrough(protection.gate, id, address, 1, write);
      return at < 0 ? undefined : at;
    },
    pinned: (page: number) => pages.count(pageNumber(page)),
    tablesOf: (context: ContextId) => {
      const space = protection.ports.get(context)?.space;
      if (space === undefined) throw new Error('no such port');
      return space.address.tables;
    },
    details: () => protection.counters().details,
  };
}
