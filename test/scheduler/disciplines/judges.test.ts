import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Discipline, Share } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  StrictPriority,
  WeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { VirtualLink } from '../../../scheduler/laws/index.js';
import { SerialLine } from '../../../scheduler/serial-line.js';

/** A frame of the cases below: its number there, its class, bytes, and when it arrives, ns. */
type Frame = readonly [number: number, context: number, bytes: number, atNs: number];

/** Frame and time of departure, ns. */
type Departure = readonly [number: number, atNs: number];

/** Plays frames on a link of 8 Gb/s, where a byte takes 1 ns; returns departures. */
function departures(discipline: Discipline, shares: readonly Share[], frames: readonly Frame[]): Departure[] {
  const waiting = frames.map(() => [] as number[]);
  const left: Departure[] = [];
  const link = new VirtualLink(discipline, {
    linkBps: 8e9,
    watchers: [
      {
        granted: (context, bytes, _more, nowNs) => {
          left.push([waiting[context]?.shift() ?? -1, nowNs + bytes]);
        },
      },
    ],
  });
  for (const [context, share] of shares.entries()) link.join(contextId(context), share);
  for (const [number, context, bytes, atNs] of frames) {
    link.pass(atNs - link.nowNs);
    waiting[context]?.push(number);
    link.arrive(contextId(context), bytes);
  }
  while (link.serve());
  return left;
}

/**
 * Recorded schedules of the simulator Days (revision 9ff20eac), which ns.py (TL-System/ns.py at c9d75a5f, read on
 * 28 November 2026) keeps as its reference: tests/reference/days_schedulers.json. A link of 8 Gb/s, departures without
 * the 100 ns of propagation.
 */
describe("the schedules that ns.py's tests hold themselves to", () => {
  it('strict priority: sp_boundaries_ties_idle', () => {
    // There a larger number goes first; 9, 9 and 1 are levels 0, 0 and 1 here.
    const shares = [
      { weight: 1, priority: 1 },
      { weight: 1, priority: 0 },
      { weight: 1, priority: 0 },
    ];
    const frames: Frame[] = [
      [0, 0, 1000, 0],
      [3, 1, 250, 0],
      [6, 0, 500, 100],
      [9, 2, 125, 250],
      [12, 1, 125, 250],
      [15, 1, 125, 750],
      [18, 0, 125, 5000],
    ];
    expect(departures(new StrictPriority(), shares, frames)).toEqual([
      [3, 250],
      [9, 375],
      [12, 500],
      [0, 1500],
      [15, 1625],
      [6, 2125],
      [18, 5125],
    ]);
  });

  it('deficit round robin: drr_credit_carry_idle, quanta of 1,500 and 3,000 bytes', () => {
    const frames: Frame[] = [
      [0, 0, 4000, 0],
      [3, 1, 1000, 0],
      [6, 1, 2500, 0],
      [9, 0, 1000, 0],
      [12, 1, 500, 0],
      [15, 0, 2000, 15_000],
    ];
    const drr = new DeficitRoundRobin({ quantumBytes: 1500 });
    expect(departures(drr, [{ weight: 1 }, { weight: 2 }], frames)).toEqual([
      [3, 1000],
      [6, 3500],
      [12, 4000],
      [0, 8000],
      [9, 9000],
      [15, 17_000],
    ]);
  });

  it('deficit round robin: in the order of activation, as ns.py and the paper; Days goes by class number', () => {
    const frames: Frame[] = [
      [0, 1, 1000, 0],
      [3, 0, 1000, 0],
    ];
    const drr = new DeficitRoundRobin({ quantumBytes: 1500 });
    expect(departures(drr, [{ weight: 1 }, { weight: 1 }], frames)).toEqual([
      [0, 1000],
      [3, 2000],
    ]);
  });

  it('weighted fair queueing: wfq_tags_ties_idle', () => {
    const frames: Frame[] = [
      [0, 0, 1000, 0],
      [3, 1, 500, 0],
      [6, 1, 1500, 0],
      [9, 0, 1000, 5000],
    ];
    const wfq = new WeightedFairQueueing({ linkBps: 8e9 });
    expect(departures(wfq, [{ weight: 1 }, { weight: 2 }], frames)).toEqual([
      [3, 500],
      [0, 1500],
      [6, 3000],
      [9, 6000],
    ]);
  });

  it('weighted fair queueing: wfq_active_clock_difference, by the clock of the papers', () => {
    // The fluid system still serves four at 15 ns, so V = 15/4 and frame 12 finishes at 13.75, before frame 9 at 14. Days
    // counts the classes that wait on the real link (three since 10 ns) and sends 9 first.
    const frames: Frame[] = [
      [0, 0, 10, 0],
      [3, 1, 100, 0],
      [6, 2, 13, 0],
      [9, 3, 14, 0],
      [12, 4, 10, 15],
    ];
    const wfq = new WeightedFairQueueing({ linkBps: 8e9 });
    const shares = Array.from({ length: 5 }, () => ({ weight: 1 }));
    expect(departures(wfq, shares, frames)).toEqual([
      [0, 10],
      [6, 23],
      [12, 33],
      [9, 47],
      [3, 147],
    ]);
  });
});

/**
 * Wire arithmetic as RFC 1242 and RFC 2544 count it: a frame of n bytes, FCS included, takes (n + 20) * 8 bit times. The
 * maximum rates at 10 Gb/s are those that every tester prints (14,880,952 frames of 64 bytes per second).
 */
describe('ten million frames on a wire', () => {
  const PREAMBLE_AND_GAP = 20;
  const frames = 10_000_000;

  it.each([
    [64, 14_880_952],
    [1518, 812_743],
  ])('at 10 Gb/s %i bytes leave %i times per second', (bytes, perSecond) => {
    const line = new SerialLine(10e9);
    let endNs = 0;
    for (let frame = 0; frame < perSecond; frame += 1) endNs = line.carry(bytes + PREAMBLE_AND_GAP, 0);
    expect(endNs).toBeLessThanOrEqual(1e9);
    expect(line.carry(bytes + PREAMBLE_AND_GAP, 0)).toBeGreaterThan(1e9);
  });

  it.each([25e9, 400e9])('at %d b/s end on the exact nanosecond, for one size and for a mix', (rateBps) => {
    const exactNs = (bytes: bigint) => {
      const bits = bytes * 8n * 1_000_000_000n;
      return Number((bits + BigInt(rateBps) - 1n) / BigInt(rateBps));
    };
    const sizes = [64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518, 9022, 65];
    const line = new SerialLine(rateBps);
    const mixed = new SerialLine(rateBps);
    let [endNs, mixedNs, total] = [0, 0, 0];
    for (let frame = 0; frame < frames; frame += 1) {
      // Back to back: each is given when the one before has left, rounded up to a nanosecond.
      endNs = line.carry(64 + PREAMBLE_AND_GAP, endNs);
      const bytes = (sizes[frame % sizes.length] ?? 64) + PREAMBLE_AND_GAP;
      mixedNs = mixed.carry(bytes, mixedNs);
      total += bytes;
    }
    expect(endNs).toBe(exactNs(BigInt(frames * (64 + PREAMBLE_AND_GAP))));
    expect(mixedNs).toBe(exactNs(BigInt(total)));
  });
});
