import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  QuickFairQueueing,
  SelfClockedFairQueueing,
  StartTimeFairQueueing,
  WeightedFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { either } from '../../support/whole.js';
import { playBacklog, playGreedy } from './play.js';

/**
 * J. Bennett and H. Zhang, "WF2Q: Worst-case Fair Weighted Fair Queueing", INFOCOM 1996, section III: eleven
 * sessions on a link of rate 1, all frames of length 1. Session 1 is guaranteed half of the link and sends
 * eleven frames back to back at time 0; sessions 2 to 11 have a twentieth each and send one.
 */
function playElevenSessions(discipline: Discipline): number[] {
  discipline.join(contextId(0), { weight: 10 });
  for (let session = 1; session <= 10; session += 1) discipline.join(contextId(session), { weight: 1 });
  return playBacklog(discipline, [Array<number>(11).fill(1000), ...Array.from({ length: 10 }, () => [1000])]);
}

const others = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("the WF2Q paper's eleven sessions", () => {
  it('WFQ sends ten frames of session 1 before any other session, and the eleventh last', () => {
    // GPS finishes the k-th frame of session 1 at 2k, those of the others at 20, the eleventh at 21.
    const order = playElevenSessions(new WeightedFairQueueing({ linkBps: 8e9 }));
    expect(order).toEqual([...Array<number>(10).fill(0), ...others, 0]);
  });

  it('WF2Q+ serves session 1 every other time', () => {
    const order = playElevenSessions(new WorstCaseFairWeightedFairQueueing());
    expect(order).toEqual([...others.flatMap((session) => [0, session]), 0]);
  });

  it('SCFQ sends the others after nine: a finish tag of 1 is reached by the tenth', () => {
    // Finish tags 0.1 to 1.1 for session 1, and 1 for the others; of equal tags the lower number is served first.
    const order = playElevenSessions(new SelfClockedFairQueueing());
    expect(order).toEqual([...Array<number>(10).fill(0), ...others, 0]);
  });

  it('SFQ sends every first frame first', () => {
    // Start tags 0, 0.1, ... for session 1 and 0 for the others.
    const order = playElevenSessions(new StartTimeFairQueueing());
    expect(order).toEqual([0, ...others, ...Array<number>(10).fill(0)]);
  });
});

describe('SFQ at the end of a busy period', () => {
  it.each([
    ['as the last bit leaves: v is the largest finish tag, and both start level', 1000, 0],
    ['one nanosecond before: v is the start of the frame in service, and the other is behind', 999, 1],
  ])('a frame that arrives %s', (_when, atNs, first) => {
    // A byte takes a nanosecond. Of equal start tags the lower number is served first.
    const sfq = new StartTimeFairQueueing({ linkBps: 8e9 });
    sfq.join(contextId(0), { weight: 1 });
    sfq.join(contextId(1), { weight: 1 });
    sfq.activate(contextId(0), 1000, 0);
    sfq.served(contextId(0), 1000, 0, 0);
    sfq.activate(contextId(1), 1000, atNs);
    sfq.activate(contextId(0), 1000, atNs);
    expect(sfq.select()).toBe(first);
  });
});

