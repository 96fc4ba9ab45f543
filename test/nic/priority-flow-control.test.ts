import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame } from './support/frames.js';
import { FullRings, jain, type Sender } from './support/full-rings.js';
import { Guest } from './support/guest.js';
import { pfc } from './support/pfc.js';
import {
  ALLOCATE,
  M_PFC_CLASSES,
  M_PFC_PAUSED,
  M_PFC_RECEIVED,
  M_PFC_SELECT,
  M_PFC_SENT,
  M_TRAFFIC_CLASS,
  M_WEIGHT,
  ONES,
  OPEN,
  REWEIGH,
} from './support/registers.js';

const MS = 1_000_000;
/** A quantum at 1 Gb/s, ns (512 bit times: IEEE 802.3, 31D.3). */
const QUANTUM_NS = 512;
const FIFO_BYTES = 16_384;

/** Instants at which each context was granted a frame for the wire. */
function grantTimes(rings: FullRings): number[][] {
  const times: number[][] = rings.nic.contexts.map(() => []);
  rings.nic.grants$.subscribe(({ context, atNs }) => times[context]?.push(atNs));
  return times;
}

const receive = (rings: FullRings, bytes: Uint8Array) => rings.nic.receive(bytes, 0, bytes.length);

/** Four greedy senders: classes 3, 3, 0 and 5. */
const SENDERS: readonly Sender[] = [3, 3, 0, 5].map((trafficClass) => ({
  frameBytes: 1514,
  weight: 1,
  trafficClass,
}));

describe('a PFC frame that arrives (IEEE 802.1Q, clause 36; IEEE 802.3, annex 31D)', () => {
  it('pauses the contexts of the classes that it names, for as many quanta, and no others', () => {
    const rings = new FullRings(SENDERS, { pfcClasses: 0xff });
    const times = grantTimes(rings);
    rings.run(MS);
    receive(rings, pfc({ 3: 1000 }));
    rings.run(MS);
    const endNs = MS + 1000 * QUANTUM_NS;
    for (const context of [0, 1]) {
      const after = times[context]?.filter((atNs) => atNs >= MS) ?? [];
      expect(Math.min(...after), `context ${context}`).toBeGreaterThanOrEqual(endNs);
      expect(Math.min(...after), `context ${context}`).toBeLessThan(endNs + 4 * 12_304);
    }
    const during = (context: number) =>
      times[context]?.filter((atNs) => atNs >= MS && atNs < endNs).length ?? 0;
    // 512 us at 1 Gb/s are 41.6 frames of 1,538 byte times, shared by two.
    expect(during(2)).toBeGreaterThanOrEqual(20);
    expect(during(3)).toBeGreaterThanOrEqual(20);
    rings.nic.checkInvariants();
  });

  it('with a time of 0 lets a class go on at once', () => {
    const rings = new FullRings(SENDERS, { pfcClasses: 8 });
    const times = grantTimes(rings);
    rings.run(MS);
    receive(rings, pfc({ 3: 0xffff }));
    rings.run(MS);
    receive(rings, pfc({ 3: 0 }));
    rings.run(MS);
    const after = times[0]?.filter((atNs) => atNs >= MS) ?? [];
    expect(after.filter((atNs) => atNs < 2 * MS)).toEqual([]);
    expect(Math.min(...after)).toBeLessThan(2 * MS + 4 * 12_304);
  });

  it('sets the timer anew: the later frame says when the pause is over, be that earlier or later', () => {
    for (const [first, second] of [
      [1000, 100],
      [100, 1000],
    ] as const) {
      const rings = new FullRings(SENDERS, { pfcClasses: 8 });
      const times = grantTimes(rings);
      rings.run(MS);
      receive(rings, pfc({ 3: first }));
      rings.run(10_000);
      receive(rings, pfc({ 3: second }));
      rings.run(MS);
      const endNs = MS + 10_000 + second * QUANTUM_NS;
      const after = times[0]?.filter((atNs) => atNs >= MS) ?? [];
      expect(Math.min(...after)).toBeGreaterThanOrEqual(endNs);
      expect(Math.min(...after)).toBeLessThan(endNs + 4 * 12_304);
    }
  });

  it('says nothing of a class whose bit is not set, nor of one without flow control', () => {
    const rings = new FullRings(SENDERS, { pfcClasses: 8 });
    const times = grantTimes(rings);
    rings.run(MS);
    const silent = pfc({ 5: 0xffff });
    silent.set([0xff, 0xff], 18 + 2 * 3);
    receive(rings, silent);
    rings.run(MS);
    for (const list of times) expect(list.filter((atNs) => atNs > MS + 50_000).length).toBeGreaterThan(10);
  });

  it('is for the port: no context gets it and none is counted; without flow control it is a frame as any other', () => {
    for (const [pfcClasses, received] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const card = new Card({ pfcClasses });
      const guest = new Guest(card, 0, { permissions: 1 });
      guest.offer(4);
      guest.mailbox(0x14, 1); // RX_MODE: promiscuous
      card.settle();
      card.arrive(pfc({ 0: 10 }));
      card.settle();
      expect(guest.collect()).toHaveLength(received);
      expect(card.nic.counters.totalDrops()).toBe(0);
    }
  });

  it('to another address, or with the opcode of PAUSE, pauses nothing', () => {
    const pause = pfc({ 3: 0xffff });
    pause.set([0x00, 0x01], 14);
    for (const bytes of [pfc({ 3: 0xffff }, 0x0180c2000000), pause, pfc({ 3: 0xffff }).slice(0, 60)]) {
      const rings = new FullRings(SENDERS, { pfcClasses: 8 });
      const times = grantTimes(rings);
      receive(rings, bytes);
      rings.run(MS);
      const isReal = bytes[5] === 1 && bytes[14] === 1;
      expect((times[0]?.length ?? 0) > 0).toBe(!isReal);
    }
  });

  // 802.1Q, 36.1.3.3 allows what is on its way to be sent; here that is what the FIFO holds.
  it('does not call back what was granted: at most the FIFO and the frame on the wire still go', () => {
    const rings = new FullRings(SENDERS.slice(0, 1), { pfcClasses: 8 });
    rings.run(MS);
    receive(rings, pfc({ 3: 0xffff }));
    const [bytes = 0] = rings.run(10 * MS);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual((FIFO_BYTES * 1538) / 1514);
    const [later] = rings.run(10 * MS);
    expect(later).toBe(0);
  });
});

