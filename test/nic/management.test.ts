import { describe, expect, it } from 'vitest';
import { Card } from './support/card.js';
import { BROADCAST, frame, macOf } from './support/frames.js';
import { Guest } from './support/guest.js';
import {
  ALLOCATE,
  ALLOCATED,
  BAD_LIMIT,
  BAD_PRIORITY,
  BAD_RING,
  BAD_SEQUENCE_MODULUS,
  BAD_WEIGHT,
  COALESCE_FRAMES,
  DONE,
  FREE,
  LIMIT,
  M_COMMAND_STATUS,
  M_FAULT_CONTEXT,
  M_FAULT_POP,
  M_FAULT_REASON,
  M_LIMIT_HIGH,
  M_LIMIT_LOW,
  M_MAC_HIGH,
  M_MAC_LOW,
  M_PRIORITY,
  M_RX_RING_LOW,
  M_RX_RING_SIZE,
  M_SEQUENCE,
  M_SEQUENCE_MODULUS,
  M_STATE,
  M_TX_RING_LOW,
  M_TX_RING_SIZE,
  M_VECTOR_CONSUMER,
  M_WEIGHT,
  MAC_LOW,
  MAC_MISSING_OR_TAKEN,
  NO_SUCH_CONTEXT,
  ONES,
  OPEN,
  OPENED,
  PAGE,
  PRIORITISE,
  PRODUCER_OUT_OF_RANGE,
  REVOKE,
  REWEIGH,
  STATUS,
  UNKNOWN_COMMAND,
  WRONG_STATE,
} from './support/registers.js';

/** A context that needs nothing but the open command. */
function prepared(): Card {
  const card = new Card();
  card.command(0, ALLOCATE);
  card.manage(M_MAC_LOW, 1);
  card.manage(M_MAC_HIGH, 0x0200);
  card.manage(M_TX_RING_LOW, 0x10000);
  card.manage(M_TX_RING_SIZE, 4);
  card.manage(M_RX_RING_LOW, 0x20000);
  card.manage(M_RX_RING_SIZE, 4);
  return card;
}

