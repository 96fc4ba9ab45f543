import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LINK, LinkPartner } from '../../guests/link-partner.js';
import { BorrowedFrame } from '../../guests/traffic/borrowed-frame.js';
import type { PullSource } from '../../guests/traffic/traffic-source.js';
import type { NicParameters } from '../../nic/parameters.js';
import { contextId } from '../../scheduler/branded.js';
import { Card } from '../nic/support/card.js';
import { frame } from '../nic/support/frames.js';
import { Guest } from '../nic/support/guest.js';
import { timesOf } from '../nic/support/pfc.js';
import { M_PFC_PAUSED, M_PFC_SELECT, M_PFC_SENT } from '../nic/support/registers.js';
import { runs } from '../support/whole.js';

/** Priority flow control between a card and a far end (IEEE 802.1Q, clause 36): classes in this mask. */
const CLASSES = 1 << 3;
const LONGEST = 9018;
/** Preamble and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). */
const OVERHEAD = 24;
const PFC_BYTES = 60 + OVERHEAD;

/**
 * Bytes that may still arrive once the mark is passed: while the PFC frame waits for the frame that the card is sending, while
 * it is sent, both ways along the cable, and the frame that the far end has begun. (802.1Q, annex "Buffer requirements
 * for PFC"; there the delays of both ports come on top, which are 0 here.)
 */
function headroomBytes(rateBps: number, propagationNs: number): number {
  return 2 * (LONGEST + OVERHEAD) + PFC_BYTES + Math.ceil((2 * propagationNs * rateBps) / 8e9);
}

interface Options extends Partial<NicParameters> {
  readonly rateBps: number;
  /** The highest that the wire will have. */
  readonly mostRateBps?: number;
  readonly propagationNs: number;
}

/** A card with a far end: guest 0 is of class 3, guest 1 of class 0. */
function bench({ propagationNs, mostRateBps, ...parameters }: Options, bufferBytes = 2048) {
  const card = new Card({ pfcClasses: CLASSES, ...parameters }, 1 << 24);
  const { rateBps } = parameters;
  const partner = new LinkPartner(card.kernel, {
    ...DEFAULT_LINK,
    rateBps,
    mostRateBps: mostRateBps ?? rateBps,
    propagationNs,
    pfcClasses: CLASSES,
    queueBytes: 2 ** 26,
  });
  partner.connect((bytes, offset, length) => card.nic.receive(bytes, offset, length));
  card.onControl = (bytes) => partner.controlSent(bytes, 0, bytes.length);
  card.onRate = (to) => partner.rateChanged(to);
  const guests = [3, 0].map(
    (trafficClass, index) =>
      new Guest(card, index, {
        trafficClass,
        slotsLog2: 6,
        bufferBytes,
        base: 0x100000 * (1 + index),
        mac: 0x020000000001 + index,
      }),
  );
  for (const [index, { mac }] of guests.entries()) partner.addStation(mac, index === 0 ? 3 : 0);
  const send = (guest: number, bytes: number, mark = 0) =>
    partner.send(frame(bytes, guests[guest]?.mac, undefined, mark), 0, bytes);
  return { card, partner, guests, send };
}

const drops = (card: Card, context: number) => card.nic.counters.dropsOf(contextId(context));

