import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { checkScenario } from '../../src/scenario/load.js';
import { anyApproach, type Plan } from '../arbitraries/scenarios.js';
import { either } from '../support/whole.js';
import { LawBook } from './law-book.js';
import { LawMachine } from './law-machine.js';

const laws = new LawBook('fairness');
const GUEST_MAC = 0x020000000001;
const FIFO_BYTES = 9018;
/** Preamble and delimiter 8, FCS 4, gap 12 (IEEE 802.3). */
const WIRE_OVERHEAD_BYTES = 24;
const onWire = (bytes: number) => Math.max(60, bytes) + WIRE_OVERHEAD_BYTES;

interface Sender {
  readonly weight: number;
  readonly frameBytes: number;
}

interface FairnessTrial {
  readonly senders: readonly Sender[];
  readonly quantumBytes: number;
  readonly discipline: string;
  readonly approach: Plan['approach'];
  readonly seed: number;
}

/** Frames of 60 bytes against 9,018, weights that are coprime and nearly equal, quanta below and above a frame. */
const contests = (discipline: fc.Arbitrary<string>, maxGuests = 12): fc.Arbitrary<FairnessTrial> =>
  fc.record({
    senders: fc.array(
      fc.record({
        weight: fc.oneof(fc.constantFrom(1, 2, 3, 7, 8, 13, 31, 32), fc.integer({ min: 1, max: 9 })),
        frameBytes: fc.oneof(fc.constantFrom(60, 64, 1514, 9018), fc.integer({ min: 14, max: 9018 })),
      }),
      { minLength: 2, maxLength: maxGuests },
    ),
    quantumBytes: fc.oneof(fc.constantFrom(500, 1514, 9018), fc.integer({ min: 200, max: 3_000 })),
    discipline,
    approach: anyApproach,
    seed: fc.nat(),
  });

/** Greedy guests whose rings never run dry: the CPU is no bottleneck, rings are deep, the wire is the only thing to share. */
function planOf({ senders, quantumBytes, discipline, approach, seed }: FairnessTrial): Plan {
  return {
    scenario: checkScenario({
      guests: senders.map(({ weight, frameBytes }) => ({
        weight,
        memoryMegabytes: 4,
        traffic: { kind: 'greedy', frameBytes },
        transmitSlots: 512,
        receiveSlots: 8,
        coalesceFrames: 4,
        coalesceNs: 2_000,
        // Interrupts of one guest must not hold up another.
        core: 1 + (weight % 3),
      })),
      nic: { transmitFifoBytes: FIFO_BYTES, descriptorCacheSlots: 512, descriptorBatch: 64, rateBps: 1e9 },
      host: { cores: 4, hertz: 1e11, memoryMegabytes: 192 },
      quantumBytes,
    }),
    approach,
    discipline,
    seed,
    durationNs: 0,
  };
}

/** A stretch of the wire: whose frames, of how many bytes, in order. */
interface Stretch {
  readonly sender: number;
  readonly bytes: number;
}

/**
 * Runs until `wireBytes` have left while every guest had a frame waiting on the card. What was granted before
 * the last of them came lies in the transmit FIFO, so as many bytes are let pass first.
 */
function contested(contest: FairnessTrial, wireBytes: number): { frames: Stretch[]; always: boolean } {
  const law = new LawMachine(planOf(contest));
  const { machine } = law;
  const { nic } = machine.host;
  const waiting = () =>
    machine.guests.every(({ port }) => (nic.contexts[port.context]?.transmit.headChain() ?? 0) > 0);
  const frames: Stretch[] = [];
  let passed = 0;
  let all = false;
  let always = true;
  law.onWire = (source, bytes) => {
    if (!all) {
      all = waiting();
      return;
    }
    always &&= waiting();
    passed += bytes;
    if (passed > FIFO_BYTES) frames.push({ sender: source - GUEST_MAC, bytes: bytes + WIRE_OVERHEAD_BYTES });
  };
  const limitNs = 50_000_000;
  while (machine.kernel.nowNs < limitNs && passed < FIFO_BYTES + wireBytes && always) {
    machine.run(machine.kernel.nowNs + 100_000);
  }
  return { frames, always: always && all };
}

