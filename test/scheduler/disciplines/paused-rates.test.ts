import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE, type Share } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  MinimumGuarantee,
  TokenBucketLimit,
} from '../../../scheduler/disciplines/index.js';

const [own, other] = [contextId(0), contextId(1)];
/** A byte per microsecond. */
const RATE_BPS = 8e6;

/** A rule before deficit round robin, with one context that it rules and one that it does not. */
function ruled(make: (inner: Discipline) => Discipline, share: Partial<Share>) {
  const drr = new DeficitRoundRobin({ quantumBytes: 1_500 });
  const discipline = make(drr);
  discipline.join(own, { weight: 1, ...share });
  discipline.join(other, { weight: 1 });
  const send = (nowNs: number, context = own, next = 1_000) => {
    expect(discipline.select(nowNs)).toBe(context);
    discipline.served(context, 1_000, next, nowNs);
    discipline.checkInvariants();
  };
  return { drr, discipline, send };
}

// Turner 1986: a context with too few tokens is withheld, as if it were idle.
describe('a context that a token bucket withholds', () => {
  const withheld = () => {
    const link = ruled((inner) => new TokenBucketLimit(inner), { limitBps: RATE_BPS, burstBytes: 1_000 });
    link.discipline.activate(own, 1_000, 0);
    link.send(0);
    expect([link.discipline.select(0), link.discipline.nextEligibleNs?.(0)]).toEqual([NONE, 1_000_000]);
    return link;
  };

  it('and is paused is idle: its time comes without it, and it goes on when it has frames again', () => {
    const { discipline } = withheld();
    discipline.pause?.(own, 0);
    discipline.checkInvariants();
    expect([discipline.nextEligibleNs?.(0), discipline.select(1_000_000)]).toEqual([
      Number.POSITIVE_INFINITY,
      NONE,
    ]);
    discipline.withdraw(own, 1_000_000);
    discipline.activate(own, 1_000, 2_000_000);
    expect(discipline.select(2_000_000)).toBe(own);
    discipline.checkInvariants();
  });

  it.each(['withdraw', 'leave'] as const)('goes with what it had when told to %s', (end) => {
    const { discipline } = withheld();
    discipline[end](own, 0);
    discipline.checkInvariants();
    expect([discipline.nextEligibleNs?.(0), discipline.select(9_000_000)]).toEqual([
      Number.POSITIVE_INFINITY,
      NONE,
    ]);
  });

  it('is released in its turn by any call that knows the time', () => {
    const calls: ((discipline: Discipline) => void)[] = [
      (discipline) => discipline.activate(other, 1_000, 1_000_000),
      (discipline) => discipline.withdraw(other, 1_000_000),
      (discipline) => discipline.pause?.(other, 1_000_000),
    ];
    for (const call of calls) {
      const { discipline } = withheld();
      call(discipline);
      expect(discipline.nextEligibleNs?.(1_000_000)).toBe(Number.POSITIVE_INFINITY);
      expect(discipline.select(1_000_000)).toBe(own);
    }
  });

  it('only after a pause loses what the rule behind had kept for it', () => {
    const paused = (headBytes: number) => {
      const link = ruled((inner) => new TokenBucketLimit(inner), { limitBps: RATE_BPS, burstBytes: 3_000 });
      for (const context of [own, other]) link.discipline.activate(context, 1_000, 0);
      link.send(0);
      link.send(0, other);
      expect(link.discipline.select(0)).toBe(own);
      link.discipline.pause?.(own, 0);
      expect(link.drr.deficitBytes(own)).toBe(500);
      link.discipline.activate(own, headBytes, 0);
      link.discipline.checkInvariants();
      return link;
    };
    const goesOn = paused(2_000);
    expect([goesOn.drr.deficitBytes(own), goesOn.discipline.nextEligibleNs?.(0)]).toEqual([
      500,
      Number.POSITIVE_INFINITY,
    ]);
    const waits = paused(2_001);
    expect([waits.drr.deficitBytes(own), waits.discipline.nextEligibleNs?.(0)]).toEqual([0, 1_000]);
  });
});

