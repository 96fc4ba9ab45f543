import { describe, expect, it } from 'vitest';
import { ClassQueues } from '../../guests/class-queues.js';
import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { frame } from '../nic/support/frames.js';
import { pfc } from '../nic/support/pfc.js';

const MS = 1_000_000;
const PROPAGATION_NS = 500;
/** At 1 Gb/s, 8 ns a byte. */
const wireNs = (bytes: number) => (bytes + WIRE_OVERHEAD_BYTES) * 8;

/** A far end at 1 Gb/s, and the frames that have arrived: when, and how long. */
function farEnd() {
  const kernel = new EventKernel();
  const arrived: { readonly atNs: number; readonly length: number }[] = [];
  const options = { rateBps: 1e9, propagationNs: PROPAGATION_NS, queueBytes: 1e6, cableBytes: 1e6 };
  const queues = new ClassQueues(kernel, options, 0xff, (_bytes, _offset, length) =>
    arrived.push({ atNs: kernel.nowNs, length }),
  );
  const send = (length: number, trafficClass: number) => queues.send(frame(length), 0, length, trafficClass);
  const pauseClasses = (times: Readonly<Record<number, number>>) => queues.pauses.take(pfc(times), 0, 60);
  const run = (untilNs: number) => {
    kernel.run(untilNs);
    queues.checkInvariants();
  };
  return { queues, arrived, send, pauseClasses, run };
}

describe('a far end with queues by class that is told PAUSE (IEEE 802.3, annex 31B)', () => {
  it('sends MAC control frames meanwhile, and no data frame', () => {
    const { queues, arrived, send, run } = farEnd();
    queues.pause(MS);
    send(100, 3);
    queues.sendControl(pfc({ 1: 5 }));
    run(MS - 1);
    expect(arrived).toEqual([{ atNs: wireNs(60) + PROPAGATION_NS, length: 60 }]);
    run(2 * MS);
    expect(arrived[1]).toEqual({ atNs: MS + wireNs(100) + PROPAGATION_NS, length: 100 });
  });

  it('chooses what goes first when the pause is over: a class that was paused meanwhile is not it', () => {
    const { queues, arrived, send, pauseClasses, run } = farEnd();
    queues.pause(MS);
    send(100, 3);
    send(200, 0);
    pauseClasses({ 3: 65_535 });
    run(30 * MS);
    expect(arrived).toEqual([{ atNs: MS + wireNs(200) + PROPAGATION_NS, length: 200 }]);
    run(40 * MS);
    // 65,535 quanta of 512 ns.
    expect(arrived[1]).toEqual({ atNs: 65_535 * 512 + wireNs(100) + PROPAGATION_NS, length: 100 });
  });

  it('goes on at once with a time of 0, and at the later one of two ends', () => {
    const { queues, arrived, send, run } = farEnd();
    queues.pause(MS);
    send(100, 0);
    run(1000);
    queues.pause(0);
    run(10_000);
    expect(arrived).toEqual([{ atNs: 1000 + wireNs(100) + PROPAGATION_NS, length: 100 }]);
    queues.pause(MS);
    send(200, 0);
    run(500_000);
    queues.pause(MS);
    run(1_400_000);
    expect(arrived).toHaveLength(1);
    run(3 * MS);
    expect(arrived[1]?.atNs).toBe(500_000 + MS + wireNs(200) + PROPAGATION_NS);
  });
});
