import { DRIVER_DROPS } from '../../guests/nic-driver.js';
import type { FaultRecord } from '../../host/hypervisor/hypervisor.js';
import { DROP_REASONS } from '../../nic/counters.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { Machine } from './machine.js';

/** Every frame that was dropped, by the name of the reason; those of the driver and the far end say so. */
export function dropsOf(machine: Machine): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const reason of DROP_REASONS) {
    const count = machine.host.nic.counters.totalDropsFor(reason);
    if (count > 0) drops[reason] = count;
  }
  for (const reason of DRIVER_DROPS) {
    const count = machine.guests.reduce((sum, guest) => sum + guest.driver.drops[reason], 0);
    if (count > 0) drops[`driver-${reason}`] = count;
  }
  for (const [reason, count] of Object.entries(machine.host.protection.intermediary?.drops ?? {})) {
    if (count > 0) drops[`between-${reason}`] = count;
  }
  if (machine.partner.droppedFull > 0) drops['far-end-queue-full'] = machine.partner.droppedFull;
  const { framesNotReflected } = machine.partner;
  if (framesNotReflected > 0) drops['far-end-not-reflected'] = framesNotReflected;
  return drops;
}

/** Faults by reason. */
export function faultsOf(log: readonly FaultRecord[]): Record<string, number> {
  const faults: Record<string, number> = {};
  for (const { reason } of log) tallyIn(faults, reason);
  return faults;
}

/** Only what happened. */
export function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
