import type { FaultRecord } from '../../host/hypervisor/hypervisor.js';
import { cpuUsage } from './cpu-usage.js';
import { gotOfDue, type WireShare } from './fair-shares.js';
import { type FairnessReport, jainIndex } from './fairness-meter.js';
import { flowControlFigures } from './flow-control.js';
import type { LatencyRecorder } from './latency.js';
import type { LatencyPartsRecorder } from './latency-parts.js';
import type { Machine } from './machine.js';
import { faultsOf, nonZero } from './run-books.js';
import type { GuestCounts, RunCounts } from './run-counts.js';
import type { CaptureResult, GuestResult, RunResult } from './run-result.js';
import type { TimeSpan } from './time-span.js';

/** What was measured of a machine in a window, whoever its guests were. */
export interface MeasuredWindow {
  readonly machine: Machine;
  /** The name of the approach that was asked for, which may be built of another. */
  readonly protection: string;
  readonly discipline: string;
  readonly fingerprint: string;
  readonly seed: number;
  readonly durationNs: number;
  /** Virtual time before the window, ns. */
  readonly warmUpNs: number;
  readonly counts: RunCounts;
  readonly shares: readonly WireShare[];
  readonly transmit: FairnessReport;
  readonly receive: FairnessReport;
  readonly transmitLatency: LatencyRecorder;
  readonly receiveLatency: LatencyRecorder;
  readonly pinnedPages: RunResult['memory']['pinnedPages'];
  readonly balloon: RunResult['memory']['balloon'];
  readonly faultLog: readonly FaultRecord[];
}

/** All of a result but what is of its guests, in the order in which documents have it. */
export function windowFigures(
  window: MeasuredWindow,
): Omit<RunResult, 'guests' | 'cpuLimited' | 'ringLimited' | 'laws'> {
  const { machine, counts, durationNs, warmUpNs, pinnedPages, faultLog } = window;
  const { transmit, receive, transmitLatency, receiveLatency } = window;
  const { host } = machine;
  const got = window.shares.map(gotOfDue).filter((part) => !Number.isNaN(part));
  return {
    protection: window.protection,
    discipline: window.discipline,
    fingerprint: window.fingerprint,
    seed: window.seed,
    durationNs,
    ...(warmUpNs === 0 ? {} : { warmUpNs }),
    goodputBps: bpsOf(counts.bytesTransmitted, durationNs),
    receiveGoodputBps: bpsOf(counts.bytesReceived, durationNs),
    framesTransmitted: counts.framesTransmitted,
    bytesTransmitted: counts.bytesTransmitted,
    framesReceived: counts.framesReceived,
    bytesReceived: counts.bytesReceived,
    wireBusyFraction: Math.min(1, counts.wireBusyNs / durationNs),
    latencyNs: { transmit: transmitLatency.summary(), receive: receiveLatency.summary() },
    latencyCurves: { transmit: transmitLatency.curve(), receive: receiveLatency.curve() },
    cpu: cpuUsage(host, counts.domainNs, durationNs),
    fairness: { ...transmit, jainIndex: jainIndex(got) },
    receiveFairness: receive,
    hypercalls: counts.hypercalls,
    pins: { taken: counts.pinsTaken, released: counts.pinsReleased, held: host.pages.pinnedPages },
    memory: {
      mostPinnedPages: pinnedPages.reduce((most, { pages }) => Math.max(most, pages), 0),
      pinnedPages,
      balloon: window.balloon,
    },
    interrupts: { physical: counts.physicalInterrupts, virtual: counts.virtualInterrupts },
    drops: nonZero(counts.drops),
    faults: faultsOf(faultLog),
    faultLog,
    setUpGate: { accepted: counts.buffersAccepted, refused: counts.buffersRefused },
    accessGate: {
      checked: counts.accessesChecked,
      denied: counts.accessesDenied,
      meanDelayNs: counts.gateNs / Math.max(1, counts.accesses),
    },
    protectionDetails: counts.details,
    dma: { transfers: counts.transfers, backpressured: counts.backpressured },
    events: counts.events,
    ...flowControlFigures(machine, counts.flowControl),
  };
}

/** What was measured of one guest. */
export interface MeasuredGuest extends Pick<GuestResult, 'name' | 'context' | 'weight'> {
  /** Under which it is known to the time spans. */
  readonly number: number;
  readonly counts: GuestCounts;
  readonly share: WireShare;
  readonly sentOverTime: readonly number[];
  readonly latency: LatencyRecorder | undefined;
  readonly parts: LatencyPartsRecorder | undefined;
  readonly capture: CaptureResult | undefined;
}

/** What guests have in common as they are measured. */
export interface MeasuredGuests {
  readonly durationNs: number;
  readonly transmitted: TimeSpan;
  readonly received: TimeSpan;
}

/** A guest's part of a result. */
export function guestFigures(
  { durationNs, transmitted, received }: MeasuredGuests,
  { name, context, weight, number, counts, share, sentOverTime, latency, parts, capture }: MeasuredGuest,
): GuestResult {
  return {
    name,
    context,
    weight,
    framesOffered: counts.framesOffered,
    framesTransmitted: counts.framesTransmitted,
    bytesTransmitted: counts.bytesTransmitted,
    bytesTransmittedOverTime: sentOverTime,
    framesReceived: counts.framesReceived,
    bytesReceived: counts.bytesReceived,
    transmitGoodputBps: bpsOf(counts.bytesTransmitted, durationNs),
    receiveGoodputBps: bpsOf(counts.bytesReceived, durationNs),
    firstTransmittedNs: transmitted.firstNs(number),
    lastTransmittedNs: transmitted.lastNs(number),
    firstReceivedNs: received.firstNs(number),
    lastReceivedNs: received.lastNs(number),
    latencyNs: latency?.summary(),
    latencyPartsNs: parts?.summary() ?? { driver: undefined, ring: undefined, card: undefined },
    wireBytesSent: share.sentBytes,
    wireBytesDue: share.dueBytes,
    fairShareGot: gotOfDue(share),
    cpuNs: Math.round(counts.cpuNs),
    drops: nonZero(counts.drops),
    capture,
    requests: counts.requests,
  };
}

/** Bits per second of so many bytes in so long. */
function bpsOf(bytes: number, durationNs: number): number {
  return (bytes * 8e9) / durationNs;
}