describe('while a class is paused', () => {
  const disciplines = ['drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq', 'prr', 'wrr', 'fifo', 'priority'];

  it('no frame of it is granted, the others share the wire by weight, and afterwards all do', () => {
    const pauses = fc.array(
      fc.record({
        waitNs: fc.integer({ min: 0, max: 400_000 }),
        trafficClass: fc.constantFrom(1, 2),
        quanta: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 800 })),
      }),
      { minLength: 1, maxLength: 12 },
    );
    const weights = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.constantFrom(...disciplines, 'drr/sfq', 'limited:drr', 'minimum:wf2q+'),
        pauses,
        weights,
        fc.constantFrom(60, 590, 1514),
        (discipline, list, weightsOf, small) => {
          const senders = weightsOf.map((weight, index) => ({
            frameBytes: index % 2 === 0 ? small : 1514,
            weight,
            trafficClass: index % 3,
          }));
          const rings = new FullRings(senders, { pfcClasses: 6, discipline });
          const untilNs = [0, 0, 0];
          let wrong = 0;
          rings.nic.grants$.subscribe(({ context, atNs }) => {
            if (atNs < (untilNs[context % 3] ?? 0)) wrong += 1;
          });
          for (const { waitNs, trafficClass, quanta } of list) {
            rings.run(waitNs);
            receive(rings, pfc({ [trafficClass]: quanta }));
            untilNs[trafficClass] = rings.kernel.nowNs + quanta * QUANTUM_NS;
            rings.nic.checkInvariants();
          }
          expect(wrong).toBe(0);
          rings.run(800 * QUANTUM_NS);
          rings.nic.checkInvariants();
          // Nothing is left paused, and what was missed is not paid back at the cost of the others.
          const ofAll = rings.run(5 * MS);
          if (['drr', 'srr', 'sfq', 'scfq', 'wf2q+'].includes(discipline))
            expect(jain(ofAll, senders)).toBeGreaterThan(0.98);
          expect(ofAll.reduce((sum, bytes) => sum + bytes, 0) * 8).toBeGreaterThan(0.98 * 5 * MS);
        },
      ),
      { numRuns: runs(40) },
    );
  });

  it('contexts of the others have their shares, whatever is repeated', () => {
    for (const discipline of ['drr', 'srr', 'sfq', 'wf2q+', 'qfq']) {
      const senders = [0, 0, 3, 3].map((trafficClass, index) => ({
        frameBytes: index % 2 === 0 ? 60 : 1514,
        weight: 1 + index,
        trafficClass,
      }));
      const rings = new FullRings(senders, { pfcClasses: 8, discipline });
      rings.run(MS);
      const before = rings.wireBytes.slice();
      for (let step = 0; step < 25; step += 1) {
        receive(rings, pfc({ 3: step % 5 === 4 ? 0 : 400 }));
        rings.run(200_000);
      }
      const got = [0, 1].map((context) => (rings.wireBytes[context] ?? 0) - (before[context] ?? 0));
      expect(jain(got, senders.slice(0, 2)), discipline).toBeGreaterThan(0.999);
    }
  });

  it('short pauses cost its contexts only the time that they last: what drr had saved is kept', () => {
    const senders = [0, 3].map((trafficClass) => ({ frameBytes: 1514, weight: 1, trafficClass }));
    const rings = new FullRings(senders, { pfcClasses: 8 });
    rings.run(MS);
    const before = rings.wireBytes.slice();
    // Each 200 us a pause of 20: the paused class has nine tenths of the time, and half of that.
    for (let step = 0; step < 100; step += 1) {
      receive(rings, pfc({ 3: 39 }));
      rings.run(200_000);
    }
    const [other = 0, paused = 0] = rings.wireBytes.map((bytes, context) => bytes - (before[context] ?? 0));
    const part = paused / (paused + other);
    expect(part).toBeGreaterThan(0.4);
    expect(part).toBeLessThan(0.5);
  });

  it('a context may be opened, reweighed or revoked: it sends when the pause is over', () => {
    const card = new Card({ pfcClasses: 8 });
    card.arrive(pfc({ 3: 1000 }));
    const guest = new Guest(card, 1, { trafficClass: 3 });
    guest.send(frame(1514));
    card.manage(M_WEIGHT, 7);
    expect(card.command(1, REWEIGH)).toBe(0);
    card.run(900 * QUANTUM_NS);
    expect(card.sent).toHaveLength(0);
    card.settle();
    expect(card.sent).toHaveLength(1);
    expect(card.sent[0]?.startNs).toBeGreaterThanOrEqual(1000 * QUANTUM_NS);
    card.arrive(pfc({ 3: 1000 }));
    guest.send(frame(1514));
    card.run(10_000);
    expect(card.command(1, 3)).toBe(0); // revoke
    card.settle();
    expect(card.sent).toHaveLength(1);
  });
});