describe('a class with flow control', () => {
  it('loses nothing on receive where the headroom is adequate, whatever its guest does', () => {
    let stopped = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(1e9, 10e9, 100e9, 400e9),
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: LONGEST, max: 40_000 }),
        fc.integer({ min: 64, max: 4_000 }),
        fc.array(fc.constantFrom(60, 590, 1514, LONGEST), { minLength: 20, maxLength: 200 }),
        fc.array(fc.record({ afterNs: fc.nat({ max: 60_000 }), buffers: fc.nat({ max: 40 }) }), {
          maxLength: 20,
        }),
        (rateBps, propagationNs, pfcXoffBytes, pfcQuanta, sizes, refills) => {
          const { card, partner, guests, send } = bench({
            rateBps,
            propagationNs,
            pfcQuanta,
            pfcXoffBytes,
            pfcXonBytes: pfcXoffBytes >> 1,
            pfcReceiveBytes: pfcXoffBytes + LONGEST + headroomBytes(rateBps, propagationNs),
          });
          const [guest] = guests;
          if (guest === undefined) throw new Error('there is no guest');
          for (const [mark, bytes] of sizes.entries()) send(0, bytes, mark);
          // What the card sends meanwhile is the longest that a PFC frame can wait for.
          guest.send(frame(LONGEST, undefined, guest.mac));
          let offered = 0;
          let received = 0;
          const refill = (buffers: number) => {
            received += guest.collect().length;
            const free = guest.slots - (guest.rxProducer - guest.rxConsumer);
            guest.offer(Math.min(buffers, free));
            offered += buffers;
          };
          for (const { afterNs, buffers } of refills) {
            card.run(afterNs);
            partner.checkInvariants();
            refill(buffers);
          }
          for (let step = 0; step < 400 && received < sizes.length; step += 1) {
            refill(60);
            card.run(100_000);
          }
          expect(drops(card, 0)).toEqual({});
          expect(received).toBe(sizes.length);
          expect(offered).toBeGreaterThan(0);
          expect(card.query(M_PFC_PAUSED)).toBe(0);
          expect(partner.droppedFull).toBe(0);
          if (card.controls.length > 0) stopped += 1;
        },
      ),
      { numRuns: runs(60) },
    );
    // Most runs come to the mark.
    expect(stopped).toBeGreaterThan(runs(60) / 2);
  });

  it('loses nothing while the wire gets other rates, where the headroom is adequate at the highest', () => {
    const all = [1e8, 1e9, 1e10, 1e11];
    let stopped = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.record({ afterNs: fc.nat({ max: 80_000 }), to: fc.constantFrom(...all) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 0, max: 2_000 }),
        // Pauses of which half is more than the longest frame: it may be on the wire when the rate changes.
        fc.integer({ min: 400, max: 4_000 }),
        fc.array(fc.constantFrom(60, 590, 1514, LONGEST), { minLength: 20, maxLength: 120 }),
        (rateBps, changes, propagationNs, pfcQuanta, sizes) => {
          const mostRateBps = Math.max(rateBps, ...changes.map(({ to }) => to));
          const { card, partner, guests, send } = bench({
            rateBps,
            mostRateBps,
            propagationNs,
            pfcQuanta,
            pfcXoffBytes: LONGEST,
            pfcXonBytes: LONGEST >> 1,
            pfcReceiveBytes: 2 * LONGEST + headroomBytes(mostRateBps, propagationNs),
          });
          const [guest] = guests;
          if (guest === undefined) throw new Error('there is no guest');
          for (const [mark, bytes] of sizes.entries()) send(0, bytes, mark);
          guest.send(frame(LONGEST, undefined, guest.mac));
          for (const { afterNs, to } of changes) {
            card.run(afterNs);
            card.nic.changeRate(to);
            partner.checkInvariants();
            card.nic.checkInvariants();
          }
          // For a long time nobody takes frames, and the pause has to be repeated in time.
          card.run(3_000_000);
          let received = 0;
          for (let step = 0; step < 2_000 && received < sizes.length; step += 1) {
            received += guest.collect().length;
            guest.offer(guest.slots - (guest.rxProducer - guest.rxConsumer));
            card.run(100_000);
          }
          expect(drops(card, 0)).toEqual({});
          expect(received).toBe(sizes.length);
          expect(partner.framesWaiting).toBe(0);
          if (card.controls.length > 0) stopped += 1;
        },
      ),
      { numRuns: runs(60) },
    );
    expect(stopped).toBeGreaterThan(runs(60) / 2);
  });

  it('loses frames where there is no headroom: the bound above is no luxury', () => {
    const { card, send } = bench({
      rateBps: 100e9,
      propagationNs: 2_000,
      pfcXoffBytes: 20_000,
      pfcXonBytes: 10_000,
      pfcReceiveBytes: 20_000,
    });
    for (let mark = 0; mark < 100; mark += 1) send(0, 1514, mark);
    card.run(1_000_000);
    expect(drops(card, 0)['receive-share-full']).toBeGreaterThan(0);
  });

  it('is stopped by a PFC frame at the high mark, which is repeated, and goes on at the low mark', () => {
    const { card, guests, partner, send } = bench({ rateBps: 1e9, propagationNs: 500, pfcQuanta: 1000 });
    for (let mark = 0; mark < 200; mark += 1) send(0, 1514, mark);
    card.run(5_000_000);
    const said = card.controls.map(({ bytes }) => timesOf(bytes));
    expect(said.length).toBeGreaterThan(5);
    for (const times of said) expect(times).toEqual({ 3: 1000 });
    // 131,072 bytes are 87 frames of 1,514; the one on the wire still comes.
    expect(partner.framesToNic).toBe(88);
    // Half of 1,000 quanta of 512 ns after the last bit of the one before.
    const [first, second] = card.controls;
    expect(first?.startNs).toBe(87 * 1538 * 8 + 500);
    expect(first?.endNs).toBe(87 * 1538 * 8 + 500 + PFC_BYTES * 8);
    expect((second?.startNs ?? 0) - (first?.endNs ?? 0)).toBe(500 * 512);
    expect(card.query(M_PFC_PAUSED)).toBe(CLASSES * 256);

    // The low mark of 65,536 bytes is passed with 43 frames left.
    guests[0]?.offer(60);
    card.run(2_000_000);
    expect(card.controls.map(({ bytes }) => timesOf(bytes)?.[3])).toContain(0);
    card.manage(M_PFC_SELECT, 3);
    expect(card.query(M_PFC_SENT)).toBe(card.controls.length);
    expect(drops(card, 0)).toEqual({});
  });

  it('does not stop the others, which lose frames as ever', () => {
    const { card, guests, partner, send } = bench({ rateBps: 1e9, propagationNs: 500 });
    for (let mark = 0; mark < 200; mark += 1) {
      send(0, 1514, mark);
      send(1, 60, mark);
    }
    guests[1]?.offer(64);
    card.run(5_000_000);
    expect(partner.pauses?.has(3)).toBe(true);
    expect(partner.pauses?.has(0)).toBe(false);
    expect(guests[1]?.collect()).toHaveLength(64);
    expect(drops(card, 1)).toEqual({ 'no-receive-buffer': 136 });
    expect(drops(card, 0)).toEqual({});
  });

  it('gives what it holds back when its context is revoked, and its class goes on', () => {
    const { card, partner, send } = bench({ rateBps: 1e9, propagationNs: 500 });
    for (let mark = 0; mark < 200; mark += 1) send(0, 1514, mark);
    card.run(5_000_000);
    expect(card.command(0, 3)).toBe(0); // revoke
    card.run(5_000_000);
    expect(partner.pauses?.has(3)).toBe(false);
    expect(partner.framesWaiting).toBe(0);
    expect(drops(card, 0)).toEqual({ 'context-stopped': 88 });
  });

  it('drops a frame that no posting of its guest could ever hold: the ring is full of buffers that are too small', () => {
    const { card, guests, send } = bench({ rateBps: 1e9, propagationNs: 500 }, 64);
    guests[0]?.offer(64, 64);
    send(0, LONGEST);
    send(0, 60);
    card.run(1_000_000);
    expect(drops(card, 0)).toEqual({ 'no-receive-buffer': 1 });
    expect(guests[0]?.collect()).toHaveLength(1);
  });
});

