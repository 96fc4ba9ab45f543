import fc from 'fast-check';
import { expect } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import {
  type BacklogWatch,
  type CapturedPass,
  type LabPlan,
  pairGaps,
  WIRE_OVERHEAD_BYTES,
} from './nic-fairness-lab.js';

/** Those that promise a bound on any link. `wfq` promises its own on a link of the rate that it was told. */
export const BOUNDED = ['drr', 'srr', 'sfq', 'scfq', 'wf2q+', 'qfq'] as const;
export const PROTECTIONS = ['cdna', 'iommu:single-use'] as const;
/** As it is captured. */
export const padded = (bytes: number) => Math.max(60, bytes);
/** As it is counted on its way to the wire. */
export const onWire = (bytes: number) => padded(bytes) + WIRE_OVERHEAD_BYTES;

export interface Sender {
  readonly weight: number;
  readonly frameBytes: number;
  /** Sends in bursts, with silences between; or always. */
  readonly bursts: boolean;
  readonly startNs: number;
}

export interface FairnessTrial {
  readonly senders: readonly Sender[];
  readonly quantumBytes: number;
  /** Transmit FIFO, or receive bytes on their way to memory. */
  readonly creditBytes: number;
  readonly discipline: string;
  readonly protection: string;
  readonly seed: number;
}

export const sender = fc.record({
  weight: fc.oneof(fc.constantFrom(1, 7, 8, 13, 31, 32, 1000), fc.integer({ min: 1, max: 9 })),
  frameBytes: fc.oneof(fc.constantFrom(60, 1514, 9018), fc.integer({ min: 14, max: 9018 })),
  bursts: fc.boolean(),
  startNs: fc.integer({ min: 0, max: 300_000 }),
});

export const contests = (
  least: number,
  most: number,
  disciplines: readonly string[] = BOUNDED,
): fc.Arbitrary<FairnessTrial> =>
  fc.record({
    senders: fc.array(sender, { minLength: least, maxLength: most }),
    quantumBytes: fc.oneof(fc.constantFrom(500, 1514, 9018), fc.integer({ min: 200, max: 3_000 })),
    creditBytes: fc.constantFrom(9018, 16_384, 65_536),
    discipline: fc.constantFrom(...disciplines),
    protection: fc.constantFrom(...PROTECTIONS),
    seed: fc.nat({ max: 2 ** 31 - 1 }),
  });

type Traffic = NonNullable<ScenarioInput['guests'][number]['traffic']>;

function trafficOf({ frameBytes, bursts, startNs }: Sender): Traffic {
  if (!bursts) return { kind: 'greedy', frameBytes, startNs };
  return {
    kind: 'on-off',
    peakWireRateBps: 1e9,
    meanOnNs: 200_000,
    meanOffNs: 100_000,
    frameBytes,
    startNs,
  };
}

/** The card is the bottleneck: rings are deep and the CPU is fast. */
const FAST_HOST = { cores: 4, hertz: 1e11 };

export function transmitPlan(contest: FairnessTrial, durationNs: number): LabPlan {
  const { senders, creditBytes, quantumBytes, discipline, protection, seed } = contest;
  return {
    scenario: {
      guests: senders.map((one) => ({
        weight: one.weight,
        memoryMegabytes: 2,
        traffic: trafficOf(one),
        transmitSlots: 128,
        receiveSlots: 8,
        coalesceFrames: 4,
        coalesceNs: 2_000,
      })),
      nic: {
        transmitFifoBytes: creditBytes,
        descriptorCacheSlots: 64,
        descriptorBatch: 32,
        rateBps: 1e9,
      },
      host: { ...FAST_HOST, memoryMegabytes: 64 + 4 * senders.length },
      quantumBytes,
    },
    protection,
    discipline,
    seed,
    durationNs,
  };
}

/** A slow PCIe link before a fast wire: what is shared is the way to memory. */
export function receivePlan(contest: FairnessTrial, durationNs: number): LabPlan {
  const { senders, creditBytes, quantumBytes, discipline, protection, seed } = contest;
  return {
    scenario: {
      guests: senders.map((one) => ({
        weight: one.weight,
        memoryMegabytes: 2,
        receive: trafficOf(one),
        transmitSlots: 8,
        receiveSlots: 256,
        coalesceFrames: 4,
        coalesceNs: 2_000,
      })),
      nic: {
        rateBps: 1e10,
        receiveDmaBytes: creditBytes,
        descriptorCacheSlots: 64,
        descriptorBatch: 32,
        pcie: { generation: 1, lanes: 1 },
      },
      host: { ...FAST_HOST, memoryMegabytes: 64 + 4 * senders.length },
      quantumBytes,
    },
    protection,
    discipline,
    seed,
    durationNs,
  };
}

/**
 * Frames leave in the order of their grants. Of what leaves while i and j are backlogged, at most the FIFO's credit C was
 * granted before that, so |S_i/w_i - S_j/w_j| <= B_ij + C / min(w_i, w_j). The credit counts frames, the wire 24 bytes
 * more for each: C is the credit times (f + 24) / f, f the smallest frame.
 */
export const transmitAddition = (creditBytes: number, smallest: number, wi: number, wj: number) =>
  (creditBytes * (smallest + WIRE_OVERHEAD_BYTES)) / smallest / Math.min(wi, wj);

/**
 * Frames of different contexts may come to memory in another order than that of their grants. With Q granted and not
 * yet whole, S = G + Q(t1) - Q(t2), and all Q together are at most the credit R: |S_i/w_i - S_j/w_j| <= B_ij + R (1/w_i + 1/w_j).
 */
export const receiveAddition = (creditBytes: number, wi: number, wj: number) =>
  creditBytes / wi + creditBytes / wj;

/** Holds every pair to the bound and the addition; returns the pairs that met in it and the largest fraction that they took. */
export function holdToBound(
  passes: readonly CapturedPass[],
  watch: BacklogWatch,
  countedBytesOf: (context: number) => number,
  addition: (wi: number, wj: number) => number,
): { pairs: number; most: number } {
  let most = 0;
  const gaps = pairGaps(passes, watch);
  for (const { i, j, gapBytes } of gaps) {
    const [one, other] = [i, j].map((context) => ({
      weight: watch.weights.get(contextId(context)) ?? 1,
      maxFrameBytes: countedBytesOf(context),
    })) as [{ weight: number; maxFrameBytes: number }, { weight: number; maxFrameBytes: number }];
    const bound = watch.relativeFairnessBoundBytes(one, other);
    expect(Number.isFinite(bound), `bound of ${watch.name}`).toBe(true);
    const allowed = bound + addition(one.weight, other.weight);
    expect(gapBytes, `contexts ${i} and ${j} under ${watch.name}, bound ${bound}`).toBeLessThanOrEqual(
      allowed * (1 + 1e-9),
    );
    most = Math.max(most, gapBytes / allowed);
  }
  return { pairs: gaps.length, most };
}
