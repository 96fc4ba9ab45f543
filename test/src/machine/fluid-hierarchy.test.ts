import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gotOfDue } from '../../../src/machine/fair-shares.js';
import { FluidHierarchy } from '../../../src/machine/fluid-hierarchy.js';
import { FluidReference } from '../../../src/machine/fluid-reference.js';
import { simulate } from '../../../src/simulate.js';

/** A byte per nanosecond. */
const LINK_BPS = 8e9;
const plain = (weight: number) => ({ share: { weight } });

describe('a hierarchy of fluid links', () => {
  test('whose queues differ in weight alone serves what one fluid link serves', () => {
    const script = fc.array(
      fc.record({
        afterNs: fc.integer({ min: 0, max: 400 }),
        kind: fc.constantFrom(
          'arrive',
          'arrive',
          'arrive',
          'wants',
          'withdraw',
          'reweigh',
          'rate',
          'pause',
          'resume',
        ),
        member: fc.nat(7),
        bytes: fc.integer({ min: 60, max: 1538 }),
      }),
      { maxLength: 40 },
    );
    const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, script, (shares, steps) => {
        const links = [
          new FluidReference(shares, LINK_BPS),
          new FluidHierarchy(shares.map(plain), [], LINK_BPS),
        ] as const;
        let nowNs = 0;
        for (const { afterNs, kind, member: any, bytes } of steps) {
          const member = any % shares.length;
          nowNs += afterNs;
          for (const link of links) {
            if (kind === 'arrive') link.arrived(member, bytes, nowNs, 5_000);
            else if (kind === 'wants') link.wants(member, nowNs);
            else if (kind === 'withdraw') link.withdraw(member, nowNs);
            else if (kind === 'pause' || kind === 'resume') link[kind](member, nowNs);
            else if (kind === 'rate') link.changeRate(LINK_BPS / (1 + (bytes % 7)), nowNs);
            else link.change(member, { weight: 1 + (bytes % 7) }, nowNs);
            link.checkInvariants();
          }
        }
        for (const link of links) link.advance(nowNs + 700);
        const [one, other] = links.map((link) => link.served());
        for (const [member, bytes] of (one ?? []).entries()) expect(other?.[member]).toBeCloseTo(bytes, 2);
      }),
    );
  });

  /** Bytes that each queue has of 1,000 when all want everything. */
  const dividing = (
    ...args: [
      ConstructorParameters<typeof FluidHierarchy>[0],
      ConstructorParameters<typeof FluidHierarchy>[1],
    ]
  ) => {
    const link = new FluidHierarchy(...args, LINK_BPS);
    for (const member of args[0].keys()) link.wants(member, 0);
    link.advance(1_000);
    link.checkInvariants();
    return Array.from(link.served(), (bytes) => Math.round(bytes * 1e6) / 1e6);
  };

  test('divides by weight at each level: two queues of a tenant share what one queue of another has', () => {
    const tenants = [plain(1), plain(1)];
    const members = [0, 0, 1].map((tenant) => ({ ...plain(1), tenant }));
    expect(dividing(members, tenants)).toEqual([250, 250, 500]);
  });

  test('a tenant without work leaves its part to the others, in proportion to their weights', () => {
    const tenants = [plain(5), plain(3), plain(2)];
    const members = [0, 1, 2].map((tenant) => ({ ...plain(1), tenant }));
    const link = new FluidHierarchy(members, tenants, LINK_BPS);
    for (const member of [1, 2]) link.wants(member, 0);
    link.arrived(0, 100, 0);
    // Half of the link until its 100 bytes have left at 200 ns; then 3 to 2.
    link.advance(1_200);
    expect([...link.served()].map(Math.round)).toEqual([100, 60 + 600, 40 + 400]);
  });

  test('a smaller priority has all that it can use first', () => {
    const members = [
      { share: { weight: 1, priority: 0, limitBps: 2e9 } },
      { share: { weight: 1, priority: 1 } },
      { share: { weight: 3, priority: 1 } },
    ];
    expect(dividing(members, [])).toEqual([250, 187.5, 562.5]);
  });

  test('what a limit holds back is shared by the others; all limited, the link is idle in part', () => {
    const limited = { share: { weight: 1, limitBps: 0.8e9 } };
    expect(dividing([limited, plain(1), plain(2)], [])).toEqual([100, 300, 600]);
    expect(dividing([limited, limited], [])).toEqual([100, 100]);
    // The limit of a tenant is that of its queues together.
    const tenants = [limited, plain(1)];
    expect(
      dividing(
        [0, 0, 1].map((tenant) => ({ ...plain(1), tenant })),
        tenants,
      ),
    ).toEqual([50, 50, 900]);
  });

  test('a minimum is kept from above, and is an addend to nothing when the weight gives more', () => {
    const promised = (minimumBps: number) => ({ share: { weight: 1, minimumBps } });
    expect(dividing([promised(4e9), plain(4), plain(5)], [])).toEqual([500, 222.222222, 277.777778]);
    expect(dividing([promised(0.4e9), plain(4)], [])).toEqual([200, 800]);
  });

  test('a paused queue leaves its part to its tenant first, and a tenant whose queues are all paused to the others', () => {
    const tenants = [plain(1), plain(1)];
    const members = [0, 0, 1].map((tenant) => ({ ...plain(1), tenant }));
    const link = new FluidHierarchy(members, tenants, LINK_BPS);
    for (const member of members.keys()) link.wants(member, 0);
    link.pause(0, 0);
    link.advance(1_000);
    expect([...link.served()]).toEqual([0, 500, 500]);
    link.pause(1, 1_000);
    link.advance(2_000);
    expect([...link.served()]).toEqual([0, 500, 1_500]);
    for (const member of [0, 1]) link.resume(member, 2_000);
    link.advance(3_000);
    expect([...link.served()]).toEqual([250, 750, 2_000]);
  });

  test('a link that gets another rate: limits stay, minimums are kept as long as there is enough, the rest is shared', () => {
    const link = new FluidHierarchy(
      [{ share: { weight: 1, limitBps: 0.8e9 } }, { share: { weight: 1, minimumBps: 1.6e9 } }, plain(3)],
      [],
      LINK_BPS,
    );
    for (const member of [0, 1, 2]) link.wants(member, 0);
    // 100 of 1,000 bytes for the limit, 900 as 1 to 3.
    link.changeRate(4e9, 1_000);
    // Of 500 the minimum takes 200, and the rest is 1 to 3: 75 is below the limit.
    link.changeRate(0.8e9, 2_000);
    // 100 are half of the minimum: it takes everything.
    link.advance(3_000);
    link.checkInvariants();
    expect([...link.served()].map(Math.round)).toEqual([100 + 75, 225 + 200 + 100, 675 + 225]);
  });

  test('a limit that is lifted while the link runs', () => {
    const link = new FluidHierarchy([{ share: { weight: 1, limitBps: 0.8e9 } }, plain(1)], [], LINK_BPS);
    for (const member of [0, 1]) link.wants(member, 0);
    link.change(0, { limitBps: Number.POSITIVE_INFINITY }, 1_000);
    link.advance(2_000);
    expect([...link.served()].map(Math.round)).toEqual([600, 1_400]);
  });
});

describe('in a run each guest is held to the due of its share', () => {
  test.each(['hqos', 'ets'])('%s.json: every guest has within 2 %% of it', async (name) => {
    const { guests } = await simulate(`scenarios/${name}.json`, {
      warmUpNs: 5_000_000,
      durationNs: 40_000_000,
    });
    for (const { name: guest, wireBytesSent, wireBytesDue } of guests) {
      const got = gotOfDue({ sentBytes: wireBytesSent, dueBytes: wireBytesDue });
      expect(Math.abs(got - 1), `${guest}: ${got}`).toBeLessThan(0.02);
    }
  });
});
