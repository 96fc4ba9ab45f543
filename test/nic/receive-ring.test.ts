import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame, gist } from './support/frames.js';
import { Guest } from './support/guest.js';
import {
  DESCRIPTOR_FETCH_ABORT,
  DESCRIPTOR_LENGTH,
  FAULT,
  FAULTED,
  OPENED,
  PAYLOAD_ABORT,
  PRODUCER_OUT_OF_RANGE,
  RX_CONSUMER,
  RX_PRODUCER,
  STATUS,
  WRITE_BACK_ABORT,
} from './support/registers.js';

describe('a receive ring', () => {
  it('fills posted buffers in order, marks their descriptors and writes its consumer index back', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(4);
    card.settle();
    const frames = [60, 1514, 64].map((length, mark) => frame(length, guest.mac, undefined, mark));
    for (const bytes of frames) card.arrive(bytes);
    card.settle();
    expect(guest.collect().map(gist)).toEqual(frames.map(gist));
    expect(guest.rxConsumer).toBe(3);
    expect(guest.peek(RX_CONSUMER)).toBe(3);
    expect(card.nic.counters.get('bytesReceived', contextId(0))).toBe(60 + 1514 + 64);
  });

  it('scatters a frame over as many buffers as it needs, whatever their size, round and round', () => {
    const round = fc.record({
      lengths: fc.array(fc.integer({ min: 60, max: 2048 }), { minLength: 1, maxLength: 4 }),
      bufferBytes: fc.constantFrom(64, 100, 256, 1000, 2048),
    });
    fc.assert(
      fc.property(
        fc.array(round, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 32 }),
        (rounds, batch) => {
          const card = new Card({ descriptorBatch: batch });
          const guest = new Guest(card, 0, { slotsLog2: 7 });
          for (const { lengths, bufferBytes } of rounds) {
            const needed = lengths.reduce((sum, length) => sum + Math.ceil(length / bufferBytes), 0);
            // Exactly as many as are needed: not one more to lure the card into fetching the last ones.
            guest.offer(needed, bufferBytes);
            card.settle();
            const frames = lengths.map((length, mark) => frame(length, guest.mac, undefined, mark));
            for (const bytes of frames) card.arrive(bytes);
            card.settle();
            expect(guest.collect().map(gist)).toEqual(frames.map(gist));
            expect(guest.rxConsumer).toBe(guest.rxProducer);
          }
        },
      ),
      { numRuns: runs(50) },
    );
  });

  it('writes descriptors back to where they belong when a frame lies across the end of the ring', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { slotsLog2: 4 });
    for (let lap = 0; lap < 12; lap += 1) {
      guest.offer(5, 100);
      card.settle();
      const frames = [250, 150].map((length) => frame(length, guest.mac, undefined, lap));
      for (const bytes of frames) card.arrive(bytes);
      card.settle();
      expect(guest.collect().map(gist)).toEqual(frames.map(gist));
    }
  });

  it('passes 2^32 without a stumble', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    const ring = card.nic.contexts[0]?.receive;
    if (ring === undefined) throw new Error('no context');
    const start = 2 ** 32 - 2;
    ring.producer = ring.requested = ring.fetched = ring.taken = ring.consumer = start;
    guest.rxProducer = guest.rxSeen = start;
    guest.offer(6, 100);
    card.settle();
    for (let mark = 0; mark < 3; mark += 1) card.arrive(frame(150, guest.mac, undefined, mark));
    card.settle();
    expect(guest.rxConsumer).toBe(4);
    expect(guest.collect().map(gist)).toEqual(
      [0, 1, 2].map((mark) => gist(frame(150, guest.mac, undefined, mark))),
    );
  });

  it('takes the largest frame through the smallest buffers that fit the card', () => {
    const card = new Card({ descriptorCacheSlots: 64 });
    const guest = new Guest(card, 0, { slotsLog2: 6 });
    guest.offer(64, 141);
    card.settle();
    card.arrive(frame(9018, guest.mac));
    card.settle();
    expect(guest.collect().map(gist)).toEqual([gist(frame(9018, guest.mac))]);
  });

  it('finishes in order though a gate keeps one write waiting', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    const seen: number[] = [];
    card.nic.streams.descriptors$.subscribe((event) => {
      if (event.state === 'completed') seen.push(event.index);
    });
    guest.offer(4);
    card.settle();
    card.host.takesNs = (access) => (access.address === guest.rxBuffer(0) ? 100_000 : 10);
    for (let mark = 0; mark < 3; mark += 1) card.arrive(frame(500, guest.mac, undefined, mark));
    card.run(50_000);
    expect(guest.rxConsumer).toBe(0);
    card.settle();
    expect(seen).toEqual([0, 1, 2]);
    expect(guest.collect()).toHaveLength(3);
  });

  it('writes payload, then descriptors, then the index, before the interrupt', () => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.offer(1);
    card.settle();
    card.host.log.length = 0;
    card.arrive(frame(60, guest.mac));
    let told = -1;
    card.host.onRaise = () => {
      told = card.host.log.length;
    };
    card.settle();
    expect(card.host.log.map((access) => access.address)).toEqual([
      guest.rxBuffer(0),
      guest.rxRing,
      guest.statusBlock,
      0x1000 + 64,
      0x1000,
    ]);
    expect(told).toBe(5);
  });

  it('checks sequence numbers like the transmit ring', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { slotsLog2: 4, modulusLog2: 5 });
    for (let lap = 0; lap < 8; lap += 1) {
      guest.offer(10, 128);
      card.settle();
      for (let index = 0; index < 10; index += 1) card.arrive(frame(60, guest.mac));
      card.settle();
    }
    expect(guest.collect()).toHaveLength(80);
    guest.mailbox(RX_PRODUCER, guest.rxProducer + 1);
    card.settle();
    expect(card.faults).toMatchObject([{ reason: 'sequence-break', direction: 'receive', detail: 80 }]);
  });

  it('faults when its producer is out of range, or a buffer has no length', () => {
    const card = new Card();
    const [one, two] = [new Guest(card, 0), new Guest(card, 1)];
    one.mailbox(RX_PRODUCER, one.slots + 1);
    two.describeReceive(0x9000, 0);
    two.mailbox(RX_PRODUCER, 1);
    card.settle();
    expect(one.peek(FAULT)).toBe(PRODUCER_OUT_OF_RANGE);
    expect(two.peek(FAULT)).toBe(DESCRIPTOR_LENGTH);
  });

  it('faults when the gate refuses descriptors, payload or write-back, and drops what it held', () => {
    for (const [reason, refused, dropped] of [
      [DESCRIPTOR_FETCH_ABORT, (guest: Guest) => [guest.rxRing, false], 'no-receive-buffer'],
      [PAYLOAD_ABORT, (guest: Guest) => [guest.rxBuffer(1), true], 'dma-abort'],
      [WRITE_BACK_ABORT, (guest: Guest) => [guest.rxRing + 16, true], 'dma-abort'],
    ] as const) {
      const card = new Card();
      const guest = new Guest(card, 0);
      card.host.refuses = ({ address, write }) => {
        const [where, isWrite] = refused(guest);
        return address === where && write === isWrite;
      };
      guest.offer(4);
      card.run(10_000);
      for (let index = 0; index < 3; index += 1) card.arrive(frame(60, guest.mac));
      card.settle();
      expect(guest.peek(FAULT)).toBe(reason);
      if (reason === DESCRIPTOR_FETCH_ABORT) continue;
      expect(card.nic.counters.drops(dropped, contextId(0))).toBe(1);
      expect(card.nic.framesInside.receive).toBe(0);
      expect(card.nic.counters.get('framesReceived', contextId(0)) + card.drops.length).toBe(3);
    }
  });
});