/** Largest |S_i/w_i - S_j/w_j| over every interval of the stretch: the spread of the running difference. */
function largestGap(frames: readonly Stretch[], senders: readonly Sender[], i: number, j: number): number {
  const wi = senders[i]?.weight ?? 1;
  const wj = senders[j]?.weight ?? 1;
  let difference = 0;
  let low = 0;
  let high = 0;
  for (const { sender, bytes } of frames) {
    if (sender === i) difference += bytes / wi;
    else if (sender === j) difference -= bytes / wj;
    low = Math.min(low, difference);
    high = Math.max(high, difference);
  }
  return high - low;
}

function eachPair(count: number, look: (i: number, j: number) => void): void {
  for (let i = 0; i < count; i += 1) for (let j = i + 1; j < count; j += 1) look(i, j);
}

describe('law 7: a bound is a test, on the bytes that leave the port', () => {
  laws.law(
    'drr: no two guests are ever further apart than a quantum and a frame each',
    contests(fc.constant('drr')),
    30,
    (contest, substance) => {
      const { senders, quantumBytes } = contest;
      const round = senders.reduce((sum, { weight }) => sum + weight * quantumBytes, 0);
      const { frames, always } = contested(contest, Math.min(2 * round, either(500_000, 250_000)));
      if (!always || new Set(frames.map(({ sender }) => sender)).size < 2) return;
      substance();
      eachPair(senders.length, (i, j) => {
        const [one, other] = [senders[i], senders[j]];
        if (one === undefined || other === undefined) return;
        // Shreedhar and Varghese, theorem 4.2, with the deficit below the head that it could not cover.
        const bound =
          quantumBytes +
          (onWire(one.frameBytes) - 1) / one.weight +
          (onWire(other.frameBytes) - 1) / other.weight;
        expect(largestGap(frames, senders, i, j), `guests ${i} and ${j}`).toBeLessThanOrEqual(bound + 1e-6);
      });
    },
  );

  const bounded = ['drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq'];
  laws.law(
    'every discipline that promises a bound keeps it',
    contests(fc.constantFrom(...bounded), 8),
    30,
    (contest, substance) => {
      const { senders, quantumBytes, discipline } = contest;
      const { frames, always } = contested(contest, either(300_000, 150_000));
      if (!always || new Set(frames.map(({ sender }) => sender)).size < 2) return;
      substance();
      const promise = makeDiscipline(discipline, { quantumBytes, linkBps: 1e9 });
      for (const [context, { weight }] of senders.entries()) promise.join(contextId(context), { weight });
      eachPair(senders.length, (i, j) => {
        const [one, other] = [senders[i], senders[j]];
        if (one === undefined || other === undefined) return;
        const bound = promise.relativeFairnessBoundBytes(
          { weight: one.weight, maxFrameBytes: onWire(one.frameBytes) },
          { weight: other.weight, maxFrameBytes: onWire(other.frameBytes) },
        );
        expect(Number.isFinite(bound)).toBe(true);
        expect(largestGap(frames, senders, i, j), `guests ${i} and ${j}`).toBeLessThanOrEqual(bound + 1e-6);
      });
    },
  );

  test('the same measure tells a discipline without a bound: one that drains a ring starves the rest', () => {
    const contest: FairnessTrial = {
      senders: [
        { weight: 1, frameBytes: 1514 },
        { weight: 1, frameBytes: 1514 },
      ],
      quantumBytes: 1514,
      discipline: 'fifo',
      approach: fc.sample(anyApproach, { numRuns: 1, seed: 1 })[0] as Plan['approach'],
      seed: 1,
    };
    const { frames } = contested(contest, 300_000);
    expect(largestGap(frames, contest.senders, 0, 1)).toBeGreaterThan(250_000);
  });

  laws.close();
});
