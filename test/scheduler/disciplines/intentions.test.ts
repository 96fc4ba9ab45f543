import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { BoundMember, Discipline, Share } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  EarliestDeadlineFirst,
  MinimumGuarantee,
  PacketRoundRobin,
  StartTimeFairQueueing,
  StrictPriority,
  TokenBucketLimit,
  TwoLevel,
  WeightedRoundRobin,
} from '../../../scheduler/disciplines/index.js';
import {
  type Breaker,
  fullShares,
  RelativeFairnessLaw,
  type VirtualLink,
} from '../../../scheduler/laws/index.js';
import { FrameDelays } from './frame-delays.js';
import { type Guarantee, type RandomLinkOptions, watchRandomLinks } from './random-link.js';

const LINK_BPS = 1e9;
const NS_A_BYTE = 8;
const LARGEST = 9018;
const random: RandomLinkOptions = { shares: fullShares, numRuns: 100 };

const fail: Breaker = (law, message) => {
  throw new Error(`${law}: ${message}`);
};

describe('strict priority', () => {
  it('never serves a level while a higher one waits', () => {
    const checks = watchRandomLinks(
      () => new StrictPriority(),
      (shares, link) => {
        const counter: Guarantee & { checks: number } = {
          checks: 0,
          granted: (context) => {
            for (const [other, share] of shares.entries()) {
              const [above, own] = [share.priority ?? 0, shares[context]?.priority ?? 0];
              counter.checks += 1;
              if (above < own && link().isBacklogged(contextId(other)))
                throw new Error(`${context} was served before ${other}`);
            }
          },
        };
        return counter;
      },
      random,
    );
    expect(checks).toBeGreaterThan(5000);
  });

  it('serves equals round-robin', () => {
    const priority = new StrictPriority();
    for (const context of [0, 1]) priority.join(contextId(context), { weight: 1, priority: 5 });
    priority.activate(contextId(0), 60);
    priority.activate(contextId(1), 60);
    const order = [0, 1, 2, 3].map(() => {
      const context = priority.select();
      priority.served(context, 60, 60);
      return context;
    });
    expect(order).toEqual([0, 1, 0, 1]);
  });

  it('refuses a level that does not exist', () => {
    expect(() => new StrictPriority().join(contextId(2), { weight: 1, priority: 32 })).toThrow(
      'priority of context 2 is 32, expected a whole number from 0 to 31',
    );
  });
});

describe('earliest deadline first', () => {
  it('starts every head within max(D_i - D_min, 0) + (sum of L_j + L_max) / r', () => {
    const checks = watchRandomLinks(
      () => new EarliestDeadlineFirst(),
      (shares) => {
        const headSince = shares.map(() => 0);
        const shortest = Math.min(...shares.map((share) => share.deadlineNs ?? Number.POSITIVE_INFINITY));
        const guarantee: Guarantee & { checks: number } = {
          checks: 0,
          arrived: (context, _bytes, first, nowNs) => {
            if (first) headSince[context] = nowNs;
          },
          granted: (context, _bytes, _more, nowNs) => {
            const waited = nowNs - (headSince[context] ?? 0);
            headSince[context] = nowNs;
            const deadline = shares[context]?.deadlineNs;
            if (deadline === undefined) return;
            guarantee.checks += 1;
            const bound = deadline - shortest + (shares.length + 1) * LARGEST * NS_A_BYTE;
            if (waited > bound)
              throw new Error(`a head of context ${context} waited ${waited} ns, the bound is ${bound}`);
          },
        };
        return guarantee;
      },
      random,
    );
    expect(checks).toBeGreaterThan(1000);
  });
});

