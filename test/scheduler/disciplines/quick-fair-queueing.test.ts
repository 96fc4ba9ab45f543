import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import { QuickFairQueueing } from '../../../scheduler/disciplines/index.js';
import { either } from '../../support/whole.js';
import { playBacklog } from './play.js';
import { type Backlog, type Load, playArrivals, playGroups } from './quick-pair.js';

const UNITS_PER_BYTE = 2 ** 16;
/** Frames that are granted, and where every group is looked at after each. */
const GRANTS = either(600, 300);
const CHECKED = either(300, 100);

const weighted = (weights: readonly number[]): Share[] => weights.map((weight) => ({ weight }));
const LOADS: readonly [string, Omit<Load, 'grants'>][] = [
  ['in neighbouring groups', { shares: weighted([1, 1, 2, 2, 3, 4, 5, 7]), load: 130 }],
  ['in neighbouring groups, often idle', { shares: weighted([1, 1, 2, 2, 3, 4, 5, 7]), load: 85 }],
  ['in distant groups', { shares: weighted([1, 2, 9, 17, 65, 300, 300, 5000, 65_536]), load: 120 }],
  ['in distant groups, often idle', { shares: weighted([1, 2, 9, 17, 65, 300, 300, 5000]), load: 80 }],
  ['in one group', { shares: weighted([1, 1, 1, 1, 1]), load: 110 }],
  [
    'that share V so widely that a frame is less than a unit of it',
    { shares: weighted([...Array.from({ length: 70 }, () => 65_536), 1, 2, 300]), load: 110 },
  ],
  [
    'with largest frames of their own',
    {
      shares: [60, 576, 1514, 4000, 9042, 9042].map((maxFrameBytes, i) => ({
        weight: 1 + (i % 3),
        maxFrameBytes,
      })),
      load: 110,
    },
  ],
];

const BACKLOGS: readonly [string, Omit<Backlog, 'grants'>][] = [
  ['of one context each', { shares: weighted([1, 2, 4, 8, 16, 32]), odd: 0, maxFrameBytes: 16_384 }],
  [
    'of one context each, with odd frames',
    { shares: weighted([1, 2, 4, 8, 16, 32]), odd: 20, maxFrameBytes: 16_384 },
  ],
  [
    'of several contexts each, some idle at times',
    {
      shares: weighted([1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8]),
      odd: 5,
      idle: 3,
      maxFrameBytes: 16_384,
    },
  ],
  [
    'of two contexts each, some idle at times',
    { shares: weighted([1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32]), odd: 0, idle: 5, maxFrameBytes: 16_384 },
  ],
  [
    'of contexts with small frames and nearly all the weight',
    {
      shares: [
        { weight: 64, maxFrameBytes: 1024 },
        { weight: 16, maxFrameBytes: 4096 },
        { weight: 4, maxFrameBytes: 1500 },
        { weight: 2 },
        { weight: 1 },
        { weight: 1 },
      ],
      odd: 10,
      idle: 3,
      maxFrameBytes: 16_384,
    },
  ],
];

describe('groups that block those below them', () => {
  it.each(BACKLOGS)('%s, are served by the published rule', (_name, backlog) => {
    expect(playGroups({ ...backlog, grants: GRANTS }).grants).toBe(GRANTS);
  });

  it.each(BACKLOGS)('%s, are each in the set in which the rule has it', (_name, backlog) => {
    expect(playGroups({ ...backlog, grants: CHECKED, isChecked: true }).grants).toBe(CHECKED);
  });
});

describe('quick fair queueing serves by the published rule contexts', () => {
  it.each(LOADS)('%s', (_name, load) => {
    expect(playArrivals({ ...load, grants: GRANTS }).grants).toBeGreaterThanOrEqual(GRANTS);
  });

  it.each(LOADS)('%s, with frames that arrive between selection and service', (_name, load) => {
    expect(playArrivals({ ...load, grants: GRANTS, reentry: true }).grants).toBeGreaterThanOrEqual(GRANTS);
  });

  it.each(LOADS)('%s, and every group is in the set in which the rule has it', (_name, load) => {
    expect(
      playArrivals({ ...load, grants: CHECKED, reentry: true, isChecked: true }).grants,
    ).toBeGreaterThanOrEqual(CHECKED);
  });
});