describe('management commands', () => {
  it('take a context from free over allocated to open, and back from each of them', () => {
    const card = prepared();
    expect(card.query(M_STATE)).toBe(ALLOCATED);
    expect(card.command(0, OPEN)).toBe(DONE);
    expect(card.query(M_STATE)).toBe(OPENED);
    expect(card.command(0, REVOKE)).toBe(DONE);
    expect(card.query(M_STATE)).toBe(FREE);
    expect(card.command(0, ALLOCATE)).toBe(DONE);
    expect(card.command(0, REVOKE)).toBe(DONE);
    expect(card.query(M_STATE)).toBe(FREE);
  });

  it('are refused in every other state', () => {
    const card = prepared();
    expect(card.command(1, OPEN)).toBe(WRONG_STATE);
    expect(card.command(1, REVOKE)).toBe(WRONG_STATE);
    expect(card.command(0, ALLOCATE)).toBe(WRONG_STATE);
    card.command(0, OPEN);
    expect(card.command(0, ALLOCATE)).toBe(WRONG_STATE);
    expect(card.command(0, OPEN)).toBe(WRONG_STATE);
  });

  it('reweigh takes a weight from 1 to 65,535, of an open context only', () => {
    const card = prepared();
    expect(card.command(0, REWEIGH)).toBe(WRONG_STATE);
    card.command(0, OPEN);
    for (const weight of [0, 65_536]) {
      card.manage(M_WEIGHT, weight);
      expect(card.command(0, REWEIGH)).toBe(BAD_WEIGHT);
    }
    card.manage(M_WEIGHT, 65_535);
    expect(card.command(0, REWEIGH)).toBe(DONE);
  });

  it('limit takes up to 10^13 bits per second, and none for 0, of an open context only', () => {
    const card = prepared();
    expect(card.command(0, LIMIT)).toBe(WRONG_STATE);
    card.command(0, OPEN);
    for (const [high, low, status] of [
      [0, 1, DONE],
      [Math.floor(1e13 / 2 ** 32), 1e13 % 2 ** 32, DONE],
      [Math.floor(1e13 / 2 ** 32), (1e13 % 2 ** 32) + 1, BAD_LIMIT],
      [ONES, ONES, BAD_LIMIT],
      [0, 0, DONE],
    ] as const) {
      card.manage(M_LIMIT_LOW, low);
      card.manage(M_LIMIT_HIGH, high);
      expect(card.command(0, LIMIT), `${high}:${low}`).toBe(status);
    }
    expect(card.nic.contexts[0]?.share).toStrictEqual({ weight: 1 });
  });

  it('prioritise takes a priority from 0 to 31, of an open context only', () => {
    const card = prepared();
    expect(card.command(0, PRIORITISE)).toBe(WRONG_STATE);
    card.command(0, OPEN);
    for (const [priority, status] of [
      [0, DONE],
      [32, BAD_PRIORITY],
      [ONES, BAD_PRIORITY],
      [31, DONE],
    ] as const) {
      card.manage(M_PRIORITY, priority);
      expect(card.command(0, PRIORITISE)).toBe(status);
    }
    expect(card.nic.contexts[0]?.share).toStrictEqual({ weight: 1, priority: 31 });
  });

  it('say so when the command or the context does not exist', () => {
    const card = prepared();
    for (const command of [0, 7, ONES]) expect(card.command(0, command)).toBe(UNKNOWN_COMMAND);
    for (const context of [4, ONES]) expect(card.command(context, ALLOCATE)).toBe(NO_SUCH_CONTEXT);
  });

  it('refuse rings that are too small, too large or not aligned', () => {
    for (const [register, value] of [
      [M_TX_RING_SIZE, 0],
      [M_TX_RING_SIZE, 16],
      [M_RX_RING_SIZE, 0],
      [M_RX_RING_SIZE, ONES],
      [M_TX_RING_LOW, 0x10008],
      [M_RX_RING_LOW, 0x20001],
    ] as const) {
      const card = prepared();
      card.manage(register, value);
      expect(card.command(0, OPEN), `${register.toString(16)}h = ${value}`).toBe(BAD_RING);
      expect(card.query(M_STATE)).toBe(ALLOCATED);
    }
  });

  it('want N to be at least twice the slots of the larger ring, if sequence numbers are checked', () => {
    const opened = (checked: number, rxLog2: number, modulusLog2: number) => {
      const card = prepared();
      card.manage(M_SEQUENCE, checked);
      card.manage(M_RX_RING_SIZE, rxLog2);
      card.manage(M_SEQUENCE_MODULUS, modulusLog2);
      return card.command(0, OPEN);
    };
    expect(opened(1, 6, 6)).toBe(BAD_SEQUENCE_MODULUS);
    expect(opened(1, 6, 7)).toBe(DONE);
    expect(opened(1, 6, 32)).toBe(DONE);
    expect(opened(1, 6, 33)).toBe(BAD_SEQUENCE_MODULUS);
    expect(opened(1, 15, 15)).toBe(BAD_SEQUENCE_MODULUS);
    expect(opened(0, 15, 0)).toBe(DONE);
  });

  it('refuse a missing, a group and a taken address', () => {
    const card = prepared();
    for (const mac of [0, BROADCAST, 0x0100_5e00_0001]) {
      card.manage(M_MAC_LOW, mac % 2 ** 32);
      card.manage(M_MAC_HIGH, Math.floor(mac / 2 ** 32));
      expect(card.command(0, OPEN)).toBe(MAC_MISSING_OR_TAKEN);
    }
    new Guest(card, 1);
    expect(card.command(0, OPEN)).toBe(MAC_MISSING_OR_TAKEN);
    card.manage(M_MAC_LOW, 77);
    expect(card.command(0, OPEN)).toBe(DONE);
  });

  it('refuse a weight that is none', () => {
    const card = prepared();
    for (const weight of [0, 65_536]) {
      card.manage(M_WEIGHT, weight);
      expect(card.command(0, OPEN)).toBe(BAD_WEIGHT);
    }
    card.manage(M_WEIGHT, 65_535);
    expect(card.command(0, OPEN)).toBe(DONE);
    expect(card.query(M_COMMAND_STATUS)).toBe(DONE);
  });

  it('leave nothing of the last owner to the next one', () => {
    const card = new Card();
    const first = new Guest(card, 1);
    first.mailbox(COALESCE_FRAMES, 99);
    first.send(frame(100));
    card.settle();
    expect(card.command(1, REVOKE)).toBe(DONE);
    for (const offset of [STATUS, MAC_LOW]) expect(card.nic.read(PAGE + offset, 4)).toBe(0);
    expect(card.nic.read(PAGE + COALESCE_FRAMES, 4)).toBe(8);
    const second = new Guest(card, 1);
    second.send(frame(200));
    card.settle();
    expect(card.sent.map((sent) => sent.bytes.length)).toEqual([100, 200]);
    expect(second.txConsumer).toBe(1);
  });

  it('free an address for another context', () => {
    const card = new Card();
    new Guest(card, 0, { mac: macOf(9) });
    card.command(0, REVOKE);
    expect(() => new Guest(card, 1, { mac: macOf(9) })).not.toThrow();
  });
});

describe('the fault queue', () => {
  it('returns faults in order and reports when there is none', () => {
    const card = new Card();
    const guests = [0, 1, 2].map((context) => new Guest(card, context));
    for (const index of [2, 0]) guests[index]?.ring(5000);
    card.settle();
    expect(card.query(M_FAULT_CONTEXT)).toBe(0);
    expect(card.query(M_FAULT_REASON)).toBe(PRODUCER_OUT_OF_RANGE);
    card.manage(M_FAULT_POP, 0);
    expect(card.query(M_FAULT_CONTEXT)).toBe(2);
    card.manage(M_FAULT_POP, 1);
    expect(card.query(M_FAULT_CONTEXT)).toBe(ONES);
    expect(card.query(M_FAULT_REASON)).toBe(0);
    expect(card.manage(M_FAULT_POP, 1)).toBe(true);
  });

  it('does not charge a fault to the next owner of the context', () => {
    const card = new Card();
    new Guest(card, 1).ring(5000);
    card.settle();
    card.command(1, REVOKE);
    new Guest(card, 1);
    expect(card.query(M_FAULT_CONTEXT)).toBe(ONES);
  });
});

describe('the vector ring', () => {
  it('is acknowledged only forwards, and not beyond what was written', () => {
    const card = new Card();
    card.attachVectors(false);
    const guest = new Guest(card, 0);
    for (let round = 0; round < 3; round += 1) {
      guest.send(frame(60));
      card.settle();
    }
    expect(card.manage(M_VECTOR_CONSUMER, 4)).toBe(false);
    expect(card.manage(M_VECTOR_CONSUMER, 2)).toBe(true);
    expect(card.manage(M_VECTOR_CONSUMER, 1)).toBe(false);
    expect(card.query(M_VECTOR_CONSUMER)).toBe(2);
    expect(card.manage(M_VECTOR_CONSUMER, 3)).toBe(true);
  });
});
