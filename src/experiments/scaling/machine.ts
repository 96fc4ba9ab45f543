import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { wireBytes } from '../../../guests/traffic/frame-sizes.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import { WIRE_OVERHEAD_BYTES } from '../../../nic/descriptor.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { gotOfDue } from '../../machine/fair-shares.js';
import { FairnessMeter, jainIndex } from '../../machine/fairness-meter.js';
import { FluidReference } from '../../machine/fluid-reference.js';
import type { LatencyRecorder, LatencySummary } from '../../machine/latency.js';
import type { ScenarioInput } from '../../scenario/schema.js';
import { protectionWith } from '../mapping-approaches.js';
import { type SteadyWindow, steadyRun } from '../steady-run.js';
import { WaitMeter } from './wait-meter.js';

export const LINE_BPS = 10e9;
export const FRAME_BYTES = 1514;
/** A full frame on the wire, ns. */
export const FRAME_NS = ((FRAME_BYTES + WIRE_OVERHEAD_BYTES) * 8e9) / LINE_BPS;
export const CORES = 4;
/** Of each ring of each guest: the same however many guests there are, so that nothing else changes. */
export const RING_SLOTS = 16;
/** Rings of 16 need few pages; a guest has no use for more here. */
const GUEST_MEGABYTES = 1;
/** Least contexts of the card; more where there are more guests. */
const LEAST_CONTEXTS = 32;

/** Quiet: so much of the wire each way, of all guests together. */
export const QUIET_BPS = 1e9;
export const QUIET_WARM_UP_NS = 3_000_000;
export const QUIET_WINDOW_NS = 12_000_000;
/** Warm-up: so long, and so many times what all rings together hold. */
const BASE_NS = 3_000_000;
const WARM_UP_LAPS = 1.5;
const WINDOW_LAPS = 1;

/** Virtual time in which the wire carries what the rings of so many guests hold, ns. */
function lapNs(guests: number): number {
  return Math.ceil(guests * RING_SLOTS * FRAME_NS);
}

/** Of the run in which every guest sends what it can, ns. */
export function greedyTimes(guests: number): { readonly warmUpNs: number; readonly windowNs: number } {
  return {
    warmUpNs: BASE_NS + Math.ceil(WARM_UP_LAPS * lapNs(guests)),
    windowNs: BASE_NS + WINDOW_LAPS * lapNs(guests),
  };
}

/** One run in which every guest sends as much as it can. */
export interface GreedySample {
  readonly gbps: number;
  /** Cores at work, by kind of domain. */
  readonly hypervisorCores: number;
  readonly driverDomainCores: number;
  readonly guestCores: number;
  /** From the driver's store to the last bit on the wire, us. */
  readonly waitP50Us: number;
  readonly waitP99Us: number;
  readonly jain: number;
  /** Largest gap between two contexts among the first 64, and the discipline's bound for them, where there are two. */
  readonly gap: { readonly bytes: number; readonly boundBytes: number } | undefined;
  /** Per second. */
  readonly physicalInterrupts: number;
  readonly virtualInterrupts: number;
  readonly hypercallsPerFrame: number;
  /** Where there is an IOMMU. */
  readonly iotlbHitRate: number | undefined;
  /** Likewise: page walks, and what they read of tables and of context entries, per frame that left. */
  readonly walks: { readonly walksPerFrame: number; readonly readsPerFrame: number } | undefined;
}

/** One run in which all guests together use a tenth of the wire each way. */
export interface QuietSample {
  /** From the driver's store to the last bit on the wire, us. */
  readonly sendP50Us: number;
  readonly sendP99Us: number;
  /** From the last bit at the card to the guest's driver handing the frame up, us. */
  readonly receiveP50Us: number;
  readonly receiveP99Us: number;
}

/** What cannot be set up says why. */
export type ScalingSample =
  | { readonly impossible: string }
  | { readonly greedy: GreedySample; readonly quiet: QuietSample };

/** Both runs of one machine with one seed. */
export function sampleMachine(approach: string, guests: number, seed: number): ScalingSample {
  try {
    return {
      greedy: greedySample(protectionWith(approach, seed), guests, seed),
      quiet: quietSample(protectionWith(approach, seed), guests, seed),
    };
  } catch (error) {
    // That a protection has no space for so many guests is a finding; whatever else is refused is a mistake of ours.
    if (error instanceof ParameterError && error.message.includes(NO_ROOM)) {
      return { impossible: error.message };
    }
    throw error;
  }
}

/** What the hypervisor says when contexts are free and the protection has no use for them. */
const NO_ROOM = 'this protection can use none of them';

