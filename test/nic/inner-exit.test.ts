import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PCIE } from '../../nic/pcie-link.js';
import { present } from '../../scheduler/present.js';
import { either, runs, some } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame, macOf } from './support/frames.js';
import type { Sender } from './support/full-rings.js';
import { FullRings, jain } from './support/full-rings.js';
import { Guest } from './support/guest.js';
import { COALESCE_FRAMES, COALESCE_NS, INTERRUPT, M_SWITCHING, REVOKE } from './support/registers.js';

const ELSEWHERE = 0x02_00_00_00_ff_01;
const MS = 1_000_000;

/** Greedy senders to the wire, all of weight 1. */
const toTheWire = (count: number, frameBytes = 1514): Sender[] =>
  Array.from({ length: count }, () => ({ frameBytes, weight: 1 }));

/** Bits per second that the first sender moves inside the card, once all are under way. */
function insideBps(senders: readonly Sender[]): number {
  const rings = new FullRings(senders);
  rings.run(MS);
  const before = rings.insideBytes[0] ?? 0;
  const windowNs = either(2 * MS, MS);
  rings.run(windowNs);
  rings.nic.checkInvariants();
  return (((rings.insideBytes[0] ?? 0) - before) * 8e9) / windowNs;
}

describe('frames between contexts', () => {
  const talker: Sender = { frameBytes: 1514, weight: 1, to: [1] };
  const listener: Sender = { frameBytes: 1514, weight: 1, to: ['wire'] };

  // 49 Gb/s alone and 0.27 beside four senders to a wire of 1 Gb/s: they waited for grants of the wire.
  it('do not wait for the wire: a pair moves as much beside four senders to it as alone', () => {
    const alone = insideBps([talker, listener]);
    const beside = insideBps([talker, listener, ...toTheWire(3)]);
    expect(beside).toBeGreaterThan(49e9);
    expect(beside / alone).toBeGreaterThan(0.98);
  });

  it('are not charged to the wire: its senders share it as if there were no others', () => {
    const senders = [talker, listener, ...toTheWire(3)];
    const rings = new FullRings(senders);
    rings.run(either(5 * MS, 2 * MS));
    const windowNs = either(20 * MS, 8 * MS);
    const shares = rings.run(windowNs);
    expect(shares[0]).toBe(0);
    expect(jain(shares.slice(1), senders.slice(1))).toBeGreaterThan(0.998);
    const wire = shares.reduce((sum, bytes) => sum + bytes, 0);
    expect((wire * 8e9) / windowNs).toBeGreaterThan(0.999e9);
  });

  it('and frames for the wire from one context: its share of the wire is that of its weight', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(60, 590, 1514),
        fc.constantFrom(60, 590, 1514),
        fc.array(fc.constantFrom<'wire' | number>('wire', 1), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('drr', 'srr', 'wf2q+'),
        (mixedBytes, otherBytes, pattern, discipline) => {
          const senders: Sender[] = [
            { frameBytes: mixedBytes, weight: 2, to: ['wire', ...pattern, 1] },
            ...toTheWire(3, otherBytes),
          ];
          // Frames complete in the order of their ring, so those that have left wait in it for those on the wire.
          const rings = new FullRings(senders, { discipline, slots: 2048 });
          rings.run(5 * MS);
          const shares = rings.run(20 * MS);
          rings.nic.checkInvariants();
          expect(jain(shares, senders)).toBeGreaterThan(0.99);
        },
      ),
      { numRuns: runs(10) },
    );
  });

  // 7.1 and 35 Gb/s: its 64 descriptors last for less than a fetch takes, and the others had the exit meanwhile.
  it('have equal shares whatever their sizes, as long as their rings hold more than the card can', () => {
    const pairs: readonly [number, number][] = [
      [60, 9018],
      [60, 1514],
      [590, 1514],
    ];
    for (const [small, large] of some(pairs)) {
      const senders: Sender[] = [
        { frameBytes: small, weight: 1, to: [2] },
        { frameBytes: large, weight: 1, to: [2] },
        { frameBytes: 60, weight: 1, to: ['wire'] },
      ];
      const rings = new FullRings(senders);
      rings.run(MS / 2);
      const before = rings.insideBytes.slice();
      rings.run(MS);
      rings.nic.checkInvariants();
      const got = rings.insideBytes.map((bytes, context) => bytes - (before[context] ?? 0)).slice(0, 2);
      expect(jain(got, senders.slice(0, 2)), `${small} and ${large}`).toBeGreaterThan(0.999);
      expect(got.reduce((sum, bytes) => sum + bytes, 0) * 8).toBeGreaterThan(30 * MS);
    }
  });

  it('do not wait for a guest that posts a frame at a time: it gets less, and slows no one', () => {
    const card = new Card({ contexts: 3 }, 1 << 22);
    card.manage(M_SWITCHING, 1);
    const [late, busy, to] = [0, 1, 2].map((context) => new Guest(card, context, { slotsLog2: 6 }));
    if (late === undefined || busy === undefined || to === undefined) throw new Error('a guest is missing');
    const ringOf = (context: number) => present(card.nic.contexts[context]).transmit;
    const count = { late: 0, busy: 0 };
    card.nic.innerGrants$.subscribe(({ context }) => {
      if (context === 0) count.late += 1;
      else count.busy += 1;
    });
    const again = card.kernel.register('test.post', (step) => {
      while (busy.txProducer - ringOf(1).consumer < 64) busy.post(frame(1514, to.mac, busy.mac));
      busy.ring();
      // Each frame comes while the one before it is on its way: whenever it is granted one, the next is posted and not here.
      if (step % 14 === 0 && late.txProducer - ringOf(0).consumer < 64)
        late.send(frame(60, to.mac, late.mac));
      if (card.kernel.nowNs < MS) card.kernel.post(50, again, step + 1);
    });
    card.kernel.post(0, again, 0);
    card.run(MS);
    expect(count.late).toBeGreaterThan(100);
    // 40 Gb/s of 1,514 bytes are 3,300 frames in a millisecond.
    expect(count.busy).toBeGreaterThan(3300);
  });

  it('share the inner exit by weight', () => {
    const senders: Sender[] = [
      { frameBytes: 1514, weight: 1, to: [2] },
      { frameBytes: 1514, weight: 3, to: [2] },
      { frameBytes: 60, weight: 1, to: ['wire'] },
    ];
    const rings = new FullRings(senders, { pcie: { ...DEFAULT_PCIE, lanes: 1 } });
    rings.run(2 * MS);
    const before = rings.insideBytes.slice();
    rings.run(10 * MS);
    const got = rings.insideBytes.map((bytes, index) => bytes - (before[index] ?? 0));
    expect((got[1] ?? 0) / (got[0] ?? 1)).toBeCloseTo(3, 1);
  });
});

