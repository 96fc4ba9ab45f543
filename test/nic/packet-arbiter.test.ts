import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NON_POSTED, PacketArbiter, type PacketKind, POSTED } from '../../nic/packet-arbiter.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { SerialLine } from '../../scheduler/serial-line.js';

const PROPAGATION_NS = 150;
const HEADER = 24;
/** A byte takes a nanosecond, so that no time has a fraction. */
const RATE_BPS = 8e9;

interface Transfer {
  readonly kind: PacketKind;
  readonly atNs: number;
  readonly packets: number;
  /** Payload of one packet, or what one request asks for. */
  readonly each: number;
}

const transfer = fc.record({
  kind: fc.constantFrom<PacketKind>(NON_POSTED, POSTED),
  atNs: fc.nat(6_000),
  packets: fc.integer({ min: 1, max: 12 }),
  each: fc.integer({ min: 4, max: 512 }),
});

const bytesOf = ({ kind, packets, each }: Transfer) => packets * (HEADER + (kind === POSTED ? each : 0));

/** Plays transfers; returns when each was at the host, in the order of their numbers. */
function play(transfers: readonly Transfer[]): { arrivedNs: number[]; order: number[] } {
  const kernel = new EventKernel();
  const arrivedNs: number[] = [];
  const order: number[] = [];
  const arrive = kernel.register('arrive', (number) => {
    arrivedNs[number] = kernel.nowNs;
    order.push(number);
  });
  const arbiter = new PacketArbiter(kernel, new SerialLine(RATE_BPS), PROPAGATION_NS, arrive);
  const submit = kernel.register('submit', (number) => {
    const one = transfers[number];
    if (one === undefined) throw new Error('no such transfer');
    arbiter.submit(one.kind, number, one.packets, bytesOf(one), one.packets * one.each);
    arbiter.checkInvariants();
  });
  for (const [number, { atNs }] of transfers.entries()) kernel.scheduleAt(atNs, submit, number);
  kernel.drain();
  arbiter.checkInvariants();
  expect(arbiter.carriedBytes).toBe(transfers.reduce((sum, one) => sum + bytesOf(one), 0));
  return { arrivedNs, order };
}

/**
 * The same, said packet by packet: whenever the link is free, the next packet is of the kind that has moved less payload;
 * a kind that comes back has no claim on what it missed.
 */
function model(transfers: readonly Transfer[]): number[] {
  const waiting = transfers.map((_, number) => number).sort((i, j) => at(i).atNs - at(j).atNs || i - j);
  const queues: number[][] = [[], []];
  const left = transfers.map(({ packets }) => packets);
  const moved = [0, 0];
  const arrivedNs: number[] = [];
  let nowNs = 0;
  function at(number: number): Transfer {
    const found = transfers[number];
    if (found === undefined) throw new Error('no such transfer');
    return found;
  }
  const admit = (untilNs: number) => {
    while (waiting.length > 0 && at(waiting[0] ?? 0).atNs <= untilNs) {
      const number = waiting.shift() ?? 0;
      const { kind } = at(number);
      if (queues[kind]?.length === 0) moved[kind] = Math.max(moved[kind] ?? 0, moved[1 - kind] ?? 0);
      queues[kind]?.push(number);
    }
  };
  while (waiting.length > 0 || queues.some((queue) => queue.length > 0)) {
    if (queues.every((queue) => queue.length === 0)) nowNs = Math.max(nowNs, at(waiting[0] ?? 0).atNs);
    admit(nowNs);
    const [reads = [], writes = []] = queues;
    const lessIsPosted = (moved[POSTED] ?? 0) < (moved[NON_POSTED] ?? 0);
    const kind = reads.length === 0 || (writes.length > 0 && lessIsPosted) ? POSTED : NON_POSTED;
    const number = queues[kind]?.[0] ?? 0;
    const one = at(number);
    nowNs += bytesOf(one) / one.packets;
    // What comes while the packet is on the link comes before it has moved anything.
    admit(nowNs - 1);
    moved[kind] = (moved[kind] ?? 0) + one.each;
    left[number] = (left[number] ?? 0) - 1;
    if ((left[number] ?? 0) > 0) continue;
    queues[kind]?.shift();
    arrivedNs[number] = nowNs + PROPAGATION_NS;
  }
  return arrivedNs;
}

describe('the arbitration of packets', () => {
  it('carries each transfer once, those of a kind in order, and never idles while one waits', () => {
    fc.assert(
      fc.property(fc.array(transfer, { minLength: 1, maxLength: 30 }), (transfers) => {
        const { arrivedNs, order } = play(transfers);
        expect(order).toHaveLength(transfers.length);
        for (const kind of [NON_POSTED, POSTED]) {
          const own = order.filter((number) => transfers[number]?.kind === kind);
          const submitted = [...own].sort(
            (i, j) => (transfers[i]?.atNs ?? 0) - (transfers[j]?.atNs ?? 0) || i - j,
          );
          expect(own).toEqual(submitted);
        }
        // Whatever the order, the link is busy exactly as a queue without arbitration is.
        const line = new SerialLine(RATE_BPS);
        let endNs = 0;
        for (const one of [...transfers].sort((i, j) => i.atNs - j.atNs))
          endNs = line.carry(bytesOf(one), one.atNs);
        expect(Math.max(...arrivedNs)).toBe(endNs + PROPAGATION_NS);
      }),
      { numRuns: 300 },
    );
  });

  it('decides as a model does that looks at every packet', () => {
    // No two things at one instant: the order of such events is the kernel's, and the model has none.
    const apart = fc
      .array(transfer, { minLength: 1, maxLength: 20 })
      .map((list) => list.map((one, index) => ({ ...one, atNs: one.atNs * 32 + index })));
    let compared = 0;
    fc.assert(
      fc.property(apart, (transfers) => {
        const { arrivedNs } = play(transfers);
        const expected = model(transfers);
        // An arrival in the very nanosecond in which a packet ends may come before or after the decision.
        const ends = new Set(expected.map((ns) => ns - PROPAGATION_NS));
        if (transfers.some(({ atNs }) => ends.has(atNs))) return;
        compared += 1;
        expect(arrivedNs).toEqual(expected);
      }),
      { numRuns: 300 },
    );
    expect(compared).toBeGreaterThan(200);
  });

  it('counts a transfer that is over by what it was, although its number is in use again', () => {
    const kernel = new EventKernel();
    const arrived: number[] = [];
    const arrive = kernel.register('arrive', () => arrived.push(kernel.nowNs));
    const arbiter = new PacketArbiter(kernel, new SerialLine(RATE_BPS), PROPAGATION_NS, arrive);
    arbiter.submit(NON_POSTED, 0, 4, 400, 800);
    kernel.drain();
    arbiter.submit(POSTED, 0, 1, 50, 20);
    arbiter.checkInvariants();
    kernel.drain();
    arbiter.submit(NON_POSTED, 0, 2, 30, 100);
    kernel.drain();
    expect(arrived).toEqual([550, 750, 930]);
    expect(arbiter.carriedBytes).toBe(480);
  });
});