describe('the far end', () => {
  it('sends PFC frames behind the frame on the wire and before those that wait', () => {
    const { card, partner, send } = bench({ rateBps: 1e9, propagationNs: 500 });
    for (let mark = 0; mark < 20; mark += 1) send(1, 1514, mark);
    partner.pauseClasses([undefined, undefined, undefined, 100]);
    card.run(1538 * 8 + PFC_BYTES * 8 + 499);
    expect(card.nic.isPaused(contextId(0))).toBe(false);
    card.run(1);
    expect(card.nic.isPaused(contextId(0))).toBe(true);
    expect(card.nic.isPaused(contextId(1))).toBe(false);
  });

  it('keeps the order and the instants of one queue while no class is paused', () => {
    const arrivals = [0, CLASSES].map((pfcClasses) => {
      const card = new Card();
      const partner = new LinkPartner(card.kernel, { ...DEFAULT_LINK, rateBps: 25e9, pfcClasses });
      const seen: string[] = [];
      partner.connect((bytes, offset, length) =>
        seen.push(`${card.kernel.nowNs} ${length} ${bytes[offset + 20]}`),
      );
      partner.addStation(1, 3);
      for (let mark = 0; mark < 50; mark += 1)
        partner.send(frame(60 + mark * 17, mark % 2 === 0 ? 1 : 2, undefined, mark), 0, 60 + mark * 17);
      partner.attach(some(100));
      card.kernel.run(1_000_000);
      partner.checkInvariants();
      return seen;
    });
    expect(arrivals[0]?.length).toBe(150);
    expect(arrivals[1]).toEqual(arrivals[0]);
  });
});

/** A source of so many frames. */
function some(count: number): PullSource {
  const lent = new BorrowedFrame('some');
  let left = count;
  return {
    kind: 'pull',
    name: 'some',
    pull() {
      left -= 1;
      return left < 0 ? undefined : lent.lend(frame(300, 2, undefined, left));
    },
  };
}