describe('quick fair queueing', () => {
  it('lowers its clock and its groups together: the published rule, which lowers nothing, has the same order', () => {
    // 31 groups of 32 slots reach 2^35 units, and V passes 2^36 after a million bytes of weight 1.
    const backlog = { shares: weighted([1, 1, 1, 2]), odd: 5, idle: 3, maxFrameBytes: 16_384, grants: 600 };
    const { qfq } = playGroups({ ...backlog, rebaseAboveUnits: 2 ** 36, isChecked: true });
    const { qfq: twin } = playGroups(backlog);
    const clock = (of: QuickFairQueueing) => of.tagsOf(contextId(0)).clock;
    expect(clock(qfq)).toBeLessThan(2 ** 37);
    expect(clock(twin) - clock(qfq)).toBeGreaterThanOrEqual(2 * 2 ** 35);
    expect(Math.round(clock(twin) - clock(qfq)) % 2 ** 35).toBe(0);
  });

  it('restarts at V what arrived after a selection for which V jumps', () => {
    const qfq = new QuickFairQueueing({ maxFrameBytes: 1024 });
    for (const context of [0, 1]) qfq.join(contextId(context), { weight: 1 });
    qfq.activate(contextId(0), 1024);
    expect(qfq.select()).toBe(0);
    qfq.served(contextId(0), 1024, 1024);
    // V has advanced by 1024/2; context 0 starts at 1024, which V has not reached. V jumps there with the service.
    expect(inBytes(qfq, 0)).toEqual({ start: 1024, finish: 2048, clock: 512 });
    expect(qfq.select()).toBe(0);
    qfq.activate(contextId(1), 100);
    expect(inBytes(qfq, 1)).toEqual({ start: 512, finish: 612, clock: 512 });
    qfq.served(contextId(0), 1024, 1024);
    expect(inBytes(qfq, 1)).toEqual({ start: 1024, finish: 1124, clock: 1536 });
    expect(inBytes(qfq, 0)).toEqual({ start: 2048, finish: 3072, clock: 1536 });
    expect(qfq.select()).toBe(1);
    qfq.checkInvariants();
  });

  it('starts a context that joins again with smaller slots no further ahead than one of them', () => {
    const qfq = new QuickFairQueueing();
    for (const context of [0, 1]) qfq.join(contextId(context), { weight: 1 });
    qfq.activate(contextId(0), 9042);
    qfq.served(qfq.select(), 9042, 0);
    expect(inBytes(qfq, 0)).toEqual({ start: 0, finish: 9042, clock: 4521 });
    qfq.leave(contextId(0));
    qfq.join(contextId(0), { weight: 1, maxFrameBytes: 1000 });
    qfq.activate(contextId(0), 60);
    // V is in the slot from 4 * 1024 on.
    expect(inBytes(qfq, 0)).toEqual({ start: 5120, finish: 5180, clock: 4521 });
  });

  // sch_qfq does likewise: a class with a packet longer than its lmax moves to the aggregate of longer ones.
  it.each(['at the head of an idle queue', 'behind a frame that is served'])(
    'takes a context with a longer frame than it declares, %s, for one that declares none',
    (where) => {
      const [qfq, undeclared] = [new QuickFairQueueing(), new QuickFairQueueing()];
      for (const discipline of [qfq, undeclared]) {
        const declares = discipline === qfq ? { maxFrameBytes: 600 } : {};
        discipline.join(contextId(0), { weight: 1, ...declares });
        for (const context of [1, 2]) discipline.join(contextId(context), { weight: 1 + 2 * context });
      }
      const queues = [
        [600, 9_000, 600, 600],
        Array.from({ length: 40 }, () => 1_500),
        [60, 9_042, 60, 9_042],
      ];
      if (where === 'at the head of an idle queue') queues[0]?.shift();
      const orders = [qfq, undeclared].map((discipline) => playBacklog(discipline, queues));
      expect(orders[0]).toHaveLength(queues.flat().length);
      // From the long frame on: before it, the slots of the one that declares are smaller.
      const isSame = where === 'at the head of an idle queue';
      if (isSame) expect(orders[0]).toEqual(orders[1]);
      expect(orders.map((order) => order.filter((context) => context === 0).length)).toEqual([
        queues[0]?.length,
        queues[0]?.length,
      ]);
    },
  );

  it('takes a declared largest frame for the slot of a context, from a sixteenth of the largest of all on', () => {
    const qfq = new QuickFairQueueing();
    expect(qfq.sigmaBytes(1)).toBe(16_384);
    expect(qfq.sigmaBytes(1, 1514)).toBe(2048);
    expect(qfq.sigmaBytes(3, 1514)).toBe(512);
    // 9042 / 16 is 565.1.
    expect(qfq.sigmaBytes(1, 565)).toBe(1024);
    expect(qfq.sigmaBytes(1, 60)).toBe(1024);
    expect(qfq.sigmaBytes(1, 20_000)).toBe(16_384);
    const small = { weight: 1, maxFrameBytes: 1514, declaredMaxFrameBytes: 1514 };
    expect(qfq.relativeFairnessBoundBytes(small, small)).toBe(4 * (2048 + 2048) + 9042);
  });
});

function inBytes(qfq: QuickFairQueueing, context: number): { start: number; finish: number; clock: number } {
  const { start, finish, clock } = qfq.tagsOf(contextId(context));
  return { start: start / UNITS_PER_BYTE, finish: finish / UNITS_PER_BYTE, clock: clock / UNITS_PER_BYTE };
}
