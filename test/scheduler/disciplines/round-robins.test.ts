import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { NONE } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { FifoDrain } from '../../../scheduler/disciplines/fifo-drain.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/packet-round-robin.js';
import { present } from '../../../scheduler/present.js';
import { playBacklog, playGreedy } from './play.js';

describe('FIFO drain', () => {
  it('serves the context that rang first until its ring is empty', () => {
    const fifo = new FifoDrain();
    for (const context of [0, 1, 2]) fifo.join(contextId(context));
    expect(playBacklog(fifo, [[100, 100, 100], [100], [100, 100]])).toEqual([0, 0, 0, 1, 2, 2]);
  });

  it('starves the second while the first keeps its ring filled', () => {
    const fifo = new FifoDrain();
    fifo.join(contextId(0));
    fifo.join(contextId(1));
    expect(playGreedy(fifo, [60, 60], 1_000_000)[1]).toBe(0);
  });
});

describe('packet round robin', () => {
  it('takes one frame per visit', () => {
    const prr = new PacketRoundRobin();
    for (const context of [0, 1, 2]) prr.join(contextId(context));
    expect(playBacklog(prr, [[9018, 9018, 9018], [60], [60, 60]])).toEqual([0, 1, 2, 0, 2, 0]);
  });

  it('counts frames, not bytes', () => {
    const prr = new PacketRoundRobin();
    prr.join(contextId(0));
    prr.join(contextId(1));
    expect(playGreedy(prr, [9018, 60], 90_780)).toEqual([90_180, 600]);
  });
});

describe('deficit round robin', () => {
  /**
   * Shreedhar and Varghese, figures 2 and 3: quantum 500. Flow 1 holds 200, 750, 20; flow 2 holds 500, 500; flow 3
   * holds 200, 600, 100; flow 4 holds 50, 700, 180. The paper shows the first visit: flow 1 sends 200 and keeps
   * 300, flow 2 sends 500 and keeps nothing. The rest is worked out by hand with the same rule.
   */
  it("follows the paper's example", () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 500 });
    for (const context of [0, 1, 2, 3]) drr.join(contextId(context), { weight: 1 });
    const queues = [
      [200, 750, 20],
      [500, 500],
      [200, 600, 100],
      [50, 700, 180],
    ];
    // Round 1: 200 (keeps 300) | 500 (keeps 0) | 200 (keeps 300) | 50 (keeps 450)
    // Round 2: 800: 750, 20, empty | 500, empty | 800: 600, 100, empty | 950: 700, 180, empty
    expect(playBacklog(drr, queues)).toEqual([0, 1, 2, 3, 0, 0, 1, 2, 2, 3, 3]);
  });

  it('keeps what the paper says after the first visits', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 500 });
    drr.join(contextId(0), { weight: 1 });
    drr.join(contextId(1), { weight: 1 });
    drr.activate(contextId(0), 200);
    drr.activate(contextId(1), 500);
    expect(drr.select()).toBe(0);
    drr.served(contextId(0), 200, 750);
    expect(drr.deficitBytes(contextId(0))).toBe(300);
    expect(drr.select()).toBe(1);
    drr.served(contextId(1), 500, 500);
    expect(drr.deficitBytes(contextId(1))).toBe(0);
    expect(drr.select()).toBe(0);
  });

  it('shares bytes by weight although sizes differ', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 9018 });
    drr.join(contextId(0), { weight: 1 });
    drr.join(contextId(1), { weight: 3 });
    const [light = 0, heavy = 0] = playGreedy(drr, [9018, 60], 40_000_000);
    expect(Math.abs(heavy / 3 - light)).toBeLessThanOrEqual(
      drr.relativeFairnessBoundBytes({ weight: 1, maxFrameBytes: 9018 }, { weight: 3, maxFrameBytes: 60 }),
    );
  });

  it('serves a frame larger than the quantum after as many visits as it needs', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 100 });
    drr.join(contextId(0), { weight: 1 });
    drr.join(contextId(1), { weight: 1 });
    expect(
      playBacklog(drr, [
        [100, 250],
        [100, 100, 100, 100],
      ]),
    ).toEqual([0, 1, 1, 1, 0, 1]);
  });

  it('starts a context that was idle with no deficit', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 1000 });
    drr.join(contextId(0), { weight: 1 });
    drr.join(contextId(1), { weight: 1 });
    drr.activate(contextId(0), 60);
    drr.select();
    drr.served(contextId(0), 60, 0);
    expect(drr.deficitBytes(contextId(0))).toBe(0);
    drr.activate(contextId(1), 600);
    drr.activate(contextId(0), 1000);
    expect(drr.select()).toBe(1);
    drr.served(contextId(1), 600, 600);
    expect(drr.select()).toBe(0);
    expect(drr.deficitBytes(contextId(0))).toBe(1000);
  });

  it('select changes nothing', () => {
    const drr = new DeficitRoundRobin();
    expect(drr.select()).toBe(NONE);
    drr.join(contextId(5), { weight: 1 });
    drr.activate(contextId(5), 60);
    expect([drr.select(), drr.select(), drr.select()]).toEqual([5, 5, 5]);
    expect(drr.deficitBytes(contextId(5))).toBe(1514);
  });

  it('holds 5,000 contexts', () => {
    const drr = new DeficitRoundRobin();
    const sizes = Array.from({ length: 5000 }, () => 1514);
    for (const context of sizes.keys()) drr.join(contextId(context), { weight: 1 });
    expect(new Set(playGreedy(drr, sizes, 5000 * 1514))).toEqual(new Set([1514]));
  });

  it('refuses an invalid quantum or weight', () => {
    expect(() => new DeficitRoundRobin({ quantumBytes: 0 })).toThrow('quantumBytes is 0');
    expect(() => new DeficitRoundRobin().join(contextId(3), { weight: 0.5 })).toThrow(
      'weight of context 3 is 0.5',
    );
  });
});

it('deficit round robin with a quantum far below a frame serves as if every empty round were made', () => {
  const context = fc.record({
    weight: fc.integer({ min: 1, max: 7 }),
    bytes: fc.integer({ min: 60, max: 1514 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(context, { minLength: 1, maxLength: 5 }),
      (quantumBytes, contexts) => {
        const drr = new DeficitRoundRobin({ quantumBytes });
        for (const [index, { weight, bytes }] of contexts.entries()) {
          drr.join(contextId(index), { weight });
          drr.activate(contextId(index), bytes);
        }
        const served = Array.from({ length: 60 }, () => {
          const chosen = drr.select();
          const { bytes } = present(contexts[chosen]);
          drr.served(chosen, bytes, bytes);
          return chosen;
        });
        // Shreedhar and Varghese 1996, figure 2, word for word: each visit adds a quantum, and serves what it covers.
        const expected: number[] = [];
        const deficits = contexts.map(() => 0);
        while (expected.length < served.length) {
          for (const [index, { weight, bytes }] of contexts.entries()) {
            let deficit = present(deficits[index]) + weight * quantumBytes;
            for (; deficit >= bytes; deficit -= bytes) expected.push(index);
            deficits[index] = deficit;
          }
        }
        expect(served).toEqual(expected.slice(0, served.length));
      },
    ),
  );
});
