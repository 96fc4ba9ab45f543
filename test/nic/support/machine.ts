import { expect } from 'vitest';
import type { NicParameters } from '../../../nic/parameters.js';
import { Card } from './card.js';
import { BROADCAST, ELSEWHERE, frame, gist, macOf, padded } from './frames.js';
import { Guest } from './guest.js';
import { OPENED, REVOKE, RX_CONSUMER, STATUS, TX_CONSUMER } from './registers.js';

export const CONTEXTS = 3;
const REGION = 0x20000;

/** What the test knows of one life of a context, from open to revocation, without asking the card. */
interface Life {
  readonly guest: Guest;
  /** Frames in the ring, in order; `rung` of them the card has been told of, `sent` of them have come out. */
  readonly posted: string[];
  rung: number;
  sent: number;
  /** Frames that came in for it, in order; those before `read` it has, or they were dropped. */
  readonly addressed: string[];
  read: number;
}

/**
 * A card under drivers that do anything, and a book of what must have become of every frame: from what was
 * done to the card and what came out of it, not from the card's own counters.
 */
export class Machine {
  readonly card: Card;
  readonly #lives: (Life | undefined)[] = new Array<Life | undefined>(CONTEXTS).fill(undefined);
  #granted = 0;
  #transmitted = 0;
  #copies = 0;
  #received = 0;
  #descriptorsPosted = 0;
  #descriptorsEnded = 0;
  #mark = 0;
  #sentSeen = 0;
  #eventsSeen = 0;

  constructor(parameters: Partial<NicParameters>) {
    this.card = new Card({ contexts: CONTEXTS, interruptGapNs: 1_000, ...parameters });
    this.card.attachVectors();
    this.card.nic.grants$.subscribe(() => {
      this.#granted += 1;
    });
    this.card.nic.streams.frames$.subscribe(({ direction }) => {
      if (direction === 'receive') this.#received += 1;
      else this.#transmitted += 1;
    });
  }

  guest(context: number): Guest | undefined {
    return this.#lives[context]?.guest;
  }

  open(context: number, checked: boolean): void {
    if (this.#lives[context] !== undefined) this.revoke(context);
    const guest = new Guest(
      this.card,
      context,
      checked ? { slotsLog2: 4, modulusLog2: 5 } : { slotsLog2: 4 },
    );
    this.#lives[context] = { guest, posted: [], rung: 0, sent: 0, addressed: [], read: 0 };
  }

  revoke(context: number): void {
    this.#checkAccesses();
    this.card.command(context, REVOKE);
    this.#lives[context] = undefined;
  }

  /** Puts a frame into the ring if there is space for its pieces. */
  post(context: number, length: number, pieces: readonly number[]): void {
    const life = this.#lives[context];
    if (life === undefined) return;
    const { guest } = life;
    const fitting: number[] = [];
    for (const piece of pieces) {
      if (fitting.reduce((sum, one) => sum + one, piece) < length) fitting.push(piece);
    }
    const used = (guest.txProducer - guest.peek(TX_CONSUMER)) >>> 0;
    if (used + fitting.length + 1 > guest.slots) return;
    const bytes = this.#frame(length, ELSEWHERE);
    guest.post(bytes, fitting);
    life.posted.push(gist(padded(bytes)));
  }

  ring(context: number): void {
    const life = this.#lives[context];
    if (life === undefined) return;
    life.guest.ring();
    life.rung = life.posted.length;
  }

  /** Posts receive buffers, as many of them as have been read. */
  offer(context: number, count: number, length: number): void {
    const guest = this.guest(context);
    if (guest === undefined) return;
    guest.offer(Math.min(count, guest.slots - ((guest.rxProducer - guest.rxSeen) >>> 0)), length);
  }

  /** A frame comes in: a copy per open context that it is for, or one that is dropped. */
  arrive(to: number, length: number): void {
    const bytes = this.#frame(length, to);
    const members = this.#lives.filter(
      (life) =>
        life !== undefined &&
        life.guest.peek(STATUS) === OPENED &&
        (to === BROADCAST || to === macOf(life.guest.context)),
    );
    this.#copies += Math.max(1, members.length);
    for (const life of members) life?.addressed.push(gist(bytes));
    this.card.arrive(bytes);
  }

