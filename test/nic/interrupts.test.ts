import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame, macOf } from './support/frames.js';
import { Guest } from './support/guest.js';
import {
  COALESCE_FRAMES,
  COALESCE_NS,
  INTERRUPT,
  INTERRUPT_MASK,
  M_VECTOR_BYTES,
  M_VECTOR_CONSUMER,
  M_VECTOR_PRODUCER,
  M_VECTOR_RING_LOW,
  M_VECTOR_RING_SIZE,
  VECTOR_RING_HEADER,
} from './support/registers.js';

/** What a driver is told: the consumer index that it finds at each of its interrupts. */
function listen(card: Card, guest: Guest): number[] {
  const seen: number[] = [];
  card.host.onRaise = () => {
    const before = card.vectors.length;
    card.drainVectors();
    if (card.vectors.slice(before).some((bits) => bits.includes(guest.context))) seen.push(guest.txConsumer);
  };
  return seen;
}

describe('a physical interrupt', () => {
  it('comes after its vector and its index are in memory, and names the contexts that were updated', () => {
    const card = new Card();
    card.attachVectors();
    const guests = [0, 1, 2, 3].map((context) => new Guest(card, context));
    for (const index of [1, 3]) guests[index]?.mailbox(COALESCE_FRAMES, 1);
    for (const index of [1, 3]) guests[index]?.send(frame(60));
    card.settle();
    expect(card.vectors.flat()).toEqual([1, 3]);
    expect(card.nic.interruptsRaised).toBe(card.host.raised);
  });

  it('is raised only when the slower one of its two writes is over', () => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(COALESCE_FRAMES, 1);
    const vectorAt = 0x1000 + VECTOR_RING_HEADER;
    card.host.takesNs = (access) => (access.address === vectorAt ? 70_000 : 0);
    const raisedAtNs: number[] = [];
    card.host.onRaise = () => raisedAtNs.push(card.kernel.nowNs);
    guest.send(frame(60));
    card.settle();
    const writtenNs = card.host.log.find((access) => access.address === vectorAt)?.atNs ?? 0;
    expect(raisedAtNs).toEqual([writtenNs + 70_000]);
  });

  it('is not raised more often than the gap allows; bits gather meanwhile', () => {
    const card = new Card({ interruptGapNs: 50_000 });
    card.attachVectors();
    const guests = [0, 1, 2].map((context) => new Guest(card, context));
    const raisedAtNs: number[] = [];
    card.host.onRaise = () => {
      raisedAtNs.push(card.kernel.nowNs);
      card.drainVectors();
    };
    for (const guest of guests) guest.mailbox(COALESCE_FRAMES, 1);
    for (let round = 0; round < 8; round += 1) {
      for (const guest of guests) guest.send(frame(60));
      card.run(10_000);
    }
    card.settle();
    for (let index = 1; index < raisedAtNs.length; index += 1)
      expect((raisedAtNs[index] ?? 0) - (raisedAtNs[index - 1] ?? 0)).toBeGreaterThanOrEqual(50_000);
    expect(raisedAtNs.length).toBeLessThanOrEqual(4);
    expect(new Set(card.vectors.at(-1))).toEqual(new Set([0, 1, 2]));
  });

  it('is held back while the vector ring is full, and nothing that it would have said is lost', () => {
    const card = new Card({ interruptGapNs: 0, contexts: 32 }, 1 << 22);
    card.manage(M_VECTOR_RING_LOW, 0x1000);
    card.manage(M_VECTOR_RING_SIZE, 1);
    const guests = Array.from({ length: 6 }, (_, context) => new Guest(card, context));
    for (const guest of guests) {
      guest.mailbox(COALESCE_FRAMES, 1);
      guest.send(frame(60));
      card.settle();
    }
    expect(card.query(M_VECTOR_PRODUCER)).toBe(2);
    expect(card.host.raised).toBe(2);
    const bytes = card.query(M_VECTOR_BYTES);
    const entry = (slot: number) => card.host.u32(0x1000 + VECTOR_RING_HEADER + slot * bytes);
    expect([entry(0), entry(1)]).toEqual([1, 2]);
    card.manage(M_VECTOR_CONSUMER, 1);
    card.settle();
    expect(entry(0)).toBe(0b111100);
    expect(card.host.raised).toBe(3);
  });

  it('waits for a ring to be attached, and is reported again when the ring changes under way', () => {
    const card = new Card({ interruptGapNs: 0 });
    const guest = new Guest(card, 2);
    guest.mailbox(COALESCE_FRAMES, 1);
    guest.send(frame(60));
    card.settle();
    expect(card.host.raised).toBe(0);
    card.manage(M_VECTOR_RING_LOW, 0x1000);
    card.manage(M_VECTOR_RING_SIZE, 3);
    card.manage(M_VECTOR_RING_LOW, 0x2000);
    card.manage(M_VECTOR_RING_SIZE, 3);
    card.settle();
    expect(card.host.u32(0x2000)).toBe(1);
    expect(card.host.u32(0x2000 + VECTOR_RING_HEADER)).toBe(0b100);
  });

  it.each([32, 4096])('can name each of %i contexts, and the NIC itself', (contexts) => {
    const card = new Card({ contexts, requesterBase: 0x1000, interruptGapNs: 0 }, 1 << 20);
    card.attachVectors();
    const told: unknown[] = [];
    card.nic.streams.interrupts$.subscribe(({ contexts: named, management }) =>
      told.push([...named, management]),
    );
    for (const context of [0, 7, 31, contexts / 2, contexts - 1]) {
      const guest = new Guest(card, context, { base: 0x10000, slotsLog2: 1, mac: macOf(context) });
      guest.mailbox(COALESCE_FRAMES, 1);
      guest.send(frame(60));
      card.settle();
      expect(card.vectors.at(-1)).toEqual([context]);
      expect(told.at(-1)).toEqual([context, false]);
      guest.ring(5000);
      card.settle();
      expect(card.vectors.at(-1)).toEqual([contexts]);
      expect(told.at(-1)).toEqual([true]);
      card.command(context, 3);
    }
  });

  it('throws where the hypervisor gave a ring that the card may not write', () => {
    const card = new Card();
    card.attachVectors();
    card.host.refuses = (access) => access.address < 0x10000;
    new Guest(card, 0).send(frame(60));
    expect(() => card.settle()).toThrow(
      'the hypervisor gave the NIC a vector ring that the NIC may not write',
    );
  });
});

