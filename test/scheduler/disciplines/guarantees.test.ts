import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  QuickFairQueueing,
  SelfClockedFairQueueing,
  StartTimeFairQueueing,
  WeightedFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { checkDiscipline, VirtualLink, weightedShares } from '../../../scheduler/laws/index.js';
import { WHOLE } from '../../support/whole.js';
import { type FluidFrame, fluidFinishNs } from './fluid.js';
import { FrameDelays } from './frame-delays.js';
import { type Guarantee, watchRandomLinks } from './random-link.js';
import { WorstCaseIndex } from './worst-case-index.js';

// At 1 Gb/s a byte takes 8 ns, and no time has a fraction.
const LINK_BPS = 1e9;
const NS_A_BYTE = 8;
const LARGEST = 9018;

const weightsOf = (shares: readonly Share[]) => shares.map((share) => share.weight);
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

describe('WF2Q+', () => {
  it('keeps the worst-case fair index L_i + (L_max - L_i) w_i/W', () => {
    let ratio = 0;
    const checks = watchRandomLinks(
      () => new WorstCaseFairWeightedFairQueueing(),
      (shares) => {
        const weights = weightsOf(shares);
        const index: WorstCaseIndex = new WorstCaseIndex(weights, (context, own, all) => {
          ratio = Math.max(ratio, index.largestRatio);
          return own + ((all - own) * (weights[context] ?? 0)) / total(weights);
        });
        return index;
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
    expect(ratio).toBeGreaterThan(0.8);
  });

  it('lets every frame leave by Q/r_i + L_i/r_i + (L_max - L_i)/r after its arrival', () => {
    const checks = watchRandomLinks(
      () => new WorstCaseFairWeightedFairQueueing(),
      (shares) => {
        const weights = weightsOf(shares);
        const largest = shares.map(() => 0);
        return new FrameDelays(LINK_BPS, (frame) => {
          const own = Math.max(largest[frame.context] ?? 0, frame.bytes);
          largest[frame.context] = own;
          const nsAByte = (NS_A_BYTE * total(weights)) / (weights[frame.context] ?? 1);
          const bound = (frame.queuedBytes + own) * nsAByte + (LARGEST - own) * NS_A_BYTE;
          if (frame.leftNs - frame.arrivedNs > bound + 1) {
            throw new Error(`frame ${JSON.stringify(frame)} should have left within ${bound} ns`);
          }
        });
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });
});

describe('QFQ', () => {
  it('keeps the worst-case fair index 3 sigma_i w_i + 2 L_max w_i/W', () => {
    const checks = watchRandomLinks(
      () => new QuickFairQueueing(),
      (shares) => {
        const weights = weightsOf(shares);
        const qfq = new QuickFairQueueing();
        return new WorstCaseIndex(weights, (context) => {
          const weight = weights[context] ?? 0;
          return 3 * qfq.sigmaBytes(weight) * weight + (2 * LARGEST * weight) / total(weights);
        });
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });

  it('lets every frame leave by Q/r_i + (3 sigma_i W + 2 L_max)/r after its arrival', () => {
    const qfq = new QuickFairQueueing();
    const checks = watchRandomLinks(
      () => new QuickFairQueueing(),
      (shares) => {
        const weights = weightsOf(shares);
        return new FrameDelays(LINK_BPS, (frame) => {
          const weight = weights[frame.context] ?? 1;
          const bytes =
            (frame.queuedBytes / weight + 3 * qfq.sigmaBytes(weight)) * total(weights) + 2 * LARGEST;
          if (frame.leftNs - frame.arrivedNs > bytes * NS_A_BYTE + 1) {
            throw new Error(`frame ${JSON.stringify(frame)} should have left within ${bytes * NS_A_BYTE} ns`);
          }
        });
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });
});

describe('QFQ with a largest frame per context', () => {
  const context = fc.record({
    weight: fc.constantFrom(1, 2, 3, 7, 50, 1000),
    maxFrameBytes: fc.constantFrom(60, 64, 300, 1514, LARGEST),
  });

  it('keeps the worst-case fair index with sigma_i from the frames of that context', () => {
    let checks = 0;
    let largestRatio = 0;
    fc.assert(
      fc.property(
        fc.array(context, { minLength: 2, maxLength: 6 }),
        fc.array(
          fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 60, max: LARGEST })),
          {
            minLength: 5,
            maxLength: 60,
          },
        ),
        (shares, steps) => {
          const weights = weightsOf(shares);
          const qfq = new QuickFairQueueing();
          const index: WorstCaseIndex = new WorstCaseIndex(weights, (of) => {
            const { weight = 1, maxFrameBytes = LARGEST } = shares[of] ?? {};
            return (
              3 * qfq.sigmaBytes(weight, maxFrameBytes) * weight + (2 * LARGEST * weight) / total(weights)
            );
          });
          const link = new VirtualLink(qfq, { linkBps: LINK_BPS, watchers: [index] });
          for (const [of, share] of shares.entries()) link.join(contextId(of), share);
          for (const [some, count, bytes] of steps) {
            const of = some % shares.length;
            const least = Math.min(bytes, shares[of]?.maxFrameBytes ?? 0);
            for (let frame = 0; frame < count; frame += 1) link.arrive(contextId(of), least);
            for (let frame = 0; frame < count / 2; frame += 1) link.serve();
          }
          while (link.serve());
          checks += index.checks;
          largestRatio = Math.max(largestRatio, index.largestRatio);
        },
      ),
    );
    expect(checks).toBeGreaterThan(5000);
    // Against the bound of a context that may send 9,042 bytes, the same runs come nowhere near it.
    expect(largestRatio).toBeGreaterThan(0.3);
  });

  it('has the smaller bound for a pair that declares small frames', () => {
    const qfq = new QuickFairQueueing();
    const small = { weight: 1, maxFrameBytes: 60, declaredMaxFrameBytes: 64 };
    const any = { weight: 1, maxFrameBytes: 60 };
    // A sixteenth of 9,042 bytes is the least that counts, so sigma is 1,024 bytes instead of 16,384.
    expect(qfq.relativeFairnessBoundBytes(small, small)).toBe(4 * (1_024 + 1_024) + 9_042);
    expect(qfq.relativeFairnessBoundBytes(any, any)).toBe(4 * (16_384 + 16_384) + 9_042);
  });

  it('treats a context with a longer frame as one that declares nothing', () => {
    const report = checkDiscipline(() => new QuickFairQueueing(), {
      shares: (contexts) => fc.array(context, { minLength: contexts, maxLength: contexts }),
      ...(WHOLE ? {} : { numRuns: 25, longRunFrames: 0 }),
    });
    expect(report.gapChecks).toBeGreaterThan(WHOLE ? 1000 : 250);
  });

  it('refuses a largest frame that cannot be', () => {
    for (const maxFrameBytes of [0, 1.5, 16_385])
      expect(() => new QuickFairQueueing().join(contextId(3), { weight: 1, maxFrameBytes })).toThrow(
        `qfq: context 3: maxFrameBytes is ${maxFrameBytes}, expected a whole number from 1 to 16384`,
      );
  });
});

/** Compares departures with those of a fluid system, once the run is over. */
class AgainstFluid implements Guarantee {
  checks = 0;
  readonly #delays = new FrameDelays(LINK_BPS);
  readonly #weights: readonly number[];
  readonly #arrivals: FluidFrame[] = [];

  constructor(weights: readonly number[]) {
    this.#weights = weights;
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    this.#delays.arrived(context, bytes, first, nowNs);
    this.#arrivals.push({ context, bytes, arrivedNs: nowNs });
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    this.#delays.granted(context, bytes, more, nowNs);
  }

  finish(): void {
    const fluid = fluidFinishNs(this.#arrivals, this.#weights, LINK_BPS);
    const largest = Math.max(0, ...this.#arrivals.map((frame) => frame.bytes));
    const left = this.#weights.map((_, context) =>
      this.#delays.frames.filter((frame) => frame.context === context).map((frame) => frame.leftNs),
    );
    for (const [index, frame] of this.#arrivals.entries()) {
      const leftNs = left[frame.context]?.shift() ?? Number.POSITIVE_INFINITY;
      const bound = (fluid[index] ?? 0) + largest * NS_A_BYTE;
      // A tag is rounded when its context becomes active again: 1/256 byte of its own, W/w times that on the link.
      const rounding = (total(this.#weights) / (this.#weights[frame.context] ?? 1)) * (NS_A_BYTE / 256) + 1;
      this.checks += 1;
      if (leftNs > bound + rounding) {
        throw new Error(
          `frame ${index} of context ${frame.context} left at ${leftNs} ns, the bound is ${bound} ns`,
        );
      }
    }
  }
}

describe('WFQ', () => {
  it('lets every frame leave within L_max/r of the fluid system', () => {
    const checks = watchRandomLinks(
      () => new WeightedFairQueueing({ linkBps: LINK_BPS }),
      (shares) => new AgainstFluid(weightsOf(shares)),
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });
});

/** Expected arrival times at a reserved rate: max(arrival, the previous one + its length at the rate). */
class ExpectedArrivals {
  readonly #until: number[] = [];

  of(context: number, bytes: number, arrivedNs: number, nsAByte: number): number {
    const expected = Math.max(arrivedNs, this.#until[context] ?? 0);
    this.#until[context] = expected + bytes * nsAByte;
    return expected;
  }
}

describe('delay at a reserved rate r_i = r w_i/W', () => {
  const cases = [
    {
      name: 'SFQ: expected arrival + (L of all others + l) / r',
      make: () => new StartTimeFairQueueing({ linkBps: LINK_BPS }),
      bound: (contexts: number, bytes: number) => ((contexts - 1) * LARGEST + bytes) * NS_A_BYTE,
    },
    {
      name: 'SCFQ: expected arrival + l/r_i + (N-1) L_max/r',
      make: () => new SelfClockedFairQueueing(),
      bound: (contexts: number, bytes: number, nsAByte: number) =>
        bytes * nsAByte + (contexts - 1) * LARGEST * NS_A_BYTE,
    },
  ];
  it.each(cases)('$name', ({ make, bound }) => {
    const checks = watchRandomLinks(
      make,
      (shares) => {
        const weights = weightsOf(shares);
        const expected = new ExpectedArrivals();
        return new FrameDelays(LINK_BPS, (frame) => {
          const nsAByte = (NS_A_BYTE * total(weights)) / (weights[frame.context] ?? 1);
          const limit =
            expected.of(frame.context, frame.bytes, frame.arrivedNs, nsAByte) +
            bound(weights.length, frame.bytes, nsAByte);
          if (frame.leftNs > limit + nsAByte)
            throw new Error(`frame ${JSON.stringify(frame)} should have left by ${limit}`);
        });
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });
});

/** The latency of a deficit round robin, to the first bit of each frame, from when its context could first be served. */
class DrrLatency implements Guarantee {
  checks = 0;
  readonly #weights: readonly number[];
  readonly #quantum: number;
  readonly #largest: number[];
  readonly #servedSince: number[];
  readonly #busySinceNs: number[];
  #freeAtNs = 0;

  constructor(weights: readonly number[], quantum: number) {
    this.#weights = weights;
    this.#quantum = quantum;
    this.#largest = weights.map(() => 0);
    this.#servedSince = weights.map(() => 0);
    this.#busySinceNs = weights.map(() => 0);
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    this.#largest[context] = Math.max(this.#largest[context] ?? 0, bytes);
    if (!first) return;
    this.#servedSince[context] = 0;
    this.#busySinceNs[context] = Math.max(nowNs, this.#freeAtNs);
  }

  granted(context: number, bytes: number, _more: boolean, nowNs: number): void {
    const quanta = this.#weights.map((weight) => weight * this.#quantum);
    const frame = total(quanta);
    const own = quanta[context] ?? 0;
    const others = total(
      this.#largest.map((largest, other) => (other === context ? 0 : Math.max(0, largest - 1))),
    );
    const latencyBytes = (frame - own) * (1 + ((this.#largest[context] ?? 0) - 1) / own) + others;
    const elapsedBytes = (nowNs - (this.#busySinceNs[context] ?? 0)) / NS_A_BYTE;
    const promised = (own / frame) * (elapsedBytes - latencyBytes);
    this.checks += 1;
    if ((this.#servedSince[context] ?? 0) < promised - 1e-6) {
      throw new Error(
        `context ${context} had ${this.#servedSince[context]} bytes at ${nowNs} ns, promised ${promised}`,
      );
    }
    this.#servedSince[context] = (this.#servedSince[context] ?? 0) + bytes;
    this.#freeAtNs = nowNs + bytes * NS_A_BYTE;
  }
}

describe('DRR', () => {
  it.each([1514, LARGEST])('keeps its latency to the first bit with a quantum of %i', (quantumBytes) => {
    const checks = watchRandomLinks(
      () => new DeficitRoundRobin({ quantumBytes }),
      (shares) => new DrrLatency(weightsOf(shares), quantumBytes),
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(5000);
  });

  it('leaves a deficit of 0 to L_i - 1 bytes after each visit that leaves a backlog', () => {
    let checks = 0;
    const drr: { current: DeficitRoundRobin } = { current: new DeficitRoundRobin() };
    watchRandomLinks(
      () => {
        drr.current = new DeficitRoundRobin();
        return drr.current;
      },
      (shares) => {
        const largest = shares.map(() => 0);
        return {
          checks: 0,
          arrived: (context, bytes) => {
            largest[context] = Math.max(largest[context] ?? 0, bytes);
          },
          granted: (context, _bytes, more) => {
            if (!more || drr.current.select() === context) return;
            const deficit = drr.current.deficitBytes(context);
            checks += 1;
            if (deficit < 0 || deficit > (largest[context] ?? 0) - 1)
              throw new Error(`deficit of ${deficit} bytes`);
          },
        };
      },
      { shares: weightedShares },
    );
    expect(checks).toBeGreaterThan(WHOLE ? 1000 : 250);
  });
});
