import { describe, expect, it } from 'vitest';
import { contextId, storedContextId } from '../../../scheduler/branded.js';
import {
  type BoundMember,
  type Discipline,
  NONE,
  type Share,
  STARVED,
} from '../../../scheduler/discipline.js';
import { ContextHeap } from '../../../scheduler/disciplines/context-heap.js';
import { ContextList } from '../../../scheduler/disciplines/context-list.js';
import { FrameStamps } from '../../../scheduler/disciplines/frame-stamps.js';
import {
  DeficitRoundRobin,
  DISCIPLINES,
  EarliestDeadlineFirst,
  makeDiscipline,
  QuickFairQueueing,
  SelfClockedFairQueueing,
  StartTimeFairQueueing,
  StrictPriority,
  SurplusRoundRobin,
  TokenBucketLimit,
  WeightedFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { Roster } from '../../../scheduler/disciplines/roster.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';

const linkBps = 1e9;
const names = [...DISCIPLINES.map(({ name }) => name), 'limited:drr', 'minimum:drr', 'drr/prr'];
const make = (name: string): Discipline => makeDiscipline(name, { linkBps });
const share: Share = { weight: 2 };

/** A frame of `bytes` arrives for a context that has none. */
function activate(discipline: Discipline, context: number, bytes: number): void {
  discipline.arrived?.(contextId(context), bytes, 0);
  discipline.activate(contextId(context), bytes, 0);
}

describe.each(names)('the contract with the driver, %s', (name) => {
  it('a context that takes part cannot join, one that does not cannot send or leave', () => {
    const discipline = make(name);
    discipline.join(contextId(3), share);
    expect(() => discipline.join(contextId(3), share)).toThrow(InvariantViolation);
    expect(() => discipline.activate(contextId(4), 60, 0)).toThrow(InvariantViolation);
    expect(() => discipline.leave(contextId(4), 0)).toThrow(InvariantViolation);
  });

  it('an idle context is not served, nor a frame of another length', () => {
    const discipline = make(name);
    discipline.join(contextId(0), share);
    expect(() => discipline.served(contextId(0), 60, 0, 0)).toThrow(InvariantViolation);
    activate(discipline, 0, 60);
    expect(discipline.select(0)).toBe(0);
    expect(() => discipline.served(contextId(0), 61, 0, 0)).toThrow(InvariantViolation);
  });

  it.each([0, -1, 1.5, Number.NaN])('a frame of %d bytes is refused', (bytes) => {
    const discipline = make(name);
    discipline.join(contextId(0), share);
    expect(() => discipline.activate(contextId(0), bytes, 0)).toThrow();
  });

  it.each([-1, 0.5, 2 ** 20])('context %d is refused by name', (context) => {
    expect(() => make(name).join(storedContextId(context), share)).toThrow(
      `context is ${context}, expected a whole number from 0 to ${2 ** 20 - 1}`,
    );
  });

  it('selects none while none waits, and one that is withdrawn no more', () => {
    const discipline = make(name);
    expect(discipline.select(0)).toBe(NONE);
    discipline.join(contextId(70), share);
    expect(discipline.select(0)).toBe(NONE);
    activate(discipline, 70, 60);
    expect(discipline.select(0)).toBe(70);
    discipline.withdraw(contextId(70), 0);
    discipline.withdraw(contextId(70), 0);
    expect(discipline.select(0)).toBe(NONE);
    discipline.checkInvariants();
  });

  it('one that does not take part has no backlog that could be withdrawn', () => {
    const discipline = make(name);
    discipline.join(contextId(0), share);
    activate(discipline, 0, 60);
    for (const unknown of [1, 5_000]) discipline.withdraw(contextId(unknown), 0);
    expect(discipline.select(0)).toBe(0);
    discipline.checkInvariants();
  });

  it('leaving while backlogged ends the backlog, and the number can join again', () => {
    const discipline = make(name);
    discipline.join(contextId(0), share);
    discipline.join(contextId(1), share);
    activate(discipline, 0, 60);
    activate(discipline, 1, 60);
    discipline.leave(contextId(0), 0);
    expect(discipline.select(0)).toBe(1);
    discipline.served(contextId(1), 60, 0, 0);
    expect(discipline.select(0)).toBe(NONE);
    discipline.join(contextId(0), share);
    activate(discipline, 0, 60);
    expect(discipline.select(0)).toBe(0);
    discipline.checkInvariants();
  });
});

describe('a share that a discipline cannot use is refused by name:', () => {
  it.each(['wrr', 'drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq'])('a weight, %s', (name) => {
    for (const weight of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => make(name).join(contextId(7), { weight })).toThrow(
        `${name}: weight of context 7 is ${weight}, expected a whole number >= 1`,
      );
    make(name).join(contextId(7), { weight: 1 });
  });

  it.each(['sfq', 'scfq', 'wfq', 'wf2q+'])('a sum of weights beyond exact tags, %s', (name) => {
    const discipline = make(name);
    discipline.join(contextId(0), { weight: 2 ** 26 - 1 });
    discipline.join(contextId(1), { weight: 1 });
    expect(() => discipline.join(contextId(2), { weight: 1 })).toThrow(
      `${name}: weight of context 2 is 1, which makes the sum of weights ${2 ** 26 + 1}, expected at most ${2 ** 26}`,
    );
    discipline.leave(contextId(1), 0);
    discipline.join(contextId(2), { weight: 1 });
  });

  it('a weight above 2^16, qfq', () => {
    new QuickFairQueueing().join(contextId(0), { weight: 2 ** 16 });
    expect(() => new QuickFairQueueing().join(contextId(0), { weight: 2 ** 16 + 1 })).toThrow(
      'qfq: weight of context 0 is 65537, expected at most 65536',
    );
  });

  it('a deadline, edf', () => {
    for (const deadlineNs of [0, -1, Number.NaN])
      expect(() => new EarliestDeadlineFirst().join(contextId(2), { weight: 1, deadlineNs })).toThrow(
        `edf: deadlineNs of context 2 is ${deadlineNs}, expected more than 0`,
      );
    new EarliestDeadlineFirst().join(contextId(2), { weight: 1, deadlineNs: 1 });
  });

  it('a priority', () => {
    for (const priority of [-1, 0.5, 32])
      expect(() => new StrictPriority().join(contextId(2), { weight: 1, priority })).toThrow(
        `priority: priority of context 2 is ${priority}, expected a whole number from 0 to 31`,
      );
    new StrictPriority().join(contextId(2), { weight: 1, priority: 31 });
  });

  it('a limit, a bucket or a minimum', () => {
    for (const rate of [0, -1, 0.5, 1e13 + 2]) {
      expect(() => make('limited:drr').join(contextId(1), { weight: 1, limitBps: rate })).toThrow(
        `limitBps of context 1 is ${rate}`,
      );
      expect(() => make('minimum:drr').join(contextId(1), { weight: 1, minimumBps: rate })).toThrow(
        `minimumBps of context 1 is ${rate}`,
      );
    }
    for (const burstBytes of [-1, 0.5, 2 ** 20 + 1])
      expect(() => make('limited:drr').join(contextId(1), { weight: 1, burstBytes })).toThrow(
        `burstBytes of context 1 is ${burstBytes}`,
      );
    make('limited:drr').join(contextId(1), { weight: 1, burstBytes: 2 ** 20, limitBps: 1e13 });
    make('limited:drr').join(contextId(1), { weight: 1, burstBytes: 0, limitBps: 1 });
  });
});

describe('options that a discipline cannot use are refused by name', () => {
  it.each([0, -1, 0.5, 2 ** 26 + 1, Number.NaN])('a quantum of %d', (quantumBytes) => {
    expect(() => new DeficitRoundRobin({ quantumBytes })).toThrow(
      `drr: quantumBytes is ${quantumBytes}, expected`,
    );
    expect(() => new SurplusRoundRobin({ quantumBytes })).toThrow(
      `srr: quantumBytes is ${quantumBytes}, expected`,
    );
  });

  it.each([0, 0.5, 16_385])('a largest frame of %d', (maxFrameBytes) => {
    const makers = [
      () => new WorstCaseFairWeightedFairQueueing({ maxFrameBytes }),
      () => new QuickFairQueueing({ maxFrameBytes }),
      () => new WeightedFairQueueing({ linkBps, maxFrameBytes }),
    ];
    for (const maker of makers) expect(maker).toThrow(`maxFrameBytes is ${maxFrameBytes}, expected`);
    new DeficitRoundRobin({ quantumBytes: 2 ** 26 });
    new QuickFairQueueing({ maxFrameBytes: 16_384 });
  });

  it.each([0, -1, 1e13 + 2, Number.NaN])('a link of %d b/s', (rate) => {
    expect(() => new WeightedFairQueueing({ linkBps: rate })).toThrow(`wfq: linkBps is ${rate}, expected`);
  });

  it('a rate that is missing', () => {
    expect(() => makeDiscipline('wfq')).toThrow(ParameterError);
    new WeightedFairQueueing({ linkBps: 1 });
    new WeightedFairQueueing({ linkBps: 1e13 });
  });

  it('a frame beyond the largest, qfq', () => {
    const qfq = new QuickFairQueueing({ maxFrameBytes: 1514 });
    qfq.join(contextId(0), share);
    expect(() => qfq.activate(contextId(0), 1515)).toThrow(
      'qfq: a frame of context 0 has 1515 bytes, expected at most maxFrameBytes = 1514',
    );
    qfq.activate(contextId(0), 1514);
    qfq.select();
    expect(() => qfq.served(contextId(0), 1514, 1515)).toThrow('has 1515 bytes');
  });
});

describe('bounds, by the numbers of docs/scheduling.md', () => {
  const i: BoundMember = { weight: 2, maxFrameBytes: 1514 };
  const j: BoundMember = { weight: 5, maxFrameBytes: 60 };

  it.each(['fifo', 'prr', 'wrr', 'priority', 'edf', 'minimum:drr', 'drr/prr'])('%s states none', (name) => {
    expect(make(name).relativeFairnessBoundBytes(i, j)).toBe(Number.POSITIVE_INFINITY);
  });

  it('quantum + (L_i-1)/w_i + (L_j-1)/w_j', () => {
    for (const discipline of [
      new DeficitRoundRobin({ quantumBytes: 1000 }),
      new SurplusRoundRobin({ quantumBytes: 1000 }),
    ])
      expect(discipline.relativeFairnessBoundBytes(i, j)).toBeCloseTo(1000 + 1513 / 2 + 59 / 5, 9);
  });

  it('L_i/w_i + L_j/w_j', () => {
    for (const discipline of [new StartTimeFairQueueing(), new SelfClockedFairQueueing()])
      expect(discipline.relativeFairnessBoundBytes(i, j)).toBeCloseTo(1514 / 2 + 60 / 5, 9);
  });

  it('2 (L_i/w_i + L_j/w_j + L_max/W), with the largest frame of the link or of the two', () => {
    const bound = (maxFrameBytes: number) =>
      new WorstCaseFairWeightedFairQueueing({ maxFrameBytes }).relativeFairnessBoundBytes(i, j);
    expect(bound(9018)).toBeCloseTo(2 * (1514 / 2 + 60 / 5 + 9018 / 7), 9);
    expect(bound(100)).toBeCloseTo(2 * (1514 / 2 + 60 / 5 + 1514 / 7), 9);
  });

  it('4 (sigma_i + sigma_j) + 2 L_max/W, sigma the power of two of 1/65,536 bytes', () => {
    const qfq = new QuickFairQueueing({ maxFrameBytes: 9018 });
    expect(qfq.sigmaBytes(1)).toBe(16_384);
    expect(qfq.sigmaBytes(2)).toBe(8192);
    expect(qfq.relativeFairnessBoundBytes(i, j)).toBeCloseTo(4 * (8192 + 2048) + (2 * 9018) / 7, 9);
  });

  it('max(C_j + L_max/w_i + L_j/w_j, C_i + L_max/w_j + L_i/w_i), none where the rate varies', () => {
    const wfq = new WeightedFairQueueing({ linkBps, maxFrameBytes: 2000 });
    for (const [context, weight] of [2, 5, 4].entries()) wfq.join(contextId(context), { weight });
    // N = 3: C_i = min(2 * 2000 / 2, 2000 / 2), C_j = min(2 * 2000 / 5, 2000 / 2).
    expect(wfq.relativeFairnessBoundBytes(i, j)).toBeCloseTo(
      Math.max(800 + 2000 / 2 + 60 / 5, 1000 + 2000 / 5 + 1514 / 2),
      9,
    );
    const varies = new WeightedFairQueueing({ linkBps, linkVaries: true });
    expect(varies.relativeFairnessBoundBytes(i, j)).toBe(Number.POSITIVE_INFINITY);
  });

  it.each(names)('%s states the same for i beside j as for j beside i', (name) => {
    const members: BoundMember[] = [
      i,
      j,
      { weight: 1, maxFrameBytes: 9018 },
      { weight: 300, maxFrameBytes: 60, declaredMaxFrameBytes: 1514 },
    ];
    for (const one of members)
      for (const other of members)
        expect(make(name).relativeFairnessBoundBytes(one, other)).toBeCloseTo(
          make(name).relativeFairnessBoundBytes(other, one),
          6,
        );
  });

  it('of the inner discipline until the first limit', () => {
    const limited = new TokenBucketLimit(new DeficitRoundRobin());
    limited.join(contextId(0), share);
    expect(limited.relativeFairnessBoundBytes(i, j)).toBe(
      new DeficitRoundRobin().relativeFairnessBoundBytes(i, j),
    );
    limited.join(contextId(1), { weight: 1, limitBps: 1e6 });
    expect(limited.relativeFairnessBoundBytes(i, j)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the books that disciplines keep', () => {
  it('a roster counts members and those that wait, and knows heads', () => {
    const roster = new Roster('x');
    roster.join(contextId(200));
    roster.join(contextId(1));
    expect([roster.members, roster.backlogged, roster.capacity]).toEqual([2, 0, 256]);
    expect(roster.activate(contextId(200), 60)).toBe(true);
    expect(roster.activate(contextId(200), 64)).toBe(false);
    expect([
      roster.headBytes(contextId(200)),
      roster.headBytes(contextId(1)),
      roster.isBacklogged(contextId(1)),
    ]).toEqual([60, 0, false]);
    expect(roster.served(contextId(200), 60, 64)).toBe(true);
    roster.starve(contextId(200), 64);
    expect([
      roster.isStarved(contextId(200)),
      roster.isBacklogged(contextId(200)),
      roster.backlogged,
    ]).toEqual([true, false, 0]);
    expect(roster.withdraw(contextId(200))).toBe(false);
    expect(() => roster.served(contextId(200), 60, 0)).toThrow('x: context 200 was served, but it is idle');
    roster.leave(contextId(200));
    expect(() => roster.leave(contextId(200))).toThrow('x: context 200 cannot leave, it is not taking part');
    expect([roster.members, roster.isMember(contextId(200)), roster.isMember(contextId(5000))]).toEqual([
      1,
      false,
      false,
    ]);
    roster.checkInvariants();
  });

  it('a heap orders by key, ties by number, whatever is removed or changed', () => {
    const key = new Map<number, number>();
    const heap = new ContextHeap((left, right) => (key.get(left) ?? 0) - (key.get(right) ?? 0));
    const keys = [5, 3, 3, 9, 1, 7, 3, 2, 8, 6];
    for (const [context, value] of keys.entries()) {
      key.set(context + 60, value);
      heap.push(contextId(context + 60));
    }
    expect(() => heap.push(contextId(60))).toThrow(InvariantViolation);
    heap.remove(contextId(60 + 4));
    expect(() => heap.remove(contextId(64))).toThrow(InvariantViolation);
    expect(() => heap.changed(contextId(64))).toThrow(InvariantViolation);
    // Beyond its columns too.
    expect(heap.has(contextId(5000))).toBe(false);
    expect(() => heap.remove(contextId(5000))).toThrow('context 5000 is not in the heap');
    expect(() => heap.changed(contextId(5000))).toThrow('context 5000 is not in the heap');
    key.set(63, 0);
    heap.changed(contextId(63));
    key.set(67, 10);
    heap.changed(contextId(67));
    heap.checkInvariants();
    const order: number[] = [];
    for (let top = heap.top; top !== NONE; top = heap.top) {
      order.push(top - 60);
      heap.remove(top);
    }
    expect(order).toEqual([3, 1, 2, 6, 0, 9, 5, 8, 7]);
    expect([heap.size, heap.has(contextId(60))]).toEqual([0, false]);
  });

  it('a list keeps the order of arrival, and gives up any of its members', () => {
    const list = new ContextList();
    const all = () => {
      const members: number[] = [];
      for (let at = list.front; at !== NONE; at = list.after(at)) members.push(at);
      return members;
    };
    list.rotate();
    for (const context of [1, 100, 2, 3]) list.pushBack(contextId(context));
    expect(() => list.pushBack(contextId(100))).toThrow(InvariantViolation);
    list.pushFront(contextId(9));
    expect(all()).toEqual([9, 1, 100, 2, 3]);
    list.rotate();
    expect(all()).toEqual([1, 100, 2, 3, 9]);
    list.remove(contextId(100));
    list.remove(contextId(1));
    list.remove(contextId(9));
    expect(() => list.remove(contextId(9))).toThrow(InvariantViolation);
    expect(() => list.remove(contextId(5000))).toThrow('context 5000 is not in the list');
    expect([list.has(contextId(5000)), list.after(contextId(5000))]).toEqual([false, NONE]);
    expect([all(), list.size, list.has(contextId(3)), list.has(contextId(9))]).toEqual([
      [2, 3],
      2,
      true,
      false,
    ]);
    list.pushFront(contextId(7));
    list.checkInvariants();
    list.remove(contextId(2));
    list.remove(contextId(7));
    list.rotate();
    expect(all()).toEqual([3]);
    list.remove(contextId(3));
    list.pushFront(contextId(5));
    expect([all(), list.front]).toEqual([[5], 5]);
    list.checkInvariants();
  });

  it('stamps come back in the order of their frames, and their nodes are used again', () => {
    const stamps = new FrameStamps();
    stamps.grow(64);
    for (let frame = 0; frame < 600; frame += 1) stamps.push(contextId(frame % 3), frame, frame / 10);
    for (let frame = 0; frame < 600; frame += 3) {
      expect([stamps.whole(contextId(0)), stamps.part(contextId(0))]).toEqual([frame, frame / 10]);
      stamps.shift(contextId(0));
    }
    expect([stamps.isEmpty(contextId(0)), stamps.isEmpty(contextId(1))]).toEqual([true, false]);
    expect(() => stamps.shift(contextId(0))).toThrow(InvariantViolation);
    stamps.push(contextId(0), 7, 8);
    stamps.clear(contextId(1));
    expect([
      stamps.whole(contextId(0)),
      stamps.part(contextId(0)),
      stamps.isEmpty(contextId(1)),
      stamps.whole(contextId(2)),
    ]).toEqual([7, 8, true, 2]);
  });
});

describe('a served frame out of turn', () => {
  it.each(['wrr', 'drr', 'srr', 'drr/prr'])('is refused, %s', (name) => {
    const discipline = make(name);
    for (const [context, tenant] of [0, 1].entries()) {
      discipline.join(contextId(context), { weight: 1, tenant });
      activate(discipline, context, 60);
    }
    const chosen = discipline.select(0);
    expect(() => discipline.served(contextId(1 - chosen), 60, 0, 0)).toThrow(
      name === 'drr/prr' ? Error : InvariantViolation,
    );
  });

  it('a starved context is no head: it has no length', () => {
    expect(STARVED).toBe(-1);
    expect(() => new DeficitRoundRobin().activate(contextId(0), STARVED)).toThrow();
  });
});
