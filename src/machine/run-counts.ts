import { type FlowControlCounts, flowControlCounts } from './flow-control.js';
import type { Machine } from './machine.js';
import { dropsOf, nonZero } from './run-books.js';

/** What one guest had been counted at one moment. */
export interface GuestCounts {
  readonly framesOffered: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly cpuNs: number;
  /** Frames that its driver or the card dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly requests: { readonly sent: number; readonly answered: number; readonly lost: number } | undefined;
}

/** What a machine had counted at one moment. The difference of two of them is what happened in between. */
export interface RunCounts {
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly wireBusyNs: number;
  readonly hypercalls: number;
  readonly pinsTaken: number;
  readonly pinsReleased: number;
  readonly physicalInterrupts: number;
  readonly virtualInterrupts: number;
  readonly buffersAccepted: number;
  readonly buffersRefused: number;
  readonly accessesChecked: number;
  readonly accessesDenied: number;
  /** DMA accesses, and the time that the access gate took for all of them, ns. */
  readonly accesses: number;
  readonly gateNs: number;
  readonly transfers: number;
  readonly backpressured: number;
  readonly events: number;
  readonly faults: number;
  readonly drops: Readonly<Record<string, number>>;
  /** What the protection counts, by its own names. */
  readonly details: Readonly<Record<string, number>>;
  /** Busy time of each core, ns. */
  readonly coreNs: readonly number[];
  /** CPU time of each domain, ns, in the hypervisor's order. */
  readonly domainNs: readonly number[];
  /** For each traffic class with priority flow control. */
  readonly flowControl: readonly FlowControlCounts[];
  readonly guests: readonly GuestCounts[];
}

/** Reads every counter of a machine. */
export function countsOf(machine: Machine): RunCounts {
  const { host } = machine;
  const { counters } = host.nic;
  const gates = host.protection.counters();
  return {
    framesTransmitted: counters.total('framesTransmitted'),
    bytesTransmitted: counters.total('bytesTransmitted'),
    framesReceived: counters.total('framesReceived'),
    bytesReceived: counters.total('bytesReceived'),
    wireBusyNs: host.nic.line.busyNs,
    hypercalls: host.hypervisor.hypercalls,
    pinsTaken: host.pages.pinsTaken,
    pinsReleased: host.pages.pinsReleased,
    physicalInterrupts: host.nic.interruptsRaised,
    virtualInterrupts: host.hypervisor.virtualInterrupts,
    buffersAccepted: gates.accepted,
    buffersRefused: gates.refused,
    accessesChecked: gates.checked,
    accessesDenied: host.bus.denied,
    accesses: host.bus.reads + host.bus.writes,
    gateNs: host.bus.gateNs,
    transfers: host.nic.dma.transfers,
    backpressured: host.nic.dma.backpressured,
    events: machine.kernel.executed,
    faults: host.hypervisor.faultLog.length,
    drops: dropsOf(machine),
    details: gates.details,
    coreNs: Array.from({ length: host.processor.cores }, (_, core) => host.processor.busyNsOf(core)),
    domainNs: host.hypervisor.domains.map(({ account }) => host.processor.nsOf(account)),
    flowControl: flowControlCounts(machine),
    guests: machine.guests.map(({ port, driver, domain, client }) => {
      const traffic = host.trafficOf(port);
      return {
        framesOffered: driver.framesOffered,
        framesTransmitted: traffic.framesTransmitted,
        bytesTransmitted: traffic.bytesTransmitted,
        framesReceived: traffic.framesReceived,
        bytesReceived: traffic.bytesReceived,
        cpuNs: host.processor.nsOf(domain.account),
        drops: { ...traffic.drops, ...nonZero(driver.drops) },
        requests:
          client === undefined
            ? undefined
            : { sent: client.sent, answered: client.answered, lost: client.lost },
      };
    }),
  };
}

/**
 * What happened between two moments: every number of `after` less the one of `before` at the same place. A number
 * that `before` lacks (a domain or a reason that came later) counts from zero.
 */
export function countsBetween(before: RunCounts, after: RunCounts): RunCounts {
  return difference(before, after);
}

function difference<T>(before: unknown, after: T): T {
  if (typeof after === 'number') return (after - (typeof before === 'number' ? before : 0)) as T;
  if (typeof after !== 'object' || after === null) return after;
  const earlier = (before ?? {}) as Readonly<Record<string, unknown>>;
  if (Array.isArray(after)) return after.map((value, index) => difference(earlier[index], value)) as T;
  return Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, difference(earlier[key], value)]),
  ) as T;
}