describe('completions', () => {
  it('raise an interrupt when the configured number has accumulated', () => {
    const card = new Card({ interruptGapNs: 0 });
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(COALESCE_FRAMES, 4);
    guest.mailbox(COALESCE_NS, 1_000_000);
    const seen = listen(card, guest);
    for (let index = 0; index < 10; index += 1) guest.post(frame(1514));
    guest.ring();
    card.run(500_000);
    expect(seen).toEqual([4, 8]);
    card.settle();
    expect(seen).toEqual([4, 8, 10]);
    expect(card.completions.map((event) => event.transmitConsumer)).toEqual([4, 8, 10]);
  });

  it('raise an interrupt when the first of them has waited for the configured time', () => {
    const card = new Card({ interruptGapNs: 0 });
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(COALESCE_FRAMES, 100);
    guest.mailbox(COALESCE_NS, 77_000);
    guest.send(frame(60));
    card.settle();
    const doneNs = card.sent[0]?.endNs ?? 0;
    const writtenNs = card.host.log.find((access) => access.address === guest.statusBlock)?.atNs ?? 0;
    expect(writtenNs - doneNs).toBeGreaterThanOrEqual(77_000);
    expect(writtenNs - doneNs).toBeLessThan(78_000);
  });

  it('raise an interrupt at once if they may not wait, or one of them asks for it', () => {
    for (const flag of [0, INTERRUPT]) {
      const card = new Card({ interruptGapNs: 0 });
      card.attachVectors();
      const guest = new Guest(card, 0);
      guest.mailbox(COALESCE_FRAMES, 100);
      guest.mailbox(COALESCE_NS, flag === 0 ? 0 : 10_000_000);
      const seen = listen(card, guest);
      guest.send(frame(60), [], flag);
      card.run(100_000);
      expect(seen).toEqual([1]);
    }
  });

  it.each([
    ['fewer frames', COALESCE_FRAMES, 1, 0],
    ['no wait', COALESCE_NS, 0, 0],
    ['a wait that is over', COALESCE_NS, 50_000, 0],
    ['a wait that ends sooner', COALESCE_NS, 300_000, 300_000],
    ['a wait that ends later', COALESCE_NS, 20_000_000, 20_000_000],
    ['more frames', COALESCE_FRAMES, 200, 10_000_000],
  ])('a change of the coalescing holds for what waits already: %s', (_what, mailbox, value, waitsNs) => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(COALESCE_FRAMES, 100);
    guest.mailbox(COALESCE_NS, 10_000_000);
    const raisedAtNs: number[] = [];
    card.host.onRaise = () => raisedAtNs.push(card.kernel.nowNs);
    guest.send(frame(60));
    card.run(100_000);
    expect(raisedAtNs).toEqual([]);
    guest.mailbox(mailbox, value);
    const changedAtNs = card.kernel.nowNs;
    card.settle();
    expect(raisedAtNs).toHaveLength(1);
    const [atNs = 0] = raisedAtNs;
    if (waitsNs === 0) expect(atNs - changedAtNs).toBeLessThan(10_000);
    else expect(atNs - waitsNs).toBeGreaterThan(0);
    expect(atNs - waitsNs).toBeLessThan(changedAtNs + (waitsNs === 0 ? 10_000 : 0));
    card.nic.checkInvariants();
  });

  // A ring shorter than COALESCE_FRAMES slept until the timer: its guest could post nothing more before that.
  it('of half a ring are told although more would have to gather: none of them is told later than that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), (slotsLog2) => {
        const card = new Card();
        card.attachVectors();
        const guest = new Guest(card, 0, { slotsLog2 });
        const seen = listen(card, guest);
        guest.mailbox(COALESCE_FRAMES, 65_535);
        guest.mailbox(COALESCE_NS, 1e9);
        for (let slot = 0; slot < 2 ** slotsLog2; slot += 1) guest.post(frame(60));
        guest.ring();
        card.run(1_000_000);
        expect(seen[0]).toBe(2 ** (slotsLog2 - 1));
        expect(seen.at(-1)).toBe(2 ** slotsLog2);
      }),
      { numRuns: runs(20) },
    );
  });

  it('do not lose their hurry to a write-back that is under way', () => {
    const card = new Card({ interruptGapNs: 0 });
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(COALESCE_FRAMES, 100);
    guest.mailbox(COALESCE_NS, 10_000_000);
    card.host.takesNs = (access) => (access.address === guest.statusBlock ? 30_000 : 0);
    const seen = listen(card, guest);
    guest.post(frame(60), [], INTERRUPT);
    guest.post(frame(1514), [], INTERRUPT);
    guest.ring();
    card.run(200_000);
    expect(seen.at(-1)).toBe(2);
    expect(card.completions.map((event) => event.transmitConsumer)).toEqual([1, 2]);
  });

  it('of one context do not wait for those of another', () => {
    const card = new Card({ interruptGapNs: 0 });
    card.attachVectors();
    const [quick, slow] = [new Guest(card, 0), new Guest(card, 1)];
    quick.mailbox(COALESCE_FRAMES, 1);
    slow.mailbox(COALESCE_NS, 5_000_000);
    quick.send(frame(60));
    slow.send(frame(60));
    card.run(1_000_000);
    expect(card.vectors.flat()).toEqual([0]);
    expect(slow.txConsumer).toBe(0);
    card.settle();
    expect(slow.txConsumer).toBe(1);
  });

  it('are told without a status block too', () => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 0, { statusBlock: false });
    guest.send(frame(60));
    card.settle();
    expect(card.vectors).toEqual([[0]]);
    expect(card.completions).toEqual([]);
  });
});

