import type { FrontCounters } from '../../guests/virtio/front-counters.js';
import { present } from '../../scheduler/present.js';
import type { DocumentHead } from '../report/json-document.js';
import type { RunFieldsJson } from '../report/run-document.js';
import type { LiveMachine } from './live-machine.js';
import { type MappingCounts, mappingCounts, perFrame } from './mapping-counts.js';

/** What a session tells of a real guest beside what a run tells of any. */
export interface SessionGuest {
  readonly name: string;
  /** At the end of the session. */
  readonly weight: number;
  /** Virtual machines that have attached, and the messages that they sent. */
  readonly attachments: number;
  readonly messages: number;
  /** Time for which the card had a frame of it waiting, ns. */
  readonly backloggedNs: number;
  readonly front: FrontCounters;
  /** By name: of its driver, and of its client. */
  readonly driverFaults: Readonly<Record<string, number>>;
  readonly sessionFaults: Readonly<Record<string, number>>;
}

/** What only a session has. */
export interface SessionJson {
  /** Whether the replay has the fingerprint that was recorded; null where the log ends without one. */
  readonly identical: boolean | null;
  /** Inputs and reads of guests' memory that were replayed. */
  readonly inputs: number;
  readonly reads: number;
  /** What the IOMMU was asked to do for each frame that real guests sent or received; null where none was, or no IOMMU is. */
  readonly mappingsPerFrame: MappingCounts | null;
  /** Real guests. */
  readonly guests: readonly SessionGuest[];
}

/** What `replay --json` prints: what `run --json` prints, and the session; scenarios/replay-document.schema.json is made from this type. */
export interface ReplayDocumentJson extends DocumentHead<'replay'>, RunFieldsJson {
  readonly session: SessionJson;
}

/** What the IOMMU was asked to do per frame, over the whole session. */
export function sessionMappings({ tallies, kernel, host }: LiveMachine): MappingCounts | null {
  const frames = tallies
    .map((tally) => tally.counts(kernel.nowNs))
    .reduce((sum, { framesSent, framesReceived }) => sum + framesSent + framesReceived, 0);
  return perFrame(mappingCounts(host.protection), frames) ?? null;
}

/** What a session tells of its real guests. */
export function sessionGuests({ guests, tallies, kernel }: LiveMachine): SessionGuest[] {
  return guests.map((guest, index) => ({
    name: guest.name,
    weight: guest.device.share.now.weight,
    attachments: guest.attachments,
    messages: guest.messages,
    backloggedNs: present(tallies[index]).counts(kernel.nowNs).backloggedNs,
    front: { ...guest.device.counters },
    driverFaults: { ...guest.device.faults },
    sessionFaults: { ...guest.sessionFaults },
  }));
}