describe('rounds that count frames', () => {
  it.each<[string, () => Discipline, (weight: number) => number]>([
    ['packet round robin', () => new PacketRoundRobin(), () => 1],
    ['weighted round robin', () => new WeightedRoundRobin(), (weight) => weight],
  ])('%s keeps two backlogged contexts within a frame per unit of weight', (_name, make, weightOf) => {
    const checks = watchRandomLinks(
      make,
      (shares) => {
        // Frames stand for bytes: every frame is reported to the law as one byte.
        const law = new RelativeFairnessLaw(() => 1, fail);
        return {
          get checks() {
            return law.checks;
          },
          joined: (context) => law.joined(context, { weight: weightOf(shares[context]?.weight ?? 1) }),
          arrived: (context, _bytes, first) => law.arrived(context, 1, first),
          granted: (context, _bytes, more, nowNs) => law.granted(context, 1, more, nowNs),
        };
      },
      random,
    );
    expect(checks).toBeGreaterThan(3000);
  });
});

/** The burst of a context that names none: the largest frame with what the wire adds to it. */
const DEFAULT_BURST = 9_018 + 24;

/** Bytes of each context over every interval, against burst + rate * time. */
class Conformance implements Guarantee {
  checks = 0;
  readonly #shares: readonly Share[];
  readonly #grants: { atNs: number; bytes: number }[][];

  constructor(shares: readonly Share[]) {
    this.#shares = shares;
    this.#grants = shares.map(() => []);
  }

  granted(context: number, bytes: number, _more: boolean, nowNs: number): void {
    const { limitBps, burstBytes = DEFAULT_BURST } = this.#shares[context] ?? { weight: 1 };
    const grants = this.#grants[context] ?? [];
    grants.push({ atNs: nowNs, bytes });
    if (limitBps === undefined) return;
    let sum = 0;
    const largest = Math.max(...grants.map((grant) => grant.bytes));
    for (let index = grants.length - 1; index >= 0; index -= 1) {
      const grant = grants[index] ?? { atNs: 0, bytes: 0 };
      sum += grant.bytes;
      this.checks += 1;
      const allowed = Math.max(burstBytes, largest) + (limitBps * (nowNs - grant.atNs)) / 8e9;
      if (sum > allowed + 1e-6) {
        throw new Error(
          `context ${context} got ${sum} bytes in ${nowNs - grant.atNs} ns, its limit allows ${allowed}`,
        );
      }
    }
  }
}

describe('token bucket', () => {
  it('holds every context to burst + rate * time over every interval', () => {
    const checks = watchRandomLinks(
      () => new TokenBucketLimit(new DeficitRoundRobin()),
      (shares) => new Conformance(shares),
      random,
    );
    expect(checks).toBeGreaterThan(5000);
  });

  it('uses the whole rate exactly: 7 frames of 1,000 bytes at 3 Mb/s after a burst of 2', () => {
    const limited = new TokenBucketLimit(new DeficitRoundRobin());
    limited.join(contextId(0), { weight: 1, limitBps: 3_000_000, burstBytes: 2000 });
    limited.activate(contextId(0), 1000, 0);
    const starts: number[] = [];
    let nowNs = 0;
    while (starts.length < 7) {
      if (limited.select(nowNs) !== 0) {
        nowNs = limited.nextEligibleNs(nowNs);
        continue;
      }
      starts.push(nowNs);
      limited.served(contextId(0), 1000, 1000, nowNs);
    }
    // 8,000 bits at 3 Mb/s are 2,666,666 2/3 ns: whole nanoseconds, rounded up, without accumulating the third.
    expect(starts).toEqual([0, 0, 2_666_667, 5_333_334, 8_000_000, 10_666_667, 13_333_334]);
  });

  it('refuses an invalid bucket or rate', () => {
    const limited = () => new TokenBucketLimit(new PacketRoundRobin());
    expect(() => limited().join(contextId(1), { weight: 1, limitBps: 0 })).toThrow(
      'limitBps of context 1 is 0, expected',
    );
    expect(() => limited().join(contextId(1), { weight: 1, burstBytes: -1 })).toThrow(
      'burstBytes of context 1 is -1, expected',
    );
  });
});

