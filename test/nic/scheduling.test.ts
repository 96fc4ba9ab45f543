import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Card } from './support/card.js';
import { frame } from './support/frames.js';
import { Guest } from './support/guest.js';
import { END_OF_PACKET, REVOKE, STATUS } from './support/registers.js';

/** Deficit round robin that writes down what it is told. */
function noted(): { discipline: Discipline; told: string[] } {
  const inner = makeDiscipline('drr');
  const told: string[] = [];
  const discipline: Discipline = {
    name: 'noted',
    join: (context, share) => {
      told.push(`join ${context} with ${share.weight}`);
      inner.join(context, share);
    },
    leave: (context, nowNs) => {
      told.push(`leave ${context}`);
      inner.leave(context, nowNs);
    },
    arrived: (context, bytes) => told.push(`arrived ${context}: ${bytes}`),
    activate: (context, bytes, nowNs) => {
      told.push(`activate ${context}: ${bytes}`);
      inner.activate(context, bytes, nowNs);
    },
    select: (nowNs) => inner.select(nowNs),
    served: (context, bytes, next, nowNs) => {
      told.push(`served ${context}: ${bytes}, then ${next}`);
      inner.served(context, bytes, next, nowNs);
    },
    withdraw: (context, nowNs) => {
      told.push(`withdraw ${context}`);
      inner.withdraw(context, nowNs);
    },
    relativeFairnessBoundBytes: (i, j) => inner.relativeFairnessBoundBytes(i, j),
    checkInvariants: () => inner.checkInvariants(),
  };
  return { discipline, told };
}

describe('the transmit scheduler', () => {
  it('gets every frame when it arrives, before it has to choose, in bytes of a capture', () => {
    const { discipline, told } = noted();
    const card = new Card({}, undefined, { transmit: discipline });
    const guest = new Guest(card, 2, { weight: 7 });
    guest.post(frame(14));
    guest.post(frame(700), [100, 100]);
    // Only the beginning of a frame: nothing has arrived yet.
    guest.describeTransmit(guest.txBuffers, 500, 0);
    guest.ring();
    card.settle();
    expect(told.splice(0)).toEqual([
      'join 2 with 7',
      'arrived 2: 84',
      'arrived 2: 724',
      'activate 2: 84',
      'served 2: 84, then 724',
      'served 2: 724, then 0',
    ]);
    guest.describeTransmit(guest.txBuffers, 300, END_OF_PACKET);
    guest.ring();
    card.settle();
    expect(told).toEqual(['arrived 2: 824', 'activate 2: 824', 'served 2: 824, then 0']);
  });

  it('is left by a context that is stopped, and joined afresh: half a frame of before counts for nothing', () => {
    const { discipline, told } = noted();
    const card = new Card({}, undefined, { transmit: discipline });
    const first = new Guest(card, 0);
    first.describeTransmit(first.txBuffers, 500, 0);
    first.ring();
    card.settle();
    card.command(0, REVOKE);
    const second = new Guest(card, 0);
    second.send(frame(100));
    card.settle();
    expect(told).toEqual([
      'join 0 with 1',
      'leave 0',
      'join 0 with 1',
      'arrived 0: 124',
      'activate 0: 124',
      'served 0: 124, then 0',
    ]);
  });

  it('is not told of a second doorbell as a second place in the queue', () => {
    const { discipline, told } = noted();
    const card = new Card({}, undefined, { transmit: discipline });
    const guest = new Guest(card, 0);
    for (let index = 0; index < 12; index += 1) {
      guest.send(frame(1514));
      card.run(700);
    }
    card.settle();
    expect(card.sent).toHaveLength(12);
    const backlogs = told.filter((line) => line.startsWith('activate')).length;
    const ends = told.filter((line) => line.endsWith('then 0')).length;
    expect(ends).toBe(backlogs);
    expect(told.filter((line) => line.startsWith('served'))).toHaveLength(12);
  });

  it('takes a doorbell rung from inside an observer of its own decisions', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    let left = 5;
    card.nic.streams.frames$.subscribe(() => {
      if (left === 0) return;
      left -= 1;
      guest.send(frame(100));
    });
    guest.send(frame(100));
    card.settle();
    expect(card.sent).toHaveLength(6);
  });

  it('shares the wire by bytes and weight while both contexts are backlogged', () => {
    const card = new Card();
    const small = new Guest(card, 0, { slotsLog2: 7, bufferBytes: 256, weight: 1 });
    const large = new Guest(card, 1, { slotsLog2: 5, bufferBytes: 1536, weight: 2 });
    for (let index = 0; index < 128; index += 1) small.post(frame(200));
    for (let index = 0; index < 32; index += 1) large.post(frame(1514));
    small.ring();
    large.ring();
    // What the wire carried: preamble and delimiter 8, FCS 4 and gap 12 besides each frame (IEEE 802.3).
    const wireBytes = (context: number) =>
      card.nic.counters.get('bytesTransmitted', contextId(context)) +
      24 * card.nic.counters.get('framesTransmitted', contextId(context));
    // First what was granted before both were known leaves the FIFO, 16,384 bytes at most: 131 us at 1 Gb/s.
    card.run(140_000);
    const before = [wireBytes(0), wireBytes(1)] as const;
    card.run(150_000);
    const [one, two] = [wireBytes(0) - before[0], wireBytes(1) - before[1]];
    expect(one + two).toBeGreaterThan(150_000 / 8 - 1538);
    expect(Math.abs(one - two / 2)).toBeLessThan(2 * 1538);
  });
});

describe('the receive scheduler', () => {
  it('writes the frames of a context that gets few between those of one that gets many', () => {
    const { discipline, told } = noted();
    const card = new Card({ receiveDmaBytes: 9018, dmaInFlight: 2 }, undefined, { receive: discipline });
    const [busy, quiet] = [new Guest(card, 0, { slotsLog2: 5 }), new Guest(card, 1, { slotsLog2: 5 })];
    busy.offer(32);
    quiet.offer(32);
    card.settle();
    card.host.takesNs = () => 5_000;
    for (let index = 0; index < 30; index += 1) card.arrive(frame(1514, busy.mac));
    for (let index = 0; index < 5; index += 1) card.arrive(frame(1514, quiet.mac));
    card.settle();
    const served = told.filter((line) => line.startsWith('served')).map((line) => Number(line[7]));
    // Behind at most what was in flight already, the two take turns.
    const lastOfQuiet = served.lastIndexOf(1);
    expect(served.filter((context) => context === 1)).toHaveLength(5);
    expect(lastOfQuiet).toBeLessThan(5 + 2 * 5 + 1);
    expect(busy.collect()).toHaveLength(30);
    expect(quiet.collect()).toHaveLength(5);
    expect(busy.peek(STATUS)).toBe(2);
  });
});
