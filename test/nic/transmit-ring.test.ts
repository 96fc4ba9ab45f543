import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame, gist, padded } from './support/frames.js';
import { Guest } from './support/guest.js';
import {
  CHAIN_TOO_LONG,
  DESCRIPTOR_FETCH_ABORT,
  DESCRIPTOR_LENGTH,
  END_OF_PACKET,
  FAULT,
  FAULTED,
  FRAME_TOO_LONG,
  FRAME_TOO_SHORT,
  OPENED,
  PAYLOAD_ABORT,
  PRODUCER_OUT_OF_RANGE,
  STATUS,
  TX_CONSUMER,
  TX_PRODUCER,
  WRITE_BACK_ABORT,
} from './support/registers.js';

/** A card and one guest whose ring stands at `index`: as after that many descriptors. */
function standingAt(index: number, options = {}): { card: Card; guest: Guest } {
  const card = new Card();
  const guest = new Guest(card, 0, options);
  const ring = card.nic.contexts[0]?.transmit;
  if (ring === undefined) throw new Error('no context');
  ring.producer = ring.requested = ring.fetched = ring.taken = ring.consumer = index;
  guest.txProducer = index;
  card.nic.write(TX_PRODUCER, 4, index);
  return { card, guest };
}

describe('a transmit ring', () => {
  it('sends what is posted, in order, and writes its consumer index back', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    const frames = [64, 1514, 60, 700].map((length, mark) => frame(length, undefined, undefined, mark));
    for (const bytes of frames) guest.post(bytes);
    guest.ring();
    card.settle();
    expect(card.sent.map((sent) => gist(sent.bytes))).toEqual(frames.map(gist));
    expect(guest.txConsumer).toBe(4);
    expect(guest.peek(TX_CONSUMER)).toBe(4);
    expect(card.nic.counters.get('descriptorsCompleted', contextId(0))).toBe(4);
  });

  it('goes round: any number of frames in bursts of any size, up to the whole ring', () => {
    const burst = fc.integer({ min: 1, max: 8 });
    fc.assert(
      fc.property(
        fc.array(burst, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 3, max: 8 }),
        (bursts, log2) => {
          const card = new Card();
          const guest = new Guest(card, 0, { slotsLog2: log2, bufferBytes: 128, statusBlock: true });
          const expected: Uint8Array[] = [];
          for (const count of bursts) {
            for (let index = 0; index < count; index += 1) {
              const bytes = frame(60 + (expected.length % 60), undefined, undefined, expected.length);
              guest.post(bytes);
              expected.push(bytes);
            }
            guest.ring();
            card.settle();
          }
          expect(card.sent.map((sent) => gist(sent.bytes))).toEqual(expected.map(gist));
          expect(guest.txConsumer).toBe(expected.length);
        },
      ),
      { numRuns: runs(40) },
    );
  });

  it('passes 2^32 without a stumble', () => {
    const { card, guest } = standingAt(2 ** 32 - 3);
    for (let mark = 0; mark < 9; mark += 1) guest.post(frame(100, undefined, undefined, mark));
    guest.ring();
    card.settle();
    expect(card.sent).toHaveLength(9);
    expect(card.sent.map((sent) => sent.lastIndex)).toEqual([
      2 ** 32 - 3,
      2 ** 32 - 2,
      2 ** 32 - 1,
      0,
      1,
      2,
      3,
      4,
      5,
    ]);
    expect(guest.txConsumer).toBe(6);
    expect(guest.peek(STATUS)).toBe(OPENED);
  });

  it('asks for descriptors in batches that end at the end of the ring', () => {
    const card = new Card({ descriptorBatch: 16 });
    const guest = new Guest(card, 0, { slotsLog2: 5, bufferBytes: 256 });
    const fetches = () =>
      card.host.log.filter((a) => !a.write && a.address < guest.statusBlock).map((a) => a.length / 16);
    for (let index = 0; index < 32; index += 1) guest.post(frame(60));
    guest.ring();
    card.settle();
    expect(fetches()).toEqual([16, 16]);
    for (let index = 0; index < 20; index += 1) guest.send(frame(60));
    card.settle();
    expect(fetches()[2]).toBe(16);
    expect(fetches().reduce((sum, count) => sum + count, 0)).toBe(52);
    for (let index = 0; index < 20; index += 1) guest.post(frame(60));
    guest.ring();
    card.settle();
    expect(Math.max(...fetches())).toBe(16);
    expect(fetches().reduce((sum, count) => sum + count, 0)).toBe(72);
    for (const access of card.host.log) {
      if (access.write || access.address >= guest.statusBlock) continue;
      expect(access.address + access.length).toBeLessThanOrEqual(guest.txRing + 32 * 16);
    }
  });

  it.each([
    ['more than the ring holds', 0, 17],
    ['far ahead', 0, 0x8000_0000],
    ['backwards', 5, 4],
    ['backwards over zero', 0, 0xffff_ffff],
  ])('faults when its producer goes %s', (_, posted, producer) => {
    const card = new Card();
    const guest = new Guest(card, 0);
    for (let index = 0; index < posted; index += 1) guest.post(frame(60));
    guest.ring();
    card.settle();
    guest.ring(producer);
    card.settle();
    expect(guest.peek(STATUS)).toBe(FAULTED);
    expect(guest.peek(FAULT)).toBe(PRODUCER_OUT_OF_RANGE);
    expect(card.faults[0]).toMatchObject({ context: 0, direction: 'transmit', detail: producer });
    expect(card.sent).toHaveLength(posted);
  });

  it('faults when it is given more than fits behind what is not finished yet', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    for (let index = 0; index < 10; index += 1) guest.describeTransmit(guest.txBuffers, 10, 0);
    guest.ring();
    card.settle();
    guest.ring(17);
    card.settle();
    expect(guest.peek(FAULT)).toBe(PRODUCER_OUT_OF_RANGE);
  });

  it('accepts a doorbell that announces nothing new, and the last of several before they are decoded', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.ring();
    card.settle();
    guest.post(frame(60));
    guest.ring(5000);
    guest.ring();
    guest.ring();
    card.settle();
    expect(card.sent).toHaveLength(1);
    expect(guest.peek(STATUS)).toBe(OPENED);
  });
});

