import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { Card } from './support/card.js';
import { ELSEWHERE, frame } from './support/frames.js';
import { Guest } from './support/guest.js';

/** A PAUSE frame of IEEE 802.3, annex 31B: to 01-80-C2-00-00-01, EtherType 8808h, opcode 1, the longest time. */
function pause(to = 0x0180c2000001): Uint8Array {
  const bytes = frame(60, to);
  bytes.set([0x88, 0x08, 0x00, 0x01, 0xff, 0xff], 12);
  return bytes;
}

describe('MAC control frames of a guest (Smolyar et al., USENIX Security 2015)', () => {
  it('never reach the wire, whatever their destination', () => {
    const card = new Card();
    const guest = new Guest(card, 1);
    guest.send(pause());
    guest.send(pause(ELSEWHERE));
    guest.send(frame(60, ELSEWHERE));
    card.settle();
    expect(card.sent).toHaveLength(1);
    expect(card.nic.counters.dropsOf(contextId(1))).toEqual({ 'mac-control': 2 });
    expect(guest.txConsumer).toBe(3);
  });

  it('are known by the sixteen addresses that no bridge forwards (IEEE 802.1Q, table 8-1), and by no other', () => {
    for (const [to, leaves] of [
      [0x0180c2000000, false],
      [0x0180c200000f, false],
      [0x0180c2000010, true],
      [0x0180c1ffffff, true],
    ] as const) {
      const card = new Card();
      new Guest(card, 0).send(frame(60, to));
      card.settle();
      expect(card.sent.length, to.toString(16)).toBe(leaves ? 1 : 0);
    }
  });
});