describe("Linux's sch_drr", () => {
  // `tc class add ... drr quantum` 1514, 3028 and 4542, three flows that are always backlogged, bytes sent by each class
  // over one window, on Debian's 6.1 kernel.
  const measured = [811_718, 1_621_352, 2_430_986] as const;
  // Their greatest common divisor: 1,000 bytes of UDP payload are 1,042 bytes of Ethernet frame.
  const frameBytes = 1042;
  const quantumBytes = 1514;

  it('gave shares within the stated bound', () => {
    const drr = new DeficitRoundRobin({ quantumBytes });
    for (const [i, left] of measured.entries()) {
      for (const [j, right] of measured.entries()) {
        if (i >= j) continue;
        const bound = drr.relativeFairnessBoundBytes(
          { weight: i + 1, maxFrameBytes: frameBytes },
          { weight: j + 1, maxFrameBytes: frameBytes },
        );
        expect(Math.abs(left / (i + 1) - right / (j + 1))).toBeLessThanOrEqual(bound);
      }
    }
  });

  it('gave the same shares as this DRR, to within one visit', () => {
    const drr = new DeficitRoundRobin({ quantumBytes });
    for (const context of [0, 1, 2]) drr.join(contextId(context), { weight: context + 1 });
    const total = measured.reduce((sum, bytes) => sum + bytes, 0);
    const ours = playGreedy(drr, [frameBytes, frameBytes, frameBytes], total);
    for (const [context, bytes] of measured.entries()) {
      expect(Math.abs((ours[context] ?? 0) - bytes)).toBeLessThanOrEqual(
        (context + 1) * quantumBytes + frameBytes,
      );
    }
  });
});

describe('nearly equal weights are distinguished in the long run', () => {
  // 1/1000 and 1/1001 are the same number in 16 bits of fraction; 40 MB show it.
  const disciplines: [string, Discipline][] = [
    ['sfq', new StartTimeFairQueueing()],
    ['scfq', new SelfClockedFairQueueing()],
    ['wfq', new WeightedFairQueueing({ linkBps: 8e9 })],
    ['wf2q+', new WorstCaseFairWeightedFairQueueing()],
    ['qfq', new QuickFairQueueing()],
    ['drr', new DeficitRoundRobin({ quantumBytes: 1 })],
  ];
  it.each(disciplines)('%s', (_name, discipline) => {
    discipline.join(contextId(0), { weight: 1000 });
    discipline.join(contextId(1), { weight: 1001 });
    const [left = 0, right = 0] = playGreedy(discipline, [1514, 1513], 40_000_000);
    const bound = discipline.relativeFairnessBoundBytes(
      { weight: 1000, maxFrameBytes: 1514 },
      { weight: 1001, maxFrameBytes: 1513 },
    );
    expect(Math.abs(left / 1000 - right / 1001)).toBeLessThanOrEqual(bound);
    // The bound is smaller than the error that confusing the weights would cause.
    expect(bound).toBeLessThan(40_000_000 / 2001 - 40_000_000 / 2002 + 200);
  });
});

const CONTEXTS = either(4096, 1024);

describe(`${CONTEXTS} contexts`, () => {
  // Bytes after which each has served all, in the short form: QFQ is the last to come round.
  const disciplines: [string, Discipline, number][] = [
    ['sfq', new StartTimeFairQueueing(), 4_000_000],
    ['wfq', new WeightedFairQueueing({ linkBps: 8e9 }), 4_000_000],
    ['wf2q+', new WorstCaseFairWeightedFairQueueing(), 4_000_000],
    ['qfq', new QuickFairQueueing({ maxFrameBytes: 1514 }), 10_000_000],
    ['drr', new DeficitRoundRobin(), 10_000_000],
  ];
  it.each(disciplines)('%s serves all within its bound', (_name, discipline, shortBytes) => {
    const sizes = Array.from({ length: CONTEXTS }, (_, context) => (context % 2 === 0 ? 1514 : 60));
    for (const context of sizes.keys()) discipline.join(contextId(context), { weight: 1 + (context % 3) });
    const bytes = playGreedy(discipline, sizes, either(60_000_000, shortBytes));
    discipline.checkInvariants();
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const [context, sum] of bytes.entries()) {
      least = Math.min(least, sum / (1 + (context % 3)));
      most = Math.max(most, sum / (1 + (context % 3)));
    }
    const largest = { weight: 1, maxFrameBytes: 1514 };
    expect(least).toBeGreaterThan(0);
    expect(most - least).toBeLessThanOrEqual(discipline.relativeFairnessBoundBytes(largest, largest));
  });
});
