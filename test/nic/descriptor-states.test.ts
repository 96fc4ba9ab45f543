import { describe, expect, it } from 'vitest';
import { Card } from './support/card.js';
import { frame } from './support/frames.js';
import { Guest } from './support/guest.js';
import { REVOKE } from './support/registers.js';

/** The states that each descriptor of a direction went through, in order. */
function lives(card: Card, direction: 'transmit' | 'receive'): string[][] {
  const found: string[][] = [];
  for (const event of card.descriptors) {
    if (event.direction !== direction) continue;
    for (let index = event.index; index < event.index + event.count; index += 1) {
      const life = found[index] ?? [];
      life.push(event.state);
      found[index] = life;
    }
  }
  return found;
}

const SENT = ['posted', 'fetched', 'granted', 'transferring', 'buffered', 'completed'];
const RECEIVED = ['posted', 'fetched', 'granted', 'transferring', 'completed'];

describe('a descriptor', () => {
  it('goes through every state in its order, in time that does not run backwards', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(3, 100);
    card.settle();
    card.arrive(frame(150, guest.mac));
    guest.send(frame(500), [100, 100]);
    guest.send(frame(60));
    card.settle();
    expect(lives(card, 'transmit')).toEqual([SENT, SENT, SENT, SENT]);
    expect(lives(card, 'receive')).toEqual([RECEIVED, RECEIVED, ['posted', 'fetched']]);
    const times = card.descriptors.map((event) => event.atNs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('is discarded when its context is revoked, wherever it stands', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(2);
    for (let index = 0; index < 16; index += 1) guest.post(frame(1514));
    guest.ring();
    card.run(30_000);
    card.command(0, REVOKE);
    card.settle();
    const sent = lives(card, 'transmit');
    expect(sent).toHaveLength(16);
    expect(new Set(sent.map((life) => life.at(-1)))).toEqual(new Set(['completed', 'discarded']));
    expect(lives(card, 'receive').map((life) => life.at(-1))).toEqual(['discarded', 'discarded']);
    for (const life of sent) expect(new Set(life).size).toBe(life.length);
  });

  it('faults with its context, once', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    guest.offer(1);
    card.host.refuses = (access) => access.address === guest.txBuffers + guest.bufferBytes;
    for (let index = 0; index < 3; index += 1) guest.post(frame(200));
    guest.ring();
    card.settle();
    card.command(0, REVOKE);
    const all = [...lives(card, 'transmit'), ...lives(card, 'receive')];
    for (const life of all) {
      const ends = life.filter((state) => ['completed', 'faulted', 'discarded'].includes(state));
      expect(ends).toHaveLength(1);
    }
    expect(lives(card, 'transmit')[1]?.at(-1)).toBe('faulted');
  });

  it('is not reported while there is no subscriber', () => {
    const card = new Card();
    const { descriptors$ } = card.nic.streams;
    const heard: number[] = [];
    const subscription = descriptors$.subscribe((event) => heard.push(event.index));
    subscription.unsubscribe();
    new Guest(card, 0).send(frame(60));
    card.settle();
    expect(heard).toEqual([]);
    expect(card.sent).toHaveLength(1);
  });
});
