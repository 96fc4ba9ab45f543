import type { FrontCounters } from '../../guests/virtio/front-counters.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { LatencySummary } from '../machine/latency.js';
import type { DocumentHead } from '../report/json-document.js';
import type { GuestCounts } from './guest-tally.js';
import type { LiveMachine } from './live-machine.js';
import { type MappingCounts, mappingCounts, perFrame } from './mapping-counts.js';

/** What one real guest had of a session. Latency is from the notification that handed a frame over to its last bit. */
export interface SessionGuest extends GuestCounts {
  readonly name: string;
  readonly weight: number;
  readonly attachments: number;
  readonly messages: number;
  readonly latencyNs: LatencySummary | undefined;
  readonly front: FrontCounters;
  /** By name: of its driver, and of its client. */
  readonly driverFaults: Readonly<Record<string, number>>;
  readonly sessionFaults: Readonly<Record<string, number>>;
}

/** What came of a session. */
export interface SessionResult {
  readonly protection: string;
  readonly discipline: string;
  readonly durationNs: number;
  readonly fingerprint: string;
  readonly events: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly guests: readonly SessionGuest[];
  /** CPU time by domain, ns: the hypervisor's is modelled, that of real guests is spent elsewhere. */
  readonly cpuNs: Readonly<Record<string, number>>;
  readonly hypercalls: number;
  readonly interrupts: { readonly physical: number; readonly virtual: number };
  readonly pins: { readonly taken: number; readonly released: number };
  readonly setUpGate: { readonly accepted: number; readonly refused: number };
  readonly accessGate: { readonly checked: number; readonly denied: number };
  readonly protectionDetails: Readonly<Record<string, number>>;
  /** What the IOMMU was asked to do for each frame that real guests sent or received; null where none was, or no IOMMU is. */
  readonly mappingsPerFrame: MappingCounts | null;
  /** Faults in the hypervisor's log, by guest and reason. */
  readonly faults: Readonly<Record<string, number>>;
}

/** What `replay --json` prints; scenarios/replay-document.schema.json is made from this type. */
export interface ReplayDocumentJson extends DocumentHead<'replay'>, SessionResult {
  /** Whether the replay has the fingerprint that was recorded; null where the log ends without one. */
  readonly identical: boolean | null;
  /** Inputs and reads of guests' memory that were replayed. */
  readonly inputs: number;
  readonly reads: number;
}

/** Sums a session up. @param latencyOf latency of each guest's frames, where it was recorded. */
export function sessionResult(
  machine: LiveMachine,
  latencyOf: (guest: number) => LatencySummary | undefined = () => undefined,
): SessionResult {
  const { host, kernel, guests, tallies } = machine;
  const { counters } = host.nic;
  const gates = host.protection.counters();
  const faults: Record<string, number> = {};
  for (const { domain, reason } of host.hypervisor.faultLog) {
    const name = `${domain}: ${reason}`;
    tallyIn(faults, name);
  }
  const frames = tallies
    .map((tally) => tally.counts(kernel.nowNs))
    .reduce((sum, { framesSent, framesReceived }) => sum + framesSent + framesReceived, 0);
  return {
    protection: host.protection.name,
    discipline: machine.backlog.name,
    durationNs: kernel.nowNs,
    fingerprint: machine.fingerprint.toString(),
    events: kernel.executed,
    framesTransmitted: counters.total('framesTransmitted'),
    bytesTransmitted: counters.total('bytesTransmitted'),
    framesReceived: counters.total('framesReceived'),
    bytesReceived: counters.total('bytesReceived'),
    guests: guests.map((guest, index) => ({
      name: guest.name,
      weight: guest.device.weight,
      attachments: guest.attachments,
      messages: guest.messages,
      ...(tallies[index]?.counts(kernel.nowNs) ?? NOTHING),
      latencyNs: latencyOf(index),
      front: { ...guest.device.counters },
      driverFaults: { ...guest.device.faults },
      sessionFaults: { ...guest.sessionFaults },
    })),
    cpuNs: Object.fromEntries(
      host.hypervisor.domains.map(({ name, account }) => [name, Math.round(host.processor.nsOf(account))]),
    ),
    hypercalls: host.hypervisor.hypercalls,
    interrupts: { physical: host.nic.interruptsRaised, virtual: host.hypervisor.virtualInterrupts },
    pins: { taken: host.pages.pinsTaken, released: host.pages.pinsReleased },
    setUpGate: { accepted: gates.accepted, refused: gates.refused },
    accessGate: { checked: gates.checked, denied: gates.denied },
    protectionDetails: gates.details,
    mappingsPerFrame: perFrame(mappingCounts(host.protection), frames) ?? null,
    faults,
  };
}

const NOTHING: GuestCounts = {
  framesSent: 0,
  bytesSent: 0,
  wireBytesSent: 0,
  framesReceived: 0,
  bytesReceived: 0,
  drops: {},
  backloggedNs: 0,
};