describe('minimum guarantee', () => {
  it('gives a backlogged context its minimum, less 2 L_i and the time of one frame of another', () => {
    const checks = watchRandomLinks(
      () => new MinimumGuarantee(new StartTimeFairQueueing()),
      (shares) => {
        const since = shares.map(() => 0);
        const served = shares.map(() => 0);
        const largest = shares.map(() => 0);
        const guarantee: Guarantee & { checks: number } = {
          checks: 0,
          arrived: (context, bytes, first, nowNs) => {
            largest[context] = Math.max(largest[context] ?? 0, bytes);
            if (!first) return;
            since[context] = nowNs;
            served[context] = 0;
          },
          granted: (context, bytes, _more, nowNs) => {
            const { minimumBps } = shares[context] ?? { weight: 1 };
            if (minimumBps !== undefined) {
              guarantee.checks += 1;
              const elapsed = nowNs - (since[context] ?? 0) - LARGEST * NS_A_BYTE;
              const promised = (minimumBps * elapsed) / 8e9 - 2 * (largest[context] ?? 0);
              // Just before the frame is counted the service is smallest.
              if ((served[context] ?? 0) < promised) {
                throw new Error(
                  `context ${context} had ${served[context]} bytes by ${nowNs} ns, promised ${promised}`,
                );
              }
            }
            served[context] = (served[context] ?? 0) + bytes;
          },
        };
        return guarantee;
      },
      random,
    );
    expect(checks).toBeGreaterThan(1000);
  });

  it('is served before weights count: 500 Mb/s of 1 Gb/s for a weight of 1 beside 1000', () => {
    const minimum = new MinimumGuarantee(new DeficitRoundRobin());
    minimum.join(contextId(0), { weight: 1, minimumBps: 500_000_000 });
    minimum.join(contextId(1), { weight: 1000 });
    minimum.activate(contextId(0), 1000, 0);
    minimum.activate(contextId(1), 1000, 0);
    const bytes = [0, 0];
    for (let nowNs = 0; nowNs < 8_000_000; nowNs += 1000 * NS_A_BYTE) {
      const context = minimum.select(nowNs);
      bytes[context] = (bytes[context] ?? 0) + 1000;
      minimum.served(context, 1000, 1000, nowNs);
    }
    expect(bytes[0]).toBeGreaterThanOrEqual(500_000);
    expect(bytes[0]).toBeLessThan(510_000);
  });

  it('does not accumulate an unused minimum', () => {
    const minimum = new MinimumGuarantee(new DeficitRoundRobin());
    minimum.join(contextId(0), { weight: 1, minimumBps: 100_000_000 });
    minimum.join(contextId(1), { weight: 1000 });
    minimum.activate(contextId(1), 1000, 0);
    const served = [0, 0];
    for (let frame = 0; frame < 2000; frame += 1) {
      const nowNs = frame * 1000 * NS_A_BYTE;
      // Idle for the first half, then backlogged.
      if (frame === 1000) minimum.activate(contextId(0), 1000, nowNs);
      const context = minimum.select(nowNs);
      served[context] = (served[context] ?? 0) + 1;
      minimum.served(context, 1000, 1000, nowNs);
    }
    expect(served[0]).toBeGreaterThanOrEqual(100);
    expect(served[0]).toBeLessThanOrEqual(103);
  });
});