describe('sequence numbers', () => {
  const N_LOG2 = 5; // the least that a ring of 16 slots may have

  it('run on modulo N over many laps of the ring', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { slotsLog2: 4, modulusLog2: N_LOG2 });
    for (let lap = 0; lap < 10; lap += 1) {
      for (let index = 0; index < 13; index += 1) guest.post(frame(60));
      guest.ring();
      card.settle();
    }
    expect(card.sent).toHaveLength(130);
    expect(guest.peek(STATUS)).toBe(OPENED);
  });

  it('catch a producer that runs on into the descriptors of the lap before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 1, max: 16 }), (sent, ahead) => {
        const card = new Card();
        const guest = new Guest(card, 0, { slotsLog2: 4, modulusLog2: N_LOG2, bufferBytes: 128 });
        for (let index = 0; index < sent; index += 1) {
          guest.send(frame(60));
          card.settle();
        }
        guest.ring(guest.txProducer + ahead);
        card.settle();
        expect(card.sent).toHaveLength(sent);
        expect(card.faults).toMatchObject([{ reason: 'sequence-break', detail: sent }]);
      }),
      { numRuns: runs(50) },
    );
  });

  it('catch a ring that has not been written yet', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { slotsLog2: 4, modulusLog2: N_LOG2 });
    guest.ring(16);
    card.settle();
    expect(card.faults).toMatchObject([{ reason: 'sequence-break', detail: 0 }]);
  });

  it('catch one that is skipped, repeated or beyond N; what came before it is not sent either', () => {
    for (const wrong of [3, 1, 2 + 2 ** N_LOG2]) {
      const card = new Card();
      const guest = new Guest(card, 0, { slotsLog2: 4, modulusLog2: N_LOG2 });
      guest.post(frame(60));
      guest.describeTransmit(guest.txBuffers, 60, END_OF_PACKET, wrong);
      guest.ring();
      card.settle();
      expect(card.faults, `sequence ${wrong}`).toMatchObject([{ reason: 'sequence-break', detail: 1 }]);
      expect(card.sent).toHaveLength(0);
    }
  });

  it('are not looked at when checking is off', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.describeTransmit(guest.txBuffers, 60, END_OF_PACKET, 12345);
    guest.ring();
    card.settle();
    expect(card.sent).toHaveLength(1);
  });
});

