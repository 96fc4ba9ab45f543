import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { NONE } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  makeDiscipline,
  PacketRoundRobin,
  TwoLevel,
} from '../../../scheduler/disciplines/index.js';
import { playBacklog } from './play.js';

const hierarchy = () =>
  new TwoLevel({
    outer: new DeficitRoundRobin({ quantumBytes: 1000 }),
    makeInner: () => new PacketRoundRobin(),
  });

/** Packet round robin that counts how often it is asked. */
class Counted extends PacketRoundRobin {
  asked = 0;

  override select() {
    this.asked += 1;
    return super.select();
  }
}

describe('a hierarchy of two levels', () => {
  it.each([-1, 1.5, 2 ** 20, Number.NaN])('refuses tenant %d, and the context may join another', (tenant) => {
    const levels = hierarchy();
    expect(() => levels.join(contextId(3), { weight: 1, tenant })).toThrow(
      `drr/prr: tenant of context 3 is ${tenant}, expected a whole number >= 0`,
    );
    levels.join(contextId(3), { weight: 1, tenant: 0 });
    levels.activate(contextId(3), 60, 0);
    expect(levels.select(0)).toBe(3);
  });

  it('has tenants of any number: 63, 64, 65 and 1,000', () => {
    const levels = hierarchy();
    const tenants = [63, 64, 65, 1000];
    for (const [context, tenant] of tenants.entries()) levels.join(contextId(context), { weight: 1, tenant });
    const frames = tenants.map(() => [1000, 1000]);
    expect(playBacklog(levels, frames)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('does not ask a tenant that has no frame', () => {
    const made: Counted[] = [];
    const makeInner = () => {
      const inner = new Counted();
      made.push(inner);
      return inner;
    };
    const levels = new TwoLevel({ outer: new PacketRoundRobin(), makeInner });
    levels.join(contextId(0), { weight: 1, tenant: 0 });
    levels.join(contextId(1), { weight: 1, tenant: 1 });
    expect(playBacklog(levels, [[60, 60], Array.from({ length: 20 }, () => 60)])).toHaveLength(22);
    // The first was made for its name; the others are asked once for each offer.
    expect(made.map(({ asked }) => asked)).toEqual([0, 2, 20]);
  });

  it.each(['withdraw', 'leave', 'pause'] as const)(
    'a tenant whose contexts are all held back waits for the next of them when one is told to %s',
    (end) => {
      const levels = makeDiscipline('drr/(limited:drr)');
      for (const [context, limitBps] of [8e6, 8e5, 8e5].entries()) {
        levels.join(contextId(context), { weight: 1, tenant: 1, limitBps, burstBytes: 100 });
        levels.activate(contextId(context), 100, 0);
      }
      for (const context of [0, 1, 2]) {
        expect(levels.select(0)).toBe(context);
        levels.served(contextId(context), 100, 100, 0);
      }
      // 100 bytes take 100 us of the first, and a millisecond of the others.
      expect([levels.select(0), levels.nextEligibleNs?.(0)]).toEqual([NONE, 100_000]);
      levels[end]?.(contextId(0), 0);
      levels.checkInvariants();
      expect([levels.select(100_000), levels.nextEligibleNs?.(100_000)]).toEqual([NONE, 1_000_000]);
      levels[end]?.(contextId(1), 100_000);
      levels.checkInvariants();
      expect(levels.select(1_000_000)).toBe(2);
      levels.served(contextId(2), 100, 0, 1_000_000);
      expect(levels.nextEligibleNs?.(1_000_000)).toBe(Number.POSITIVE_INFINITY);
      levels.checkInvariants();
    },
  );

  it.each(['withdraw', 'pause'] as const)(
    'a tenant of which nobody is left to be held back is told to %s, and waits for no time',
    (end) => {
      const levels = makeDiscipline('drr/(limited:drr)');
      levels.join(contextId(0), { weight: 1, tenant: 1, limitBps: 8e6, burstBytes: 100 });
      levels.activate(contextId(0), 100, 0);
      levels.select(0);
      levels.served(contextId(0), 100, 100, 0);
      expect(levels.nextEligibleNs?.(0)).toBe(100_000);
      levels[end]?.(contextId(0), 0);
      levels.checkInvariants();
      expect([levels.nextEligibleNs?.(0), levels.select(100_000)]).toEqual([Number.POSITIVE_INFINITY, NONE]);
      levels.activate(contextId(0), 100, 200_000);
      expect(levels.select(200_000)).toBe(0);
    },
  );
});