describe('registers of flow control', () => {
  it('give the classes, which are paused, and the frames by class', () => {
    const card = new Card({ pfcClasses: 0x28 });
    expect(card.query(M_PFC_CLASSES)).toBe(0x28);
    card.arrive(pfc({ 3: 100, 5: 100, 1: 100 }));
    card.arrive(pfc({ 5: 0 }));
    expect(card.query(M_PFC_PAUSED)).toBe(8);
    const counts = [0, 1, 3, 5].map((trafficClass) => {
      card.manage(M_PFC_SELECT, trafficClass);
      return card.query(M_PFC_RECEIVED);
    });
    expect(counts).toEqual([0, 1, 1, 2]);
    expect(card.query(M_PFC_SENT)).toBe(0);
    card.settle();
    expect(card.query(M_PFC_PAUSED)).toBe(0);
  });

  it('refuse a class above 7, and read as 0 where no class has flow control', () => {
    const card = new Card();
    for (const register of [M_TRAFFIC_CLASS, M_PFC_SELECT]) {
      expect(card.manage(register, 8)).toBe(false);
      expect(card.manage(register, 7)).toBe(true);
      expect(card.query(register)).toBe(7);
    }
    for (const register of [M_PFC_CLASSES, M_PFC_PAUSED, M_PFC_RECEIVED, M_PFC_SENT]) {
      expect(card.query(register)).toBe(0);
      expect(card.manage(register, 1)).toBe(false);
    }
    expect(card.query(0xc4)).toBe(ONES);
  });

  it('give a context its class when it is opened, and not before', () => {
    const card = new Card({ pfcClasses: 8 });
    const guest = new Guest(card, 2, { trafficClass: 3 });
    expect(card.nic.contexts[2]?.trafficClass).toBe(3);
    card.manage(M_TRAFFIC_CLASS, 1);
    expect(card.nic.contexts[2]?.trafficClass).toBe(3);
    expect(guest.card.command(2, ALLOCATE)).not.toBe(0);
    expect(card.command(2, OPEN)).not.toBe(0);
    expect(card.nic.isPaused(contextId(2))).toBe(false);
  });
});

describe("guests' own PFC frames", () => {
  it('do not leave the card (attack `pause-flood`), with flow control or without', () => {
    for (const pfcClasses of [0, 0xff]) {
      const card = new Card({ pfcClasses });
      const guest = new Guest(card, 1, { trafficClass: 3 });
      guest.send(pfc({ 0: 0xffff, 3: 0xffff }));
      card.settle();
      expect(card.sent).toHaveLength(0);
      expect(card.controls).toHaveLength(0);
      expect(card.nic.counters.dropsOf(contextId(1))).toEqual({ 'mac-control': 1 });
    }
  });
});
