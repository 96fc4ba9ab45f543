import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { Card } from './support/card.js';
import type { Access } from './support/flat-host.js';
import { frame } from './support/frames.js';
import { Guest } from './support/guest.js';
import {
  COALESCE_FRAMES,
  COALESCE_NS,
  FAULT,
  FAULTED,
  M_FAULT_CONTEXT,
  M_FAULT_REASON,
  OPENED,
  PAYLOAD_ABORT,
  PRODUCER_OUT_OF_RANGE,
  REVOKE,
  RX_PRODUCER,
  STATUS,
  TX_PRODUCER,
} from './support/registers.js';

/** Three guests that send all the time; the first of them misbehaves after a while if it is told to. */
function race(misbehave: ((card: Card, guest: Guest) => void) | undefined): Card {
  const card = new Card();
  card.attachVectors();
  const guests = [0, 1, 2].map((context) => new Guest(card, context, { slotsLog2: 7, bufferBytes: 1536 }));
  for (const guest of guests) {
    for (let index = 0; index < 60; index += 1) guest.post(frame(1514));
    guest.ring();
  }
  const culprit = guests[0];
  card.run(400_000);
  if (culprit !== undefined) misbehave?.(card, culprit);
  card.settle();
  return card;
}

describe('a context that faults', () => {
  it('stops, and is reported to the hypervisor by its own bit of the vector', () => {
    const card = new Card();
    card.attachVectors();
    const guest = new Guest(card, 1);
    guest.ring(1000);
    card.settle();
    expect(guest.peek(STATUS)).toBe(FAULTED);
    expect(card.vectors).toEqual([[4]]);
    expect(card.query(M_FAULT_CONTEXT)).toBe(1);
    expect(card.query(M_FAULT_REASON)).toBe(PRODUCER_OUT_OF_RANGE);
  });

  it('takes no doorbell and gets no frame any more', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(4);
    guest.ring(1000);
    card.settle();
    guest.post(frame(60));
    expect(guest.mailbox(TX_PRODUCER, 1)).toBe(false);
    card.arrive(frame(60, guest.mac));
    card.settle();
    expect(card.sent).toHaveLength(0);
    expect(card.drops).toMatchObject([{ context: -1, reason: 'unknown-destination' }]);
  });

  it('faults once, whatever else goes wrong with it', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    card.host.refuses = (access) => access.address >= guest.txBuffers;
    for (let index = 0; index < 4; index += 1) guest.post(frame(60));
    guest.mailbox(RX_PRODUCER, 9999);
    guest.ring();
    card.settle();
    expect(card.faults).toHaveLength(1);
  });

  it('leaves the others undisturbed: each sends all it has, and the wire is never idle', () => {
    const untroubled = race(undefined);
    const misbehaviours: ((card: Card, guest: Guest) => void)[] = [
      (_, guest) => guest.ring(99_999),
      (card, guest) => {
        card.host.refuses = (access: Access) => access.requesterId === 0x100 && !access.write;
        guest.ring();
      },
      (card) => card.command(0, REVOKE),
    ];
    for (const misbehave of misbehaviours) {
      const card = race(misbehave);
      for (const context of [1, 2]) {
        expect(card.nic.counters.get('framesTransmitted', contextId(context))).toBe(60);
        expect(card.nic.read(context * 4096 + STATUS, 4)).toBe(OPENED);
      }
      for (let index = 1; index < card.sent.length; index += 1)
        expect(card.sent[index]?.startNs).toBe(card.sent[index - 1]?.endNs);
      expect(card.sent.at(-1)?.endNs).toBeLessThan(untroubled.sent.at(-1)?.endNs ?? 0);
    }
  });

  it('does not stop the simulator', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    card.host.refuses = () => true;
    guest.send(frame(60));
    expect(() => card.settle()).not.toThrow();
    expect(guest.peek(STATUS)).toBe(FAULTED);
  });

  it('keeps its reason until it is revoked, and can be opened again then', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    card.host.refuses = (access) => access.address === guest.txBuffers;
    guest.send(frame(60));
    card.settle();
    expect(guest.peek(FAULT)).toBe(PAYLOAD_ABORT);
    card.command(0, REVOKE);
    expect(guest.peek(FAULT)).toBe(0);
    card.host.refuses = () => false;
    const next = new Guest(card, 0);
    next.send(frame(60));
    card.settle();
    expect(next.txConsumer).toBe(1);
  });
});

describe('revocation while transfers are in flight', () => {
  it('lets not one byte of the context through afterwards, at any moment', () => {
    // The same traffic is stopped at each of many instants; descriptors, payload and write-backs of both
    // directions are under way at one or the other of them.
    for (let stopNs = 0; stopNs < 40_000; stopNs += 617) {
      const card = new Card({ dmaInFlight: 2 });
      card.attachVectors();
      const [victim, other] = [new Guest(card, 0), new Guest(card, 1)];
      victim.offer(12);
      for (let index = 0; index < 5; index += 1) {
        victim.post(frame(1000), [300, 300]);
        other.post(frame(400));
      }
      victim.ring();
      other.ring();
      card.run(2_000);
      for (let index = 0; index < 6; index += 1) card.arrive(frame(900, victim.mac));
      card.run(stopNs);
      card.command(0, REVOKE);
      card.host.log.length = 0;
      card.host.bytes.fill(0xcc, victim.txRing, victim.rxBuffers + 12 * victim.bufferBytes);
      card.settle();
      expect(card.host.log.filter((access) => access.requesterId === 0x100)).toEqual([]);
      const memory = card.host.bytes.subarray(victim.txRing, victim.rxBuffers + 12 * victim.bufferBytes);
      expect(memory.every((byte) => byte === 0xcc)).toBe(true);
      expect(other.txConsumer).toBe(5);
      expect(card.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
    }
  });

  it('leaves no write-back and no timer of the last owner to the next one', () => {
    for (const stopped of ['write-back under way', 'timer running']) {
      const card = new Card();
      const first = new Guest(card, 0);
      first.mailbox(COALESCE_FRAMES, stopped === 'timer running' ? 100 : 1);
      first.mailbox(COALESCE_NS, 90_000_000);
      card.host.takesNs = (access) => (access.address === first.statusBlock ? 50_000_000 : 0);
      first.send(frame(60));
      card.run(1_000_000);
      card.command(0, REVOKE);
      card.host.takesNs = () => 0;
      const second = new Guest(card, 0);
      second.mailbox(COALESCE_NS, 5_000);
      second.send(frame(60));
      card.run(20_000);
      expect(second.txConsumer, stopped).toBe(1);
      card.settle();
      expect(card.completions).toHaveLength(1);
    }
  });

  it('does not disturb the next owner of the context', () => {
    const card = new Card({ dmaInFlight: 1 });
    const first = new Guest(card, 0);
    for (let index = 0; index < 8; index += 1) first.post(frame(1514));
    first.ring();
    card.run(3_000);
    card.command(0, REVOKE);
    const second = new Guest(card, 0, { base: 0x80000 });
    second.offer(2);
    second.send(frame(77));
    card.run(1_000);
    card.arrive(frame(88, second.mac));
    card.settle();
    expect(second.txConsumer).toBe(1);
    expect(second.rxConsumer).toBe(1);
    expect(card.sent.at(-1)?.bytes.length).toBe(77);
  });
});