describe('a frame', () => {
  it('is put together from any number of buffers of any length', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 14, max: 9018 }), pieces, fc.nat(12), (length, lengths, before) => {
        const card = new Card();
        const guest = new Guest(card, 0, { slotsLog2: 5, bufferBytes: 9216, base: 0x10000 });
        for (let index = 0; index < before; index += 1) {
          guest.send(frame(60));
          card.settle();
        }
        const bytes = frame(length, undefined, undefined, before);
        const fitting: number[] = [];
        for (const piece of lengths) {
          if (fitting.reduce((sum, one) => sum + one, piece) < length) fitting.push(piece);
        }
        guest.send(bytes, fitting);
        card.settle();
        expect(gist(card.sent.at(-1)?.bytes)).toBe(gist(padded(bytes)));
        expect(guest.txConsumer).toBe(before + fitting.length + 1);
        expect(card.sent.at(-1)?.lastIndex).toBe(before + fitting.length);
      }),
      { numRuns: runs(60) },
    );
  });

  it('of 14 bytes goes, padded with zeros to 60 whatever lay in the FIFO before', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.send(frame(1514, undefined, undefined, 255));
    card.settle();
    guest.send(frame(14));
    card.settle();
    expect(gist(card.sent[1]?.bytes)).toBe(gist(padded(frame(14))));
    expect(card.nic.counters.get('bytesTransmitted', contextId(0))).toBe(1514 + 60);
  });

  it('of 9,018 bytes goes; one more, or fewer than 14, is a fault', () => {
    const outcome = (length: number) => {
      const card = new Card();
      const guest = new Guest(card, 0, { bufferBytes: 9216 });
      guest.send(frame(length));
      card.settle();
      return card.sent.length === 1 ? card.sent[0]?.bytes.length : guest.peek(FAULT);
    };
    expect(outcome(9018)).toBe(9018);
    expect(outcome(9019)).toBe(FRAME_TOO_LONG);
    expect(outcome(13)).toBe(FRAME_TOO_SHORT);
  });

  it('waits for the rest of its chain without delaying other contexts', () => {
    const card = new Card();
    const [guest, other] = [new Guest(card, 0), new Guest(card, 1)];
    guest.describeTransmit(guest.txBuffers, 100, 0);
    guest.ring();
    other.send(frame(60));
    card.settle();
    expect(card.sent.map((sent) => sent.context)).toEqual([1]);
    guest.describeTransmit(guest.txBuffers + 100, 100, END_OF_PACKET);
    guest.ring();
    card.settle();
    expect(card.sent.map((sent) => sent.bytes.length)).toEqual([60, 200]);
  });

  it('may be a chain of all the descriptors that fit the card, whatever the batch', () => {
    for (const batch of [1, 3, 16, 64]) {
      const card = new Card({ descriptorCacheSlots: 64, descriptorBatch: batch });
      const guest = new Guest(card, 0, { slotsLog2: 7, bufferBytes: 256 });
      for (const length of [64, 17, 33, 20]) {
        const bytes = frame(length * 8);
        guest.send(bytes, new Array<number>(length - 1).fill(8));
        card.settle();
        expect(gist(card.sent.at(-1)?.bytes), `${length} pieces, batches of ${batch}`).toBe(gist(bytes));
      }
    }
  });

  it('that never ends is a fault: a chain longer than the card, or than the ring', () => {
    for (const slotsLog2 of [2, 7]) {
      const card = new Card({ descriptorCacheSlots: 64 });
      const guest = new Guest(card, 0, { slotsLog2, bufferBytes: 256 });
      for (let index = 0; index < Math.min(guest.slots, 100); index += 1)
        guest.describeTransmit(guest.txBuffers, 8, 0);
      guest.ring();
      card.settle();
      expect(guest.peek(FAULT)).toBe(CHAIN_TOO_LONG);
    }
  });

  it.each([0, 16_385, 65_535])('with a buffer of %i bytes is a fault', (length) => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.describeTransmit(guest.txBuffers, length, END_OF_PACKET);
    guest.ring();
    card.settle();
    expect(guest.peek(FAULT)).toBe(DESCRIPTOR_LENGTH);
    expect(card.faults).toMatchObject([{ detail: length }]);
  });
});

describe('an access that the gate refuses', () => {
  it('faults the context: descriptors, payload or write-back', () => {
    for (const [reason, refused] of [
      [DESCRIPTOR_FETCH_ABORT, (guest: Guest) => guest.txRing],
      [PAYLOAD_ABORT, (guest: Guest) => guest.txBuffers],
      [WRITE_BACK_ABORT, (guest: Guest) => guest.statusBlock],
    ] as const) {
      const card = new Card();
      const guest = new Guest(card, 0);
      card.host.refuses = (access) => access.address === refused(guest);
      guest.send(frame(60));
      card.settle();
      expect(guest.peek(FAULT)).toBe(reason);
      expect(card.sent).toHaveLength(reason === WRITE_BACK_ABORT ? 1 : 0);
    }
  });

  it('costs the frame whose payload it was, with its reason counted', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    card.host.refuses = (access) => access.address === guest.txBuffers + guest.bufferBytes;
    for (let mark = 0; mark < 3; mark += 1) guest.post(frame(1514));
    guest.ring();
    card.settle();
    expect(card.nic.counters.drops('dma-abort', contextId(0))).toBe(1);
    const given = card.drops.filter((drop) => drop.direction === 'transmit').length;
    expect(card.sent.length + given).toBe(3);
  });

  it('may lie anywhere in 64 bits', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    card.host.view.setBigUint64(guest.txRing, 2n ** 64n - 7n, true);
    guest.txProducer = 1;
    card.host.view.setUint16(guest.txRing + 8, 60, true);
    card.host.view.setUint16(guest.txRing + 10, END_OF_PACKET, true);
    guest.ring();
    card.settle();
    expect(guest.peek(FAULT)).toBe(PAYLOAD_ABORT);
  });
});