describe('a masked context', () => {
  it('gets its indices, and its interrupt when it unmasks', () => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 0);
    guest.mailbox(INTERRUPT_MASK, 1);
    guest.send(frame(60));
    card.settle();
    expect(guest.txConsumer).toBe(1);
    expect(card.host.raised).toBe(0);
    guest.mailbox(INTERRUPT_MASK, 0);
    card.settle();
    expect(card.vectors).toEqual([[0]]);
    guest.mailbox(INTERRUPT_MASK, 1);
    guest.mailbox(INTERRUPT_MASK, 0);
    card.settle();
    expect(card.host.raised).toBe(1);
  });

  it('that alternates between polling and sleeping never misses a completion', () => {
    // A driver in NAPI's manner: told by an interrupt it masks and polls; with nothing left it unmasks and
    // sleeps. It has lost if it sleeps for good while something is finished that it has not seen.
    const step = fc.record({ frames: fc.nat(4), runNs: fc.constantFrom(0, 100, 900, 5_000, 30_000) });
    const settings = fc.record({
      frames: fc.integer({ min: 1, max: 6 }),
      ns: fc.constantFrom(0, 500, 20_000),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), settings, (steps, coalesce) => {
        const card = new Card({ interruptGapNs: 3_000 });
        card.attachVectors();
        const guest = new Guest(card, 0, { slotsLog2: 7, bufferBytes: 128 });
        guest.mailbox(COALESCE_FRAMES, coalesce.frames);
        guest.mailbox(COALESCE_NS, coalesce.ns);
        let seen = 0;
        let polling = false;
        card.host.onRaise = () => {
          card.drainVectors();
          guest.mailbox(INTERRUPT_MASK, 1);
          polling = true;
        };
        const poll = () => {
          if (!polling) return;
          if (guest.txConsumer !== seen) {
            seen = guest.txConsumer;
            return;
          }
          polling = false;
          guest.mailbox(INTERRUPT_MASK, 0);
        };
        for (const { frames, runNs } of steps) {
          for (let index = 0; index < frames; index += 1) guest.post(frame(60));
          guest.ring();
          card.run(runNs);
          poll();
        }
        card.settle();
        for (let turn = 0; turn < 20 && (polling || card.kernel.pending > 0); turn += 1) {
          poll();
          card.settle();
        }
        expect(seen).toBe(guest.txProducer);
      }),
      { numRuns: runs(150) },
    );
  });
});
