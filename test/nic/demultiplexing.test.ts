import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId, NO_CONTEXT } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { BROADCAST, ELSEWHERE, frame, macOf } from './support/frames.js';
import { Guest, type GuestOptions } from './support/guest.js';
import {
  GROUP_HIGH,
  GROUP_JOIN,
  GROUP_LEAVE,
  GROUP_LOW,
  M_SWITCHING,
  MAY_BE_PROMISCUOUS,
  OWN_SOURCE_ONLY,
  REVOKE,
  RX_MODE,
  RX_MODE_ALL_MULTICAST,
  RX_MODE_PROMISCUOUS,
} from './support/registers.js';

const GROUP = 0x0100_5e00_0001;

function withGuests(count: number, options: GuestOptions = {}): { card: Card; guests: Guest[] } {
  const card = new Card();
  const guests = Array.from({ length: count }, (_, context) => new Guest(card, context, options));
  for (const guest of guests) guest.offer(16);
  card.settle();
  return { card, guests };
}

/** Contexts that got a copy of a frame to `mac` from the wire. */
function heardBy(card: Card, guests: readonly Guest[], mac: number): number[] {
  card.arrive(frame(100, mac));
  card.settle();
  return guests.filter((guest) => guest.collect().length === 1).map((guest) => guest.context);
}

function group(guest: Guest, mac: number, what: number): boolean {
  guest.mailbox(GROUP_LOW, mac % 2 ** 32);
  return guest.mailbox(GROUP_HIGH, (Math.floor(mac / 2 ** 32) | what) >>> 0);
}

describe('a frame from the wire', () => {
  it('goes to the context whose address it carries, and to no other', () => {
    const { card, guests } = withGuests(3);
    expect(heardBy(card, guests, macOf(1))).toEqual([1]);
    expect(heardBy(card, guests, ELSEWHERE)).toEqual([]);
    expect(card.drops).toMatchObject([{ context: -1, reason: 'unknown-destination' }]);
    expect(card.nic.counters.drops('unknown-destination', NO_CONTEXT)).toBe(1);
  });

  it('reaches every context when it is broadcast', () => {
    const { card, guests } = withGuests(4);
    expect(heardBy(card, guests, BROADCAST)).toEqual([0, 1, 2, 3]);
  });

  it('goes to the members of its group', () => {
    const { card, guests } = withGuests(3);
    const [first, second] = guests as [Guest, Guest, Guest];
    expect(heardBy(card, guests, GROUP)).toEqual([]);
    group(first, GROUP, GROUP_JOIN);
    group(second, GROUP, GROUP_JOIN);
    group(second, GROUP + 1, GROUP_JOIN);
    expect(heardBy(card, guests, GROUP)).toEqual([0, 1]);
    expect(heardBy(card, guests, GROUP + 1)).toEqual([1]);
    group(second, GROUP, GROUP_LEAVE);
    group(second, GROUP, GROUP_LEAVE);
    expect(heardBy(card, guests, GROUP)).toEqual([0]);
    first.mailbox(RX_MODE, RX_MODE_ALL_MULTICAST);
    expect(heardBy(card, guests, GROUP + 7)).toEqual([0]);
    expect(heardBy(card, guests, macOf(1))).toEqual([1]);
  });

  it('finds every group that was joined, though they were joined in one breath', () => {
    const { card, guests } = withGuests(1);
    const [guest] = guests as [Guest];
    for (let index = 0; index < 5; index += 1) group(guest, GROUP + index, GROUP_JOIN);
    for (let index = 0; index < 5; index += 1) expect(heardBy(card, guests, GROUP + index)).toEqual([0]);
  });

  it('does not let a guest join what is no group, both join and leave, or more groups than the card keeps', () => {
    const { card, guests } = withGuests(2);
    const [guest] = guests as [Guest, Guest];
    expect(group(guest, macOf(1), GROUP_JOIN)).toBe(false);
    expect(group(guest, GROUP, GROUP_JOIN + GROUP_LEAVE)).toBe(false);
    expect(heardBy(card, guests, macOf(1))).toEqual([1]);
    for (let index = 0; index < 64; index += 1) expect(group(guest, GROUP + index, GROUP_JOIN)).toBe(true);
    expect(group(guest, GROUP + 64, GROUP_JOIN)).toBe(false);
    expect(group(guest, GROUP + 3, GROUP_JOIN)).toBe(true);
    expect(group(guest, GROUP + 3, GROUP_LEAVE)).toBe(true);
    expect(group(guest, GROUP + 64, GROUP_JOIN)).toBe(true);
  });

  it('goes to promiscuous contexts too, if the hypervisor allows it', () => {
    for (const permissions of [0, MAY_BE_PROMISCUOUS]) {
      const { card, guests } = withGuests(3, { permissions });
      const [first] = guests as [Guest, Guest, Guest];
      first.mailbox(RX_MODE, RX_MODE_PROMISCUOUS);
      const allowed = permissions !== 0;
      expect(heardBy(card, guests, macOf(1))).toEqual(allowed ? [0, 1] : [1]);
      expect(heardBy(card, guests, ELSEWHERE)).toEqual(allowed ? [0] : []);
      first.mailbox(RX_MODE, 0);
      expect(heardBy(card, guests, macOf(2))).toEqual([2]);
    }
  });

  it('goes nowhere near a context that was revoked', () => {
    const { card, guests } = withGuests(2, { permissions: MAY_BE_PROMISCUOUS });
    const [first] = guests as [Guest, Guest];
    group(first, GROUP, GROUP_JOIN);
    first.mailbox(RX_MODE, RX_MODE_PROMISCUOUS);
    card.command(0, REVOKE);
    expect(heardBy(card, guests, macOf(0))).toEqual([]);
    expect(heardBy(card, guests, GROUP)).toEqual([]);
    expect(heardBy(card, guests, BROADCAST)).toEqual([1]);
    card.nic.checkInvariants();
  });

  it('goes where a plain list of rules says', () => {
    const action = fc.record({
      context: fc.nat(3),
      what: fc.constantFrom('join', 'leave', 'mode'),
      group: fc.nat(2),
      mode: fc.nat(3),
    });
    const target = fc.oneof(
      fc.nat(3).map(macOf),
      fc.constantFrom(GROUP, GROUP + 1, GROUP + 2, BROADCAST, ELSEWHERE),
    );
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        target,
        (actions, allowed, mac) => {
          const card = new Card();
          const guests = allowed.map(
            (may, context) => new Guest(card, context, { permissions: may ? MAY_BE_PROMISCUOUS : 0 }),
          );
          for (const guest of guests) guest.offer(2);
          const members = allowed.map(() => new Set<number>());
          const modes = allowed.map(() => 0);
          for (const { context, what, group: offset, mode } of actions) {
            const guest = guests[context] as Guest;
            if (what === 'mode') {
              guest.mailbox(RX_MODE, mode);
              modes[context] = mode;
            } else {
              group(guest, GROUP + offset, what === 'join' ? GROUP_JOIN : GROUP_LEAVE);
              if (what === 'join') members[context]?.add(GROUP + offset);
              else members[context]?.delete(GROUP + offset);
            }
          }
          card.settle();
          const isMulticast = mac >= GROUP && mac <= GROUP + 2;
          const expected = [0, 1, 2, 3].filter((context) => {
            const mode = modes[context] ?? 0;
            if ((mode & 1) !== 0 && allowed[context]) return true;
            if (mac === BROADCAST) return true;
            if (isMulticast) return (mode & 2) !== 0 || members[context]?.has(mac);
            return mac === macOf(context);
          });
          expect(heardBy(card, guests, mac)).toEqual(expected);
        },
      ),
      { numRuns: runs(100) },
    );
  });
});

