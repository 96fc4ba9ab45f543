import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { NONE, type Share } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  MinimumGuarantee,
  makeDiscipline,
  PacketRoundRobin,
  TwoLevel,
} from '../../../scheduler/disciplines/index.js';

describe('a minimum before a rate limit', () => {
  /** The first frame goes for the minimum, of 1 byte per 1,000 ns; the second is not due before 1,000,000 ns. */
  const served = (share: Partial<Share>) => {
    const discipline = makeDiscipline('minimum:limited:drr', { linkBps: 1e9 });
    discipline.join(contextId(0), { weight: 1, burstBytes: 0, ...share });
    discipline.activate(contextId(0), 1000, 0);
    if (share.minimumBps !== undefined) {
      expect(discipline.select(0)).toBe(0);
      discipline.served(contextId(0), 1000, 1000, 0);
    }
    expect(discipline.select(0)).toBe(NONE);
    return discipline;
  };

  it.each([
    ['by its minimum', { minimumBps: 8e6, limitBps: 8e3 }, 1_000_000],
    ['by its limit', { minimumBps: 8e6, limitBps: 8e7 }, 100_000],
    ['by its limit alone', { limitBps: 8e7 }, 100_000],
  ])('says when the first frame may go %s', (_name, share, eligibleNs) => {
    const discipline = served(share);
    expect(discipline.nextEligibleNs?.(0)).toBe(eligibleNs);
    expect(discipline.select(eligibleNs - 1)).toBe(NONE);
    expect(discipline.select(eligibleNs)).toBe(0);
  });
});

describe('a context that is due when its frame arrives', () => {
  /** Tenant 0 with contexts 0 and 1, tenant 1 with context 2: a visit is ten frames of 100 bytes. */
  const hierarchy = () => {
    const discipline = new MinimumGuarantee(
      new TwoLevel({
        outer: new DeficitRoundRobin({ quantumBytes: 1000 }),
        makeInner: () => new PacketRoundRobin(),
      }),
    );
    discipline.join(contextId(0), { weight: 1, tenant: 0 });
    discipline.join(contextId(1), { weight: 1, tenant: 0, minimumBps: 8e9 });
    discipline.join(contextId(2), { weight: 1, tenant: 1 });
    return discipline;
  };

  it('is not told to the rule behind, the visit of its tenant goes on', () => {
    const discipline = hierarchy();
    discipline.activate(contextId(0), 100, 0);
    discipline.activate(contextId(2), 100, 0);
    expect(discipline.select(0)).toBe(0);
    // It arrives between the choice and the service, so that the rule behind would choose it next.
    discipline.activate(contextId(1), 100, 0);
    discipline.served(contextId(0), 100, 100, 0);
    expect(discipline.select(0)).toBe(1);
    discipline.served(contextId(1), 100, 0, 0);
    const order: number[] = [];
    for (let frame = 0; frame < 12; frame += 1) {
      const context = discipline.select(0);
      order.push(context);
      discipline.served(context, 100, 100, 0);
      discipline.checkInvariants();
    }
    expect(order).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2]);
  });
});