  /** The gate refuses one access of a context, the `after`-th from now. */
  refuseOne(context: number, after: number): void {
    let left = after;
    this.card.host.refuses = ({ requesterId }) => {
      if (requesterId !== 0x100 + context) return false;
      left -= 1;
      return left === -1;
    };
  }

  /** Whether anything has vanished, come twice, or gone where it must not. */
  check(): void {
    const { nic, drops } = this.card;
    nic.checkInvariants();
    this.#checkSent();
    this.#checkReceived();
    this.#checkAccesses();
    this.#checkDescriptors();
    const inside = nic.framesInside;
    const droppedOut = drops.filter((drop) => drop.direction === 'transmit').length;
    expect(this.#transmitted + droppedOut + inside.transmit).toBe(this.#granted);
    expect(this.#received + drops.length - droppedOut + inside.receive).toBe(this.#copies);
  }

  /** With nothing left to do nothing is inside, and an open context has sent all that it rang for. */
  checkSettled(): void {
    this.card.settle();
    this.check();
    expect(this.card.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
    expect(this.card.nic.dma.outstanding).toBe(0);
    for (const life of this.#lives) {
      if (life?.guest.peek(STATUS) !== OPENED) continue;
      expect(life.sent).toBe(life.rung);
      expect(life.guest.txConsumer).toBe(life.guest.peek(TX_CONSUMER));
      expect(life.guest.rxConsumer).toBe(life.guest.peek(RX_CONSUMER));
    }
  }

  #frame(length: number, to: number): Uint8Array {
    this.#mark += 1;
    const bytes = frame(length, to, ELSEWHERE, 0);
    // Every frame differs, the shortest too, and comes from a station that no context is.
    new DataView(bytes.buffer).setUint32(8, 0x80000000 + this.#mark);
    return bytes;
  }

  /** What comes out is what was posted, each frame once and in order. */
  #checkSent(): void {
    const { sent } = this.card;
    for (; this.#sentSeen < sent.length; this.#sentSeen += 1) {
      const one = sent[this.#sentSeen];
      const life = one === undefined ? undefined : this.#lives[one.context];
      if (one === undefined || life === undefined) continue;
      const what = gist(one.bytes);
      // Bits that were on the wire when their context was revoked come out in its next life.
      if (life.sent === 0 && what !== life.posted[0]) continue;
      expect(what).toBe(life.posted[life.sent]);
      life.sent += 1;
    }
  }

  /** What a guest reads is what came in for it, each frame once and in order; some may have been dropped. */
  #checkReceived(): void {
    for (const life of this.#lives) {
      for (const bytes of life?.guest.collect() ?? []) {
        const at = life?.addressed.indexOf(gist(bytes), life.read) ?? -1;
        expect(at).toBeGreaterThanOrEqual(0);
        if (life !== undefined) life.read = at + 1;
      }
    }
  }

  /** No context's transfers leave its own memory, and none go on after it was revoked. */
  #checkAccesses(): void {
    const strays = this.card.host.log.filter(({ requesterId, address, length }) => {
      const context = requesterId - 0x100;
      if (context < 0) return address + length > 0x10000;
      const base = 0x10000 + context * REGION;
      return this.#lives[context] === undefined || address < base || address + length > base + REGION;
    });
    expect(strays).toEqual([]);
    this.card.host.log.length = 0;
  }

  /** Every descriptor that was accepted completes, faults or is discarded, once. */
  #checkDescriptors(): void {
    const { descriptors, nic } = this.card;
    for (; this.#eventsSeen < descriptors.length; this.#eventsSeen += 1) {
      const event = descriptors[this.#eventsSeen];
      if (event?.state === 'posted') this.#descriptorsPosted += event.count;
      if (event?.state === 'completed' || event?.state === 'faulted' || event?.state === 'discarded')
        this.#descriptorsEnded += event.count;
    }
    let outstanding = 0;
    for (const context of nic.contexts) {
      if (context.state === 'open') outstanding += context.transmit.outstanding + context.receive.outstanding;
    }
    expect(this.#descriptorsEnded + outstanding).toBe(this.#descriptorsPosted);
  }
}
