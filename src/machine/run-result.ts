import type { LateAccess } from '../../host/balloon/new-owner.js';
import type { DomainKind } from '../../host/hypervisor/domain.js';
import type { FaultRecord } from '../../host/hypervisor/hypervisor.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { FairnessReport } from './fairness-meter.js';
import type { FlowControlResult } from './flow-control.js';
import type { LatencyPoint, LatencySummary } from './latency.js';
import type { LatencyParts } from './latency-parts.js';

/**
 * What became of a capture. `frames` = `ofGuest` + `forGuest` + `bystanders` + `unfit`, unless some were `split`, each
 * into several.
 */
export interface CaptureResult {
  readonly name: string;
  /** Address, in the capture, of the station that played the guest, as 02:00:00:00:00:01. */
  readonly local: string;
  /** Packets of the file that were examined; it may go on behind what the run needed. */
  readonly packets: number;
  /** Those of them that are frames or were made such: the others are of links that are not Ethernet. */
  readonly frames: number;
  /** Frames that the guest sends, and frames for it, in one round of the capture. */
  readonly ofGuest: number;
  readonly forGuest: number;
  /** Frames between other stations: not played. */
  readonly bystanders: number;
  /** Frames that no card carries: not played. */
  readonly unfit: number;
  /** Frames that no card carries and that were cut into such that it can. */
  readonly split: number;
  /** Frames played since the start of the run, of the guest and for it, over all rounds of a loop. */
  readonly played: { readonly ofGuest: number; readonly forGuest: number };
}

/** What one guest had of it. */
export interface GuestResult {
  readonly name: string;
  readonly context: ContextId;
  readonly weight: number;
  readonly framesOffered: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  /** The same in each fiftieth of the run. */
  readonly bytesTransmittedOverTime: readonly number[];
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly transmitGoodputBps: number;
  readonly receiveGoodputBps: number;
  /** When its first and last frame left, and were whole in its memory, ns; undefined when there was none. */
  readonly firstTransmittedNs: number | undefined;
  readonly lastTransmittedNs: number | undefined;
  readonly firstReceivedNs: number | undefined;
  readonly lastReceivedNs: number | undefined;
  readonly latencyNs: LatencySummary | undefined;
  /** Where its frames spent that time: at its driver, in its own ring, and in the card. */
  readonly latencyPartsNs: LatencyParts;
  /** Bytes of the wire (frame, padding, FCS, preamble and gap) that it sent. */
  readonly wireBytesSent: number;
  /** The same that it was due: what a fluid link of the wire's rate serves it that gets the same frames. */
  readonly wireBytesDue: number;
  /** What it sent of what it was due: 1 is all of it; NaN (null in JSON) if it was due nothing. */
  readonly fairShareGot: number;
  readonly cpuNs: number;
  readonly drops: Readonly<Record<string, number>>;
  /** What became of the capture that it replays; undefined when it replays none. */
  readonly capture: CaptureResult | undefined;
  readonly requests: { readonly sent: number; readonly answered: number; readonly lost: number } | undefined;
}

/** Memory that was taken back from guests while the run went on. */
export interface ReclaimResult {
  /** Frames that a guest was asked for; each was reclaimed, is waiting, or was refused. */
  readonly asked: number;
  readonly reclaimed: number;
  readonly waiting: number;
  readonly refused: number;
  /** From the request to the free frame. */
  readonly reclaimNs: LatencySummary | undefined;
  /** Device accesses to pages after they were given to another owner: leaks and corruption. */
  readonly lateReads: number;
  readonly lateWrites: number;
  /** Pages of the new owner whose bytes are not what it wrote. */
  readonly damagedPages: number;
  /** The first thousand late accesses. */
  readonly proofs: readonly LateAccess[];
}

/** An invariant of the whole machine, and whether it held. */
export interface LawResult {
  readonly law: string;
  readonly held: boolean;
  readonly detail: string;
}

/** Everything that a run found. Units are in the names; docs/scenarios.md explains each key. */
export interface RunResult {
  readonly protection: string;
  readonly discipline: string;
  readonly fingerprint: string;
  readonly seed: number;
  /** Virtual time that was measured, ns; counts and rates are of it alone. */
  readonly durationNs: number;
  /** Virtual time before it that ran unmeasured, ns; absent when it was 0. */
  readonly warmUpNs?: number;
  readonly goodputBps: number;
  readonly receiveGoodputBps: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly wireBusyFraction: number;
  /** Over all guests: of guests with different load it is the latency of none, so documents then have no values. */
  readonly latencyNs: {
    readonly transmit: LatencySummary | undefined;
    readonly receive: LatencySummary | undefined;
  };
  /** The distributions behind `latencyNs`; empty where there was no frame. */
  readonly latencyCurves: {
    readonly transmit: readonly LatencyPoint[];
    readonly receive: readonly LatencyPoint[];
  };
  readonly cpu: {
    readonly cores: number;
    readonly idleFraction: number;
    readonly domains: readonly {
      readonly name: string;
      readonly kind: DomainKind;
      readonly busyNs: number;
      readonly fraction: number;
    }[];
  };
  readonly fairness: FairnessReport & { readonly jainIndex: number };
  readonly receiveFairness: FairnessReport;
  readonly hypercalls: number;
  readonly pins: { readonly taken: number; readonly released: number; readonly held: number };
  /** Pages that cannot be given to another owner, over time; and what the balloon did, if there was one. */
  readonly memory: {
    readonly mostPinnedPages: number;
    readonly pinnedPages: readonly { readonly atNs: number; readonly pages: number }[];
    readonly balloon: ReclaimResult | undefined;
  };
  readonly interrupts: { readonly physical: number; readonly virtual: number };
  readonly drops: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly faultLog: readonly FaultRecord[];
  readonly setUpGate: { readonly accepted: number; readonly refused: number };
  readonly accessGate: {
    readonly checked: number;
    readonly denied: number;
    readonly meanDelayNs: number;
  };
  readonly protectionDetails: Readonly<Record<string, number>>;
  readonly dma: { readonly transfers: number; readonly backpressured: number };
  readonly events: number;
  /** Priority flow control, for each traffic class that has it; absent when none has. */
  readonly flowControl?: readonly FlowControlResult[];
  readonly guests: readonly GuestResult[];
  /** Names of guests that their own cores kept below their due; absent when none is known to be. */
  readonly cpuLimited?: readonly string[];
  /** Names of guests that rings too short for the card's FIFO kept below their due; absent when none is known to be. */
  readonly ringLimited?: readonly string[];
  readonly laws: readonly LawResult[];
}