describe('a frame between contexts', () => {
  it('leaves by the wire while switching is off', () => {
    const { card, guests } = withGuests(2);
    guests[0]?.send(frame(100, macOf(1), macOf(0)));
    card.settle();
    expect(card.sent).toHaveLength(1);
    expect(guests[1]?.collect()).toHaveLength(0);
  });

  it('stays inside when switching is on, takes its time, and uses none of the wire', () => {
    const { card, guests } = withGuests(3);
    card.manage(M_SWITCHING, 1);
    const events: unknown[] = [];
    card.nic.streams.frames$.subscribe(({ direction, context, switched }) =>
      events.push([direction, context, switched]),
    );
    guests[0]?.send(frame(100, macOf(1), macOf(0)));
    card.settle();
    expect(card.sent).toHaveLength(0);
    expect(card.nic.line.carriedBytes).toBe(0);
    expect(guests.map((guest) => guest.collect().length)).toEqual([0, 1, 0]);
    expect(card.nic.counters.get('framesSwitched', contextId(0))).toBe(1);
    expect(events).toEqual([
      ['transmit', 0, true],
      ['receive', 1, true],
    ]);
    guests[0]?.send(frame(100, ELSEWHERE, macOf(0)));
    card.settle();
    expect(card.sent).toHaveLength(1);
  });

  it('to the broadcast address goes both ways, and not back to its sender', () => {
    const { card, guests } = withGuests(3, { permissions: MAY_BE_PROMISCUOUS });
    card.manage(M_SWITCHING, 1);
    for (const guest of guests) guest.mailbox(RX_MODE, RX_MODE_PROMISCUOUS);
    guests[1]?.send(frame(100, BROADCAST, macOf(1)));
    card.settle();
    expect(card.sent).toHaveLength(1);
    expect(guests.map((guest) => guest.collect().length)).toEqual([1, 0, 1]);
  });

  it('to itself is dropped with its reason', () => {
    const { card, guests } = withGuests(1);
    card.manage(M_SWITCHING, 1);
    guests[0]?.send(frame(100, macOf(0), macOf(0)));
    card.settle();
    expect(card.drops).toMatchObject([{ context: -1, direction: 'receive', reason: 'unknown-destination' }]);
    expect(guests[0]?.txConsumer).toBe(1);
  });
});

describe('a frame under a foreign address', () => {
  it('does not leave a context that must use its own', () => {
    const card = new Card();
    const [honest, liar] = [
      new Guest(card, 0, { permissions: OWN_SOURCE_ONLY }),
      new Guest(card, 1, { permissions: OWN_SOURCE_ONLY }),
    ];
    honest.send(frame(100, ELSEWHERE, macOf(0)));
    liar.send(frame(100, ELSEWHERE, macOf(0)));
    liar.send(frame(100, ELSEWHERE, macOf(1)));
    card.settle();
    expect(card.sent.map((sent) => sent.context).sort()).toEqual([0, 1]);
    expect(card.nic.counters.dropsOf(contextId(1))).toEqual({ 'source-mac-spoofed': 1 });
    expect(liar.txConsumer).toBe(2);
    expect(card.nic.line.carriedBytes).toBe(2 * 124);
  });
});
