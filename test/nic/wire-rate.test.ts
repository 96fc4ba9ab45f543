import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame } from './support/frames.js';
import { Guest } from './support/guest.js';
import { pfc, timesOf } from './support/pfc.js';

/** Preamble and delimiter 8, FCS 4, gap 12 (IEEE 802.3, 4.4.2). */
const OVERHEAD_BYTES = 24;
const WIRE_BYTES = 1514 + OVERHEAD_BYTES;
/** A PFC frame on the wire. */
const PFC_BYTES = 60 + OVERHEAD_BYTES;
/** Of 802.3, annex 31B: a quantum. */
const QUANTUM_BITS = 512;

/** A card that has so many frames of 1,514 bytes of context 0 to send. */
function sending(frames: number, parameters: ConstructorParameters<typeof Card>[0] = {}) {
  const card = new Card({ transmitFifoBytes: 65_536, ...parameters }, 1 << 22);
  const guest = new Guest(card, 0, { slotsLog2: 8, bufferBytes: 2048, trafficClass: 3 });
  for (let index = 0; index < frames; index += 1) guest.post(frame(1514, undefined, guest.mac));
  guest.ring();
  return { card, guest };
}

/** Runs until so many frames have begun to leave, and then so many ns more. */
function runInto(card: Card, frames: number, ns: number): void {
  while (card.sent.length < frames && card.kernel.step());
  card.run(ns);
}