// Zhang, SIGCOMM 1990: a context is due when it has received less than its minimum.
describe('a context with a minimum', () => {
  const minimum = () => ruled((inner) => new MinimumGuarantee(inner), { minimumBps: RATE_BPS });

  it('that is due and is paused is idle, and due again with its next frame', () => {
    const { discipline, send } = minimum();
    discipline.activate(own, 1_000, 0);
    discipline.pause?.(own, 0);
    discipline.checkInvariants();
    expect([discipline.select(0), discipline.nextEligibleNs?.(0)]).toEqual([NONE, Number.POSITIVE_INFINITY]);
    discipline.withdraw(own, 0);
    discipline.activate(other, 1_000, 0);
    discipline.activate(own, 1_000, 0);
    send(0);
    send(0, other);
  });

  it.each([
    [500_000, 500, 1_000_000],
    [2_000_000, 0, Number.POSITIVE_INFINITY],
  ])(
    'that is paused until %i ns keeps a deficit of %i bytes behind, and is due at %d ns',
    (resumedNs, deficitBytes, dueNs) => {
      const { discipline, drr, send } = minimum();
      discipline.activate(own, 1_000, 0);
      // By its minimum, of which it has had enough for a millisecond, and then by weight.
      send(0);
      discipline.activate(other, 1_000, 0);
      send(0);
      send(0, other);
      expect([discipline.select(0), discipline.nextEligibleNs?.(0)]).toEqual([own, 1_000_000]);
      discipline.pause?.(own, 0);
      discipline.checkInvariants();
      expect([drr.deficitBytes(own), discipline.nextEligibleNs?.(0)]).toEqual([
        500,
        Number.POSITIVE_INFINITY,
      ]);
      discipline.activate(own, 1_000, resumedNs);
      discipline.checkInvariants();
      expect([drr.deficitBytes(own), discipline.nextEligibleNs?.(resumedNs)]).toEqual([deficitBytes, dueNs]);
    },
  );

  it.each(['withdraw', 'leave'] as const)('goes with what it had when told to %s, due or not', (end) => {
    for (const frames of [0, 1]) {
      const { discipline, send } = minimum();
      discipline.activate(own, 1_000, 0);
      for (let frame = 0; frame < frames; frame += 1) send(0);
      discipline[end](own, 0);
      discipline.checkInvariants();
      expect([discipline.select(9_000_000), discipline.nextEligibleNs?.(0)]).toEqual([
        NONE,
        Number.POSITIVE_INFINITY,
      ]);
    }
  });

  it('becomes due in its turn by any call that knows the time, and goes before the others', () => {
    const calls: ((discipline: Discipline) => void)[] = [
      (discipline) => discipline.activate(other, 1_000, 1_000_000),
      (discipline) => discipline.withdraw(contextId(2), 1_000_000),
      (discipline) => discipline.pause?.(contextId(2), 1_000_000),
    ];
    for (const call of calls) {
      const { discipline, drr, send } = minimum();
      discipline.join(contextId(2), { weight: 1 });
      discipline.activate(own, 1_000, 0);
      send(0);
      call(discipline);
      expect(discipline.nextEligibleNs?.(1_000_000)).toBe(Number.POSITIVE_INFINITY);
      expect(drr.select()).not.toBe(own);
      expect(discipline.select(1_000_000)).toBe(own);
    }
  });

  it('that is served by weight is not due for as long as that frame takes at its minimum, and no longer', () => {
    const { discipline, send } = minimum();
    discipline.activate(own, 1_000, 0);
    send(0);
    // Nobody else waits: frames go by weight, one after another, and save nothing up.
    for (const nowNs of [1_000, 2_000, 3_000]) send(nowNs);
    expect(discipline.nextEligibleNs?.(3_000)).toBe(1_003_000);
  });
});
