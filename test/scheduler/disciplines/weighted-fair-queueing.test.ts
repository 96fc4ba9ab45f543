import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { FluidClock } from '../../../scheduler/disciplines/fluid-clock.js';
import { WeightedFairQueueing } from '../../../scheduler/disciplines/index.js';
import { TagTable } from '../../../scheduler/disciplines/tag-table.js';

const SECONDS_LATER = 2 ** 41;

/** WFQ on a link of one byte per ns, so that V grows by a byte per ns while one context of weight 1 is served. */
function queueing(weights: readonly number[]) {
  const wfq = new WeightedFairQueueing({ linkBps: 8e9 });
  for (const [context, weight] of weights.entries()) wfq.join(contextId(context), { weight });
  return {
    wfq,
    arrive(context: number, bytes: number, nowNs: number) {
      wfq.arrived(contextId(context), bytes, nowNs);
      wfq.activate(contextId(context), bytes, nowNs);
      wfq.checkInvariants();
    },
    serve(bytes: number, nowNs: number) {
      const context = wfq.select();
      wfq.served(context, bytes, 0, nowNs);
      wfq.checkInvariants();
      return context as number;
    },
  };
}

describe('the clock of weighted fair queueing', () => {
  it('restarts between busy periods, so that only one of them has to end before 2^44 bytes', () => {
    const { arrive, serve } = queueing([1, 2]);
    const bytes = 2 ** 43;
    for (let period = 0; period < 4; period += 1) {
      arrive(0, bytes, period * bytes);
      expect(serve(bytes, period * bytes)).toBe(0);
    }
    const nowNs = 4 * bytes;
    // After it, both start at V: 100/1 is after 150/2.
    arrive(0, 100, nowNs);
    arrive(1, 150, nowNs);
    expect([serve(150, nowNs), serve(100, nowNs)]).toEqual([1, 0]);
  });

  it('refuses a busy period beyond that', () => {
    const { arrive } = queueing([1]);
    expect(() => arrive(0, 2 ** 44 + 1, 0)).toThrow('wfq: virtual time has overflowed');
    expect(() => queueing([1]).arrive(0, 2 ** 44, 0)).not.toThrow();
  });

  it('does not restart while a frame waits that the fluid system has finished', () => {
    const { arrive, serve } = queueing([1, 1]);
    arrive(0, SECONDS_LATER, 0);
    arrive(1, 100, SECONDS_LATER);
    expect([serve(SECONDS_LATER, SECONDS_LATER), serve(100, SECONDS_LATER)]).toEqual([0, 1]);
  });

  it('does not restart while the fluid system serves what the link has sent', () => {
    const { arrive, serve } = queueing([1, 1]);
    arrive(0, SECONDS_LATER, 0);
    expect(serve(SECONDS_LATER, 0)).toBe(0);
    // V is at 2^33 bytes; the next frame of context 0 starts at 2^41.
    arrive(0, 100, 2 ** 33);
    arrive(1, 2 ** 40, 2 ** 33);
    expect([serve(2 ** 40, 2 ** 33), serve(100, 2 ** 33)]).toEqual([1, 0]);
  });
});

describe('the fluid system', () => {
  it('serves what a context is owed at its new weight when it leaves and joins again', () => {
    const { wfq, arrive, serve } = queueing([1, 1]);
    arrive(0, 1000, 0);
    expect(serve(1000, 0)).toBe(0);
    wfq.leave(contextId(0), 0);
    wfq.join(contextId(0), { weight: 3 });
    wfq.checkInvariants();
    // 1000/3 bytes of V are left to context 0, alone with a weight of 3: V is at 100/3 after 100 ns.
    arrive(1, 300, 100);
    arrive(0, 90, 100);
    // 100/3 + 300 is before 1000/3 + 90/3; from V = 100 on, which a weight of 1 would give, it would be after it.
    expect([serve(300, 100), serve(90, 100)]).toEqual([1, 0]);
    // All is served after 1390 ns.
    arrive(1, 60, 2000);
    wfq.checkInvariants();
  });

  it('can restart only when it is empty', () => {
    const tags = new TagTable();
    const fluid = new FluidClock(tags, 8e9);
    tags.setWeight(contextId(0), 1, 64);
    tags.begin(contextId(0), 100);
    fluid.changed(contextId(0));
    fluid.run(50);
    expect(() => fluid.restart()).toThrow('the fluid system is not empty');
    fluid.run(100);
    fluid.restart();
    expect([tags.clock, tags.start(contextId(0)), tags.finish(contextId(0))]).toEqual([0, 0, 0]);
  });
});