/** @param protection fresh: it is for this machine alone */
export function greedySample(protection: ProtectionPlan, guests: number, seed: number): GreedySample {
  const random = xoroshiro128plus(seed);
  const meter = new FairnessMeter(makeDiscipline('drr', { linkBps: LINE_BPS }));
  const waits = new WaitMeter();
  const { warmUpNs, windowNs } = greedyTimes(guests);
  // Over a lap, so that rings are not all full at once.
  const startsNs = Array.from({ length: guests }, () => uniformInt(random, 0, lapNs(guests)));
  const window = steadyRun({
    scenario: scenarioOf(guests, (guest) => ({
      traffic: { kind: 'greedy', frameBytes: FRAME_BYTES, startNs: present(startsNs[guest]) },
    })),
    protection,
    seed,
    warmUpNs,
    windowNs,
    transmitDiscipline: meter,
    watch: waits,
  });
  const { largestGapBytes, boundBytes } = meter.report();
  const wait = summaryOf(waits.sent);
  const perSecond = (count: number) => (count * 1e9) / windowNs;
  return {
    gbps: (window.framesTransmitted * FRAME_BYTES * 8) / windowNs,
    hypervisorCores: window.hypervisorNs / windowNs,
    driverDomainCores: window.driverDomainNs / windowNs,
    guestCores: window.guestsNs / windowNs,
    waitP50Us: wait.p50Ns / 1000,
    waitP99Us: wait.p99Ns / 1000,
    jain: jainIndex(gotOfDues(waits.bytesSent(), startsNs, warmUpNs, windowNs)),
    gap: boundBytes === undefined ? undefined : { bytes: largestGapBytes, boundBytes },
    physicalInterrupts: perSecond(window.physicalInterrupts),
    virtualInterrupts: perSecond(window.virtualInterrupts),
    hypercallsPerFrame: window.hypercalls / Math.max(1, window.framesTransmitted),
    iotlbHitRate: hitRate(window),
    walks: walksOf(window),
  };
}

/** What each guest sent of its due: the service of a fluid link on which every guest wants all it can get from its start on. */
function gotOfDues(
  bytesSent: readonly number[],
  startsNs: readonly number[],
  warmUpNs: number,
  windowNs: number,
): number[] {
  const fluid = new FluidReference(
    startsNs.map(() => 1),
    LINE_BPS,
  );
  const order = [...startsNs.keys()].sort((one, other) => present(startsNs[one]) - present(startsNs[other]));
  for (const guest of order) fluid.wants(guest, present(startsNs[guest]));
  fluid.advance(warmUpNs);
  const before = fluid.served();
  fluid.advance(warmUpNs + windowNs);
  const due = fluid.served();
  return bytesSent.map((bytes, guest) =>
    gotOfDue({
      sentBytes: (bytes / FRAME_BYTES) * wireBytes(FRAME_BYTES),
      dueBytes: present(due[guest]) - present(before[guest]),
    }),
  );
}

function quietSample(protection: ProtectionPlan, guests: number, seed: number): QuietSample {
  const poisson = { kind: 'poisson' as const, frameBytes: FRAME_BYTES, wireRateBps: QUIET_BPS / guests };
  const waits = new WaitMeter();
  steadyRun({
    scenario: scenarioOf(guests, () => ({ traffic: rounded(poisson), receive: rounded(poisson) })),
    protection,
    seed,
    warmUpNs: QUIET_WARM_UP_NS,
    windowNs: QUIET_WINDOW_NS,
    watch: waits,
  });
  const send = summaryOf(waits.sent);
  const receive = summaryOf(waits.handedUp);
  return {
    sendP50Us: send.p50Ns / 1000,
    sendP99Us: send.p99Ns / 1000,
    receiveP50Us: receive.p50Ns / 1000,
    receiveP99Us: receive.p99Ns / 1000,
  };
}

type GuestInput = ScenarioInput['guests'][number];

function scenarioOf(guests: number, traffic: (guest: number) => GuestInput): ScenarioInput {
  return {
    guests: Array.from({ length: guests }, (_, guest) => ({
      ...traffic(guest),
      transmitSlots: RING_SLOTS,
      receiveSlots: RING_SLOTS,
      memoryMegabytes: GUEST_MEGABYTES,
    })),
    nic: { rateBps: LINE_BPS, contexts: Math.max(LEAST_CONTEXTS, guests) },
    host: { cores: CORES },
  };
}

function hitRate({ details }: SteadyWindow): number | undefined {
  const { translations, iotlbHits } = details;
  return translations === undefined || translations === 0 ? undefined : present(iotlbHits) / translations;
}

function walksOf({ details, framesTransmitted }: SteadyWindow): GreedySample['walks'] {
  const { walks, tableReads, contextReads } = details;
  if (walks === undefined || framesTransmitted === 0) return undefined;
  return {
    walksPerFrame: walks / framesTransmitted,
    readsPerFrame: (present(tableReads) + present(contextReads)) / framesTransmitted,
  };
}

/** A rate is a whole number of bits per second. */
function rounded<T extends { readonly wireRateBps: number }>(stream: T): T {
  return { ...stream, wireRateBps: Math.round(stream.wireRateBps) };
}

function summaryOf(recorder: LatencyRecorder): LatencySummary {
  const summary = recorder.summary();
  if (summary === undefined) throw new InvariantViolation('no frame was seen in the window');
  return summary;
}