describe('the wire of a card gets another rate', () => {
  it('the frame on it ends at the old one, and those behind it go at the new one', () => {
    const { card } = sending(20, { rateBps: 1e9 });
    runInto(card, 5, 4_000);
    expect(card.nic.parameters.rateBps).toBe(1e9);
    card.nic.changeRate(10e9);
    expect(card.nic.parameters.rateBps).toBe(10e9);
    card.settle();
    const lasted = card.sent.map(({ startNs, endNs }) => endNs - startNs);
    // 1,538 bytes take 12,304 ns at 1 Gb/s, and at 10 Gb/s 1,230.4.
    expect(lasted.slice(0, 6)).toEqual(new Array(6).fill(12_304));
    const changedNs = card.sent[5]?.endNs ?? 0;
    for (const [index, { endNs }] of card.sent.slice(6).entries())
      expect(endNs).toBe(changedNs + Math.ceil((index + 1) * 1_230.4));
    // Bytes on the wire: 6 frames before, 14 after.
    expect(card.nic.line.busyNs).toBe(6 * 12_304 + Math.ceil(14 * 1_230.4));
    expect(card.nic.line.carriedBytes).toBe(20 * WIRE_BYTES);
  });

  it('at any instant, to any rate, however often: each frame takes the time of the rate at which it began', () => {
    const rates = fc.constantFrom(1e8, 1e9, 2.5e9, 1e10, 4e10);
    let slower = 0;
    fc.assert(
      fc.property(
        rates,
        fc.array(fc.record({ afterNs: fc.integer({ min: 1, max: 40_000 }), rateBps: rates }), {
          maxLength: 8,
        }),
        (rateBps, changes) => {
          const { card } = sending(40, { rateBps });
          const history = [{ atNs: 0, rateBps }];
          for (const change of changes) {
            card.run(change.afterNs);
            card.nic.changeRate(change.rateBps);
            card.nic.checkInvariants();
            history.push({ atNs: card.kernel.nowNs, rateBps: change.rateBps });
          }
          card.settle();
          expect(card.sent).toHaveLength(40);
          let lastEndNs = 0;
          for (const { startNs, endNs } of card.sent) {
            const rate = history.findLast(({ atNs }) => atNs <= startNs)?.rateBps ?? 0;
            // Both ends are rounded.
            expect(Math.abs(endNs - startNs - (WIRE_BYTES * 8e9) / rate)).toBeLessThan(1);
            expect(startNs).toBeGreaterThanOrEqual(lastEndNs);
            if (rate < rateBps) slower += 1;
            lastEndNs = endNs;
          }
        },
      ),
      { numRuns: runs(80) },
    );
    expect(slower).toBeGreaterThan(0);
  });

  it('a frame of flow control that waits behind the frame on the wire goes at the new one, and so does what is behind it', () => {
    // Class 3 holds its high mark as soon as one frame of 9,018 bytes waits for a descriptor.
    const { card, guest } = sending(10, {
      rateBps: 1e9,
      pfcClasses: 8,
      pfcXoffBytes: 9_018,
      pfcXonBytes: 100,
      pfcReceiveBytes: 40_000,
      pfcQuanta: 1_000,
    });
    runInto(card, 3, 2_000);
    const begunNs = card.sent[2]?.endNs ?? 0;
    card.arrive(frame(9018, guest.mac));
    card.run(100);
    card.nic.changeRate(100e6);
    card.run(2_000_000);
    const [control] = card.controls;
    expect(timesOf(control?.bytes ?? new Uint8Array())).toEqual({ 3: 1_000 });
    // At 100 Mb/s a byte takes 80 ns.
    const freeNs = begunNs + WIRE_BYTES * 8;
    expect(control?.startNs).toBe(freeNs);
    expect(control?.endNs).toBe(freeNs + PFC_BYTES * 80);
    expect(card.sent[3]?.endNs).toBe(freeNs);
    expect(card.sent[4]?.startNs).toBe(freeNs + PFC_BYTES * 80);
    expect(card.sent[4]?.endNs).toBe(freeNs + PFC_BYTES * 80 + WIRE_BYTES * 80);
    // It is asked for again when half of the pause is over, at the rate that the far end counts it by now.
    card.run(10_000_000);
    const [, again] = card.controls;
    const halfNs = (1_000 * QUANTUM_BITS * 10) / 2;
    const waitedNs = (again?.startNs ?? 0) - (control?.endNs ?? 0) - halfNs;
    // It waits for the frame that is on the wire then, if there is one.
    expect(waitedNs).toBeGreaterThanOrEqual(0);
    expect(waitedNs).toBeLessThan(WIRE_BYTES * 80);
  });

  it('a pause that is asked for while the last slow frame leaves is repeated in the time of the new rate', () => {
    const { card, guest } = sending(40, {
      rateBps: 100e6,
      pfcClasses: 8,
      pfcXoffBytes: 9_018,
      pfcXonBytes: 100,
      pfcReceiveBytes: 40_000,
      pfcQuanta: 1_000,
    });
    runInto(card, 3, 20_000);
    card.nic.changeRate(1e9);
    card.run(1_000);
    card.arrive(frame(9018, guest.mac));
    const asked = () => card.controls.length;
    while (asked() < 2 && card.kernel.step());
    const [first, second] = card.controls;
    const slowEndsNs = card.sent[3]?.endNs ?? 0;
    expect(first?.endNs).toBe(slowEndsNs + PFC_BYTES * 8);
    // Half of 1,000 quanta at 1 Gb/s, and at most the frame that is on the wire then.
    const laterNs = (second?.startNs ?? 0) - (first?.endNs ?? 0);
    expect(laterNs).toBeGreaterThanOrEqual(500 * QUANTUM_BITS);
    expect(laterNs).toBeLessThan(500 * QUANTUM_BITS + WIRE_BYTES * 8);
  });

  it.each([
    [1e9, 10e9],
    [10e9, 1e9],
    [1e9, 1e6],
    [8e11, 3e6],
  ])('what is left of a pause is counted in bits: from %d to %d b/s', (from, to) => {
    const { card } = sending(2, { rateBps: from, pfcClasses: 8 });
    card.settle();
    const beganNs = card.kernel.nowNs;
    card.arrive(pfc({ 3: 60_000 }));
    const bits = 60_000n * BigInt(QUANTUM_BITS);
    const passedNs = 30_000;
    card.run(passedNs);
    card.nic.changeRate(to);
    expect(card.nic.isPaused(contextId(0))).toBe(true);
    const left = bits * 1_000_000_000n - BigInt(passedNs) * BigInt(from);
    const leftNs = Number((left + BigInt(to) - 1n) / BigInt(to));
    card.kernel.run(beganNs + passedNs + leftNs - 1);
    expect(card.nic.isPaused(contextId(0))).toBe(true);
    card.run(1);
    expect(card.nic.isPaused(contextId(0))).toBe(false);
    // At the next one a quantum is that of the new rate.
    card.arrive(pfc({ 3: 10 }));
    const pauseNs = Math.ceil((10 * QUANTUM_BITS * 1e9) / to);
    card.run(pauseNs - 1);
    expect(card.nic.isPaused(contextId(0))).toBe(true);
    card.run(1);
    expect(card.nic.isPaused(contextId(0))).toBe(false);
  });

  it('and from one rate to another while it lasts', () => {
    const { card } = sending(0, { rateBps: 1e9, pfcClasses: 8 });
    const beganNs = card.kernel.nowNs;
    card.arrive(pfc({ 3: 1_000 }));
    for (const rateBps of [1e8, 1e10, 4e9]) {
      card.run(10_000);
      card.nic.changeRate(rateBps);
    }
    // Of 512,000 bits 10,000, 1,000 and 100,000 have passed; the rest takes a quarter of a nanosecond each.
    const leftNs = (512_000 - 10_000 - 1_000 - 100_000) / 4;
    card.kernel.run(beganNs + 30_000 + leftNs - 1);
    expect(card.nic.isPaused(contextId(0))).toBe(true);
    card.run(1);
    expect(card.nic.isPaused(contextId(0))).toBe(false);
  });

  it('what follows the rate is told when the frame on the wire has left, and at once on an idle one', () => {
    const told: [linkBps: number, nowNs: number][] = [];
    const watched = () =>
      Object.assign(makeDiscipline('sfq', { linkBps: 1e9 }), {
        linkRateChanged: (linkBps: number, nowNs: number) => told.push([linkBps, nowNs]),
      });
    const card = new Card({ rateBps: 1e9 }, 1 << 20, { transmit: watched(), receive: watched() });
    card.run(5_000);
    card.nic.changeRate(2e9);
    expect(told).toEqual([
      [2e9, 5_000],
      [2e9, 5_000],
    ]);
    const guest = new Guest(card, 0);
    guest.post(frame(1514, undefined, guest.mac));
    guest.ring();
    while (card.nic.line.freeAtNs <= card.kernel.nowNs && card.kernel.step());
    card.run(100);
    const endNs = card.nic.line.freeAtNs;
    card.nic.changeRate(1e8);
    expect(told).toHaveLength(2);
    card.settle();
    expect(card.sent[0]?.endNs).toBe(endNs);
    expect(told.slice(2)).toEqual([
      [1e8, endNs],
      [1e8, endNs],
    ]);
  });

  it('of several under one frame the last is told, once, to the schedulers and to the cable', () => {
    const told: [linkBps: number, nowNs: number][] = [];
    const watched = Object.assign(makeDiscipline('sfq', { linkBps: 1e9 }), {
      linkRateChanged: (linkBps: number, nowNs: number) => told.push([linkBps, nowNs]),
    });
    const card = new Card({ rateBps: 1e9 }, 1 << 20, { transmit: watched });
    const cable: [rateBps: number, nowNs: number][] = [];
    card.onRate = (rateBps) => cable.push([rateBps, card.kernel.nowNs]);
    const guest = new Guest(card, 0);
    const sendOne = () => {
      guest.post(frame(1514, undefined, guest.mac));
      guest.ring();
      while (card.nic.line.freeAtNs <= card.kernel.nowNs && card.kernel.step());
      return card.nic.line.freeAtNs;
    };
    const firstEndNs = sendOne();
    for (const rateBps of [2e9, 1e8, 5e9]) {
      card.run(100);
      card.nic.changeRate(rateBps);
    }
    card.settle();
    expect(cable).toEqual([[5e9, firstEndNs]]);
    expect(told).toEqual(cable);
    // Under the next frame there is an event again.
    const secondEndNs = sendOne();
    card.run(100);
    card.nic.changeRate(1e9);
    card.nic.changeRate(2e9);
    card.settle();
    expect(cable.slice(1)).toEqual([[2e9, secondEndNs]]);
    expect(told).toEqual(cable);
  });

  it('at the end of the frame under which there was one, in one event, whichever of the two comes first', () => {
    const card = new Card({ rateBps: 1e9 }, 1 << 20);
    const cable: [rateBps: number, nowNs: number][] = [];
    card.onRate = (rateBps) => cable.push([rateBps, card.kernel.nowNs]);
    const guest = new Guest(card, 0);
    guest.post(frame(1514, undefined, guest.mac));
    guest.ring();
    while (card.nic.line.freeAtNs <= card.kernel.nowNs && card.kernel.step());
    const endNs = card.nic.line.freeAtNs;
    // Its event lies before the one that the first change posts.
    card.kernel.scheduleAt(
      endNs,
      card.kernel.register('test.change', () => card.nic.changeRate(4e9)),
    );
    card.run(100);
    card.nic.changeRate(2e9);
    card.settle();
    expect(cable).toEqual([[4e9, endNs]]);
  });

  it('none that no wire of the card has', () => {
    const card = new Card();
    for (const rateBps of [0, 999_999, 8e11 + 1, 1.5e9 + 0.5, Number.NaN])
      expect(() => card.nic.changeRate(rateBps)).toThrow(
        `nic.rateBps is ${rateBps}, expected a whole number from 1000000 to 800000000000`,
      );
    expect(card.nic.parameters.rateBps).toBe(1e9);
  });
});