describe('a frame without a place to go', () => {
  it('is dropped and counted when no buffer is posted', () => {
    const card = new Card();
    const guest = new Guest(card, 1);
    card.arrive(frame(60, guest.mac));
    expect(card.drops).toMatchObject([
      { context: 1, direction: 'receive', reason: 'no-receive-buffer', bytes: 60 },
    ]);
    expect(card.nic.counters.dropsOf(contextId(1))).toEqual({ 'no-receive-buffer': 1 });
    guest.offer(1);
    card.settle();
    card.arrive(frame(60, guest.mac));
    card.arrive(frame(60, guest.mac));
    expect(card.drops).toHaveLength(2);
    card.settle();
    expect(card.nic.counters.dropsOf(contextId(1))).toEqual({ 'no-receive-buffer': 2 });
    expect(guest.peek(STATUS)).toBe(OPENED);
  });

  it('is dropped when the buffers posted cannot hold it, and those behind it are not stuck', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(3, 100);
    card.settle();
    card.arrive(frame(301, guest.mac));
    card.arrive(frame(90, guest.mac, undefined, 7));
    card.settle();
    expect(card.drops).toMatchObject([{ reason: 'no-receive-buffer', bytes: 301 }]);
    expect(guest.collect().map(gist)).toEqual([gist(frame(90, guest.mac, undefined, 7))]);
  });

  it('is dropped when it needs more buffers than fit the card', () => {
    const card = new Card({ descriptorCacheSlots: 16 });
    const guest = new Guest(card, 0, { slotsLog2: 7 });
    guest.offer(128, 64);
    card.settle();
    card.arrive(frame(64 * 16 + 1, guest.mac));
    card.arrive(frame(64 * 16, guest.mac));
    card.settle();
    expect(card.drops).toMatchObject([{ reason: 'no-receive-buffer' }]);
    expect(guest.collect()).toHaveLength(1);
  });

  it('is dropped when its context has its share of the buffer full; another context is not touched', () => {
    const card = new Card({ receiveShareBytes: 9018, receiveDmaBytes: 9018 });
    const [one, two] = [new Guest(card, 0, { slotsLog2: 5 }), new Guest(card, 1)];
    one.offer(32);
    two.offer(4);
    card.settle();
    card.host.takesNs = () => 1_000_000;
    for (let index = 0; index < 10; index += 1) card.arrive(frame(1514, one.mac));
    card.arrive(frame(1514, two.mac));
    expect(card.nic.counters.dropsOf(contextId(0))).toEqual({ 'receive-share-full': 5 });
    card.settle();
    expect(one.collect()).toHaveLength(5);
    expect(two.collect()).toHaveLength(1);
    card.arrive(frame(1514, one.mac));
    card.settle();
    expect(one.collect()).toHaveLength(1);
  });

  it('is dropped when it is shorter or longer than a frame may be', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { bufferBytes: 9216, slotsLog2: 2 });
    guest.offer(4);
    card.settle();
    for (const length of [1, 59, 60, 9018, 9019]) card.arrive(frame(length, guest.mac));
    card.settle();
    expect(card.drops.map((drop) => [drop.context, drop.reason])).toEqual([
      [-1, 'frame-too-short'],
      [-1, 'frame-too-short'],
      [-1, 'frame-too-long'],
    ]);
    expect(guest.collect().map((bytes) => bytes.length)).toEqual([60, 9018]);
  });

  it('is dropped when its context is stopped, even if all of it is written', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(8);
    card.settle();
    card.host.takesNs = ({ address }) => (address === guest.rxBuffer(0) ? 1_000_000 : 0);
    for (let index = 0; index < 4; index += 1) card.arrive(frame(60, guest.mac));
    card.run(100_000);
    guest.ring(5000);
    card.settle();
    expect(guest.peek(STATUS)).toBe(FAULTED);
    expect(card.nic.counters.dropsOf(contextId(0))).toEqual({ 'context-stopped': 4 });
    expect(card.nic.framesInside.receive).toBe(0);
  });
});
