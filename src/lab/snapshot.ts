import type { NicDriver } from '../../guests/nic-driver.js';
import type { Host } from '../../host/host.js';
import type { DescriptorRing } from '../../nic/descriptor-ring.js';
import type { ContextId } from '../../scheduler/branded.js';
import { total } from '../../scheduler/tally.js';
import type { Columns, ShownGuest } from './columns.js';
import type { Latencies, RecentLatencies } from './recent-latencies.js';

/** Indices of a ring, as the card knows them; they run freely modulo 2^32. */
export interface RingState {
  readonly slots: number;
  readonly producer: number;
  readonly requested: number;
  readonly fetched: number;
  readonly taken: number;
  readonly consumer: number;
}

/** A domain at one instant. Counts are since the start of the run. */
export interface DomainState {
  readonly name: string;
  readonly kind: 'hypervisor' | 'driver-domain' | 'guest';
  readonly alive: boolean;
  readonly cpuNs: number;
}

/** A guest's traffic at one instant. */
export interface GuestState {
  readonly column: number;
  readonly context: ContextId;
  readonly weight: number;
  readonly bytesTransmitted: number;
  readonly framesTransmitted: number;
  readonly bytesReceived: number;
  readonly framesReceived: number;
  readonly framesQueued: number;
  readonly drops: number;
  /** Of the last frames, from the driver to the wire; undefined before the first. */
  readonly latencies: Latencies | undefined;
}

/** A context of the card that is in use. */
export interface ContextState {
  readonly context: ContextId;
  readonly column: number;
  readonly state: 'free' | 'allocated' | 'open' | 'faulted';
  readonly faultReason: string;
  readonly transmit: RingState;
  readonly receive: RingState;
}

/** A machine at one instant: all that the picture and the plots need, in numbers. */
export interface Snapshot {
  readonly atNs: number;
  readonly events: number;
  readonly domains: readonly DomainState[];
  readonly guests: readonly GuestState[];
  readonly contexts: readonly ContextState[];
  readonly cores: number;
  readonly setUp: { readonly accepted: number; readonly refused: number };
  readonly access: { readonly checked: number; readonly denied: number; readonly gateNs: number };
  /** What the approach counts, by its own names: `iotlbHits`, `walks`, and so on. */
  readonly details: Readonly<Record<string, number>>;
  readonly pinnedPages: number;
  readonly hypercalls: number;
  readonly physicalInterrupts: number;
  readonly virtualInterrupts: number;
  readonly wireBusyNs: number;
  /** Rate that the wire has now, bits per second. */
  readonly wireRateBps: number;
  readonly framesInside: { readonly transmit: number; readonly receive: number };
  readonly faults: number;
}

/** A guest as a snapshot looks at it. */
export interface CountedGuest extends ShownGuest {
  readonly driver?: NicDriver;
  readonly weight?: number;
}

/**
 * Takes a snapshot. Reads counters and nothing else: the machine is as it was.
 * @param faults what went wrong so far, each thing once
 */
export function snapshotOf(
  host: Host,
  guests: readonly CountedGuest[],
  columns: Columns,
  latencies: RecentLatencies | undefined,
  faults: number,
): Snapshot {
  const states = guests.map(({ domain, port, driver, weight = 1 }) => {
    const traffic = host.trafficOf(port);
    return {
      column: domain.id,
      context: port.context,
      weight: host.nic.contexts[port.context]?.share.weight ?? weight,
      bytesTransmitted: traffic.bytesTransmitted,
      framesTransmitted: traffic.framesTransmitted,
      bytesReceived: traffic.bytesReceived,
      framesReceived: traffic.framesReceived,
      framesQueued: driver?.framesQueued ?? 0,
      drops: total(traffic.drops) + (driver === undefined ? 0 : total(driver.drops)),
      latencies: latencies?.of(port.context),
    };
  });
  return machineSnapshot(host, states, columns, faults);
}

/** A snapshot of a machine whose guests have been counted. */
export function machineSnapshot(
  host: Host,
  guests: readonly GuestState[],
  columns: Columns,
  faults: number,
): Snapshot {
  const { nic, hypervisor, processor, kernel, bus, pages } = host;
  const { accepted, refused, checked, details } = host.protection.counters();
  return {
    atNs: kernel.nowNs,
    events: kernel.executed,
    domains: hypervisor.domains.map(({ name, kind, state, account }) => ({
      name,
      kind,
      alive: state === 'running',
      cpuNs: processor.nsOf(account),
    })),
    guests,
    contexts: nic.contexts
      .filter(({ state }) => state !== 'free')
      .map(({ index, state, faultReason, transmit, receive }) => ({
        context: index,
        column: columns.ofContext(index),
        state,
        faultReason,
        transmit: ringState(transmit),
        receive: ringState(receive),
      })),
    cores: processor.cores,
    setUp: { accepted, refused },
    access: { checked, denied: bus.denied, gateNs: bus.gateNs },
    details,
    pinnedPages: pages.pinnedPages,
    hypercalls: hypervisor.hypercalls,
    physicalInterrupts: nic.interruptsRaised,
    virtualInterrupts: hypervisor.virtualInterrupts,
    wireBusyNs: nic.line.busyNs,
    wireRateBps: nic.parameters.rateBps,
    framesInside: nic.framesInside,
    faults,
  };
}

function ringState({ slots, producer, requested, fetched, taken, consumer }: DescriptorRing): RingState {
  return { slots, producer, requested, fetched, taken, consumer };
}