describe('a context that sends inside and out', () => {
  it('has its frames completed in the order of its ring, whichever leaves first', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            inside: fc.boolean(),
            bytes: fc.integer({ min: 30, max: 1514 }),
            pieces: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
          }),
          { minLength: 1, maxLength: 14 },
        ),
        fc.constantFrom(1e7, 1e9, 1e11),
        (frames, rateBps) => {
          const card = new Card({ rateBps });
          const guests = [new Guest(card, 0, { slotsLog2: 6 }), new Guest(card, 1, { slotsLog2: 6 })];
          card.manage(M_SWITCHING, 1);
          guests[1]?.offer(40);
          card.settle();
          for (const { inside, bytes, pieces } of frames) {
            guests[0]?.post(frame(bytes, inside ? macOf(1) : ELSEWHERE, macOf(0)), pieces);
          }
          guests[0]?.ring();
          card.settle();
          const done = card.descriptors.filter(
            ({ context, direction, state }) =>
              context === 0 && direction === 'transmit' && state === 'completed',
          );
          let next = 0;
          for (const { index, count } of done) {
            expect(index).toBe(next);
            next += count;
          }
          expect(next).toBe(guests[0]?.txProducer);
          expect(guests[0]?.txConsumer).toBe(guests[0]?.txProducer);
          const inside = frames.filter((one) => one.inside).length;
          expect(guests[1]?.collect()).toHaveLength(inside);
          expect(card.sent).toHaveLength(frames.length - inside);
          expect(card.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
          card.nic.checkInvariants();
        },
      ),
      { numRuns: runs(100) },
    );
  });

  // A and C are for the wire, B and D stay inside and leave first; D wants an interrupt, and has it when C has left.
  it('keeps the interrupt of a held frame until that frame is completed, and counts each frame once', () => {
    const card = new Card({ rateBps: 1e7 });
    card.attachVectors(false);
    const [sender, other] = [new Guest(card, 0), new Guest(card, 1)];
    const interrupts: { readonly sent: number; readonly consumer: number }[] = [];
    card.host.onRaise = () => {
      const before = card.vectors.length;
      card.drainVectors();
      if (card.vectors.slice(before).some((bits) => bits.includes(0)))
        interrupts.push({ sent: card.sent.length, consumer: sender.txConsumer });
    };
    card.manage(M_SWITCHING, 1);
    other.offer(4);
    card.settle();
    sender.mailbox(COALESCE_FRAMES, 4);
    sender.mailbox(COALESCE_NS, 10_000_000);
    for (const [to, flags] of [
      [ELSEWHERE, 0],
      [macOf(1), 0],
      [ELSEWHERE, 0],
      [macOf(1), INTERRUPT],
    ] as const)
      sender.post(frame(1000, to, macOf(0)), [], flags);
    sender.ring();
    card.run(700_000);
    expect([card.sent.length, other.collect().length]).toEqual([0, 2]);
    card.run(400_000);
    expect(card.sent).toHaveLength(1);
    expect(interrupts).toEqual([]);
    const completed = () =>
      card.descriptors
        .filter(
          ({ context, direction, state }) =>
            context === 0 && direction === 'transmit' && state === 'completed',
        )
        .map(({ index, count }) => [index, count]);
    expect(completed()).toEqual([[0, 2]]);
    card.run(1_000_000);
    expect(card.sent).toHaveLength(2);
    expect(completed()).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(interrupts).toEqual([{ sent: 2, consumer: 4 }]);
    card.settle();
  });

  it('may close while frames of it are held, and its next life holds none of them', () => {
    const card = new Card({ rateBps: 1e7 });
    const sender = new Guest(card, 0);
    const other = new Guest(card, 1);
    card.manage(M_SWITCHING, 1);
    other.offer(8);
    sender.post(frame(1000, ELSEWHERE, macOf(0)));
    sender.post(frame(1000, macOf(1), macOf(0)), [], INTERRUPT);
    sender.ring();
    card.run(400_000);
    expect(other.collect()).toHaveLength(1);
    card.command(0, REVOKE);
    card.run(1);
    const next = new Guest(card, 0);
    next.send(frame(1000, ELSEWHERE, macOf(0)));
    next.send(frame(1000, macOf(1), macOf(0)));
    card.settle();
    expect(next.txConsumer).toBe(2);
    expect(other.collect()).toHaveLength(1);
  });

  it('is stopped when the host refuses the read of a destination', () => {
    const card = new Card();
    const sender = new Guest(card, 0);
    new Guest(card, 1);
    card.manage(M_SWITCHING, 1);
    card.host.refuses = ({ address, length }) => address === sender.txBuffers && length === 6;
    sender.send(frame(100, macOf(1), macOf(0)));
    card.settle();
    expect(card.faults).toMatchObject([
      { context: 0, direction: 'transmit', reason: 'payload-abort', detail: 0 },
    ]);
    card.nic.checkInvariants();
  });

  it('that changes an address after it was read sends nothing to the wire that the wire has not granted', () => {
    const card = new Card();
    const sender = new Guest(card, 0);
    const other = new Guest(card, 1);
    card.manage(M_SWITCHING, 1);
    other.offer(4);
    card.settle();
    // The address is read first, alone; then the guest writes another one.
    card.host.takesNs = ({ address, length, write }) => {
      if (!write && address === sender.txBuffers && length === 6)
        card.host.bytes.set(frame(100, ELSEWHERE, macOf(0)), sender.txBuffers);
      return 50;
    };
    sender.send(frame(100, macOf(1), macOf(0)));
    card.settle();
    expect(card.sent).toHaveLength(0);
    expect(card.drops).toMatchObject([{ direction: 'receive', reason: 'unknown-destination' }]);
    expect(sender.txConsumer).toBe(1);
    card.nic.checkInvariants();
  });

  it('is stopped in between: nothing of it is left', () => {
    const card = new Card({ rateBps: 1e7 });
    const sender = new Guest(card, 0, { slotsLog2: 5 });
    const other = new Guest(card, 1);
    card.manage(M_SWITCHING, 1);
    other.offer(8);
    for (let index = 0; index < 12; index += 1)
      sender.post(frame(1000, index % 2 === 0 ? ELSEWHERE : macOf(1), macOf(0)));
    sender.ring();
    card.kernel.run(card.kernel.nowNs + 900_000);
    card.nic.checkInvariants();
    sender.describeTransmit(0, 0, 1);
    sender.ring();
    card.settle();
    expect(card.faults).toHaveLength(1);
    expect(card.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
    card.nic.checkInvariants();
  });
});