describe('two levels', () => {
  it('keep the outer bound between tenants and the inner bound within one', () => {
    const tenantWeights = [1, 3, 2];
    const outerBound = (i: BoundMember, j: BoundMember) =>
      new DeficitRoundRobin().relativeFairnessBoundBytes(i, j);
    const innerBound = (i: BoundMember, j: BoundMember) =>
      new StartTimeFairQueueing().relativeFairnessBoundBytes(i, j);
    const checks = watchRandomLinks(
      () =>
        new TwoLevel({
          outer: new DeficitRoundRobin(),
          makeInner: () => new StartTimeFairQueueing(),
          tenantShare: (tenant) => ({ weight: tenantWeights[tenant] ?? 1 }),
        }),
      (shares, link) => new TenantLaws(shares, tenantWeights, outerBound, innerBound, link),
      random,
    );
    expect(checks).toBeGreaterThan(3000);
  });

  it('announce to the outer discipline the length that is then charged', () => {
    const two = new TwoLevel({ outer: new DeficitRoundRobin(), makeInner: () => new StrictPriority() });
    two.join(contextId(0), { weight: 1, tenant: 0, priority: 7 });
    two.join(contextId(1), { weight: 1, tenant: 0, priority: 0 });
    two.activate(contextId(0), 1514, 0);
    // More urgent, but the tenant has offered its frame already.
    two.activate(contextId(1), 60, 0);
    expect(two.select(0)).toBe(0);
    two.served(contextId(0), 1514, 1514, 0);
    expect(two.select(0)).toBe(1);
    two.checkInvariants();
  });

  it('offer another frame when the offered one is withdrawn', () => {
    const two = new TwoLevel({ outer: new PacketRoundRobin(), makeInner: () => new PacketRoundRobin() });
    two.join(contextId(0), { weight: 1, tenant: 1 });
    two.join(contextId(1), { weight: 1, tenant: 1 });
    two.activate(contextId(0), 60, 0);
    two.activate(contextId(1), 64, 0);
    two.withdraw(contextId(0), 0);
    expect(two.select(0)).toBe(1);
    two.withdraw(contextId(1), 0);
    expect(two.select(0)).toBe(-1);
    two.checkInvariants();
  });
});

/** The gap law twice: over tenants, each the sum of its contexts, and over the contexts of each tenant. */
class TenantLaws implements Guarantee {
  readonly #shares: readonly Share[];
  readonly #outer: RelativeFairnessLaw;
  readonly #inner: RelativeFairnessLaw[];
  readonly #link: () => VirtualLink;

  constructor(
    shares: readonly Share[],
    tenantWeights: readonly number[],
    outerBound: (i: BoundMember, j: BoundMember) => number,
    innerBound: (i: BoundMember, j: BoundMember) => number,
    link: () => VirtualLink,
  ) {
    this.#shares = shares;
    this.#link = link;
    this.#outer = new RelativeFairnessLaw(outerBound, fail);
    this.#inner = tenantWeights.map(() => new RelativeFairnessLaw(innerBound, fail));
    for (const [tenant, weight] of tenantWeights.entries()) this.#outer.joined(contextId(tenant), { weight });
  }

  get checks(): number {
    return this.#inner.reduce((sum, law) => sum + law.checks, this.#outer.checks);
  }

  joined(context: number, share: Share): void {
    this.#inner[this.#tenantOf(context)]?.joined(contextId(context), share);
  }

  arrived(context: number, bytes: number, first: boolean): void {
    const tenant = this.#tenantOf(context);
    const firstOfTenant = first && !this.#othersWait(context);
    this.#outer.arrived(contextId(tenant), bytes, firstOfTenant);
    this.#inner[tenant]?.arrived(contextId(context), bytes, first);
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    const tenant = this.#tenantOf(context);
    this.#outer.granted(contextId(tenant), bytes, more || this.#othersWait(context), nowNs);
    this.#inner[tenant]?.granted(contextId(context), bytes, more, nowNs);
  }

  #tenantOf(context: number): number {
    return this.#shares[context]?.tenant ?? 0;
  }

  #othersWait(context: number): boolean {
    return this.#shares.some(
      (share, other) =>
        other !== context &&
        (share.tenant ?? 0) === this.#tenantOf(context) &&
        this.#link().isBacklogged(contextId(other)),
    );
  }
}

describe('delays', () => {
  it('of packet round robin: a head waits for one frame of each other context and the one in transmission', () => {
    const checks = watchRandomLinks(
      () => new PacketRoundRobin(),
      (shares) => {
        const headSince = shares.map(() => 0);
        const delays: FrameDelays = new FrameDelays(LINK_BPS, (frame) => {
          const since = Math.max(frame.arrivedNs, headSince[frame.context] ?? 0);
          headSince[frame.context] = frame.startedNs;
          if (frame.startedNs - since > shares.length * LARGEST * NS_A_BYTE) {
            throw new Error(`a head of context ${frame.context} waited ${frame.startedNs - since} ns`);
          }
        });
        return delays;
      },
      random,
    );
    expect(checks).toBeGreaterThan(5000);
  });
});
