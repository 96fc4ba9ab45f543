import { merge } from 'rxjs';
import type { ContextQueue } from '../../../host/protection/context-queue.js';
import { DESCRIPTOR_BYTES, FLAG_END_OF_PACKET, LENGTH_AND_FLAGS_OFFSET } from '../../../nic/descriptor.js';
import { MAILBOX } from '../../../nic/registers.js';
import { hex } from '../notation.js';
import { slotAddress } from '../probes.js';
import { wordsOf } from '../words.js';
import { type CardContext, isAtOrAfter, type SeenAccess } from './card-context.js';
import { CardEnd } from './card-end.js';
import type { StoryBook } from './story-book.js';

/** What is particular to who sends the frame. */
export interface TransmitTrailPlan {
  /** Told first, once the frame is known: where its bytes are. */
  readonly begin: (address: number, length: number) => void;
  /** Told in the step of the interrupt. */
  readonly afterInterrupt: string;
  /** The driver hears of the frame, or it will never be sent. */
  readonly onEnd: () => void;
}

/**
 * The next frame that goes through a context of the card to the wire: its descriptor, the parts that read it, what is read from
 * where, how the access gate answers, the grant, the wire, the completion and the interrupt.
 */
export class TransmitTrail {
  readonly #book: StoryBook;
  readonly #card: CardContext;
  readonly #queue: ContextQueue;
  readonly #plan: TransmitTrailPlan;
  readonly #end: CardEnd;
  #index = -1;
  #last = -1;
  #bytes = 0;
  #rung = false;
  #fetched = false;
  #granted = false;
  #left = false;

  constructor(book: StoryBook, card: CardContext, plan: TransmitTrailPlan) {
    this.#book = book;
    this.#card = card;
    this.#queue = card.port.transmit;
    this.#plan = plan;
    this.#end = new CardEnd(book, card, {
      way: 'transmit',
      doneWith: () => (this.#left ? this.#last : undefined),
      afterInterrupt: plan.afterInterrupt,
      onHeard: plan.onEnd,
    });
    this.#watch();
  }

  /** First descriptor of the frame, or -1. */
  get index(): number {
    return this.#index;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #watch(): void {
    const { hypervisor, nic, bus } = this.#card.host;
    const { index: context, requesterId: id } = this.#card.context;
    this.#book.watch(
      hypervisor.setUps$.subscribe((event) => {
        if (event.context === context && event.direction === 'transmit') this.#onSetUp(event.count);
      }),
      nic.streams.doorbells$.subscribe(({ context: rung, mailbox, value }) => {
        if (rung === context && mailbox === MAILBOX.TX_PRODUCER && this.#waits()) this.#onDoorbell(value);
      }),
      bus.accesses$.subscribe((access) => {
        this.#card.noteWalks();
        if (access.requesterId === id && this.#waits()) this.#onAccess(access);
      }),
      bus.denied$.subscribe((access) => {
        this.#card.noteWalks();
        if (access.requesterId === id && this.#waits())
          this.#book.addAccess('The access gate denies the access', this.#card.denialOf(access));
      }),
      nic.streams.descriptors$.subscribe(({ context: of, direction, index, count, state }) => {
        if (of === context && direction === 'transmit' && this.#covers(index, count)) this.#onState(state);
      }),
      merge(nic.grants$, nic.innerGrants$).subscribe(({ context: granted, bytes, reason, creditBytes }) => {
        if (granted === context && this.#isNext()) this.#onGrant(bytes, reason, creditBytes);
      }),
      nic.streams.lentFrames$.subscribe(({ direction, context: of, startNs, endNs, length, switched }) => {
        if (of === context && direction === 'transmit' && this.#isLeaving())
          this.#onSent(startNs, endNs, length, switched);
      }),
      nic.streams.drops$.subscribe(({ direction, context: of, reason }) => {
        if (of !== context || direction !== 'transmit' || !this.#isLeaving()) return;
        this.#left = true;
        this.#book.add('wire', `The frame is dropped: ${reason}`, ['no bit of it leaves the card']);
      }),
      nic.streams.faults$.subscribe(({ context: stopped, reason, detail }) => {
        if (stopped !== context || !this.#waits()) return;
        this.#book.add('context', `The card stops the context: ${reason}`, [`value ${hex(detail)}`]);
        this.#plan.onEnd();
      }),
    );
  }

  /** A frame has been chosen and is not at its end. */
  #waits(): boolean {
    return this.#index >= 0 && !this.#book.finished;
  }

  #covers(index: number, count: number): boolean {
    return this.#waits() && (this.#index - index) >>> 0 < count;
  }

  /** The scheduler takes frames of a context in order: ours is next when the ring has taken all before it. */
  #isNext(): boolean {
    return this.#waits() && !this.#granted && this.#card.context.transmit.taken === this.#index;
  }

  /**
   * Frames of a context leave in the order of their grants, and the card's consumer index moves on behind each: ours
   * leaves when the index has reached it. Those that were in the FIFO before the frame was chosen are counted as well.
   */
  #isLeaving(): boolean {
    return this.#granted && !this.#left && this.#card.context.transmit.consumer === this.#index;
  }

  #onSetUp(count: number): void {
    if (this.#index >= 0) return;
    const queue = this.#queue;
    // The event comes when the descriptors are in the ring: the first of the batch begins a frame.
    this.#index = (queue.producer - count) >>> 0;
    const memory = wordsOf(this.#card.host);
    let last = this.#index;
    for (let step = 0; step < count; step += 1) {
      last = (this.#index + step) >>> 0;
      this.#bytes += queue.postedLength(last);
      const flags = memory.readU32(slotAddress(queue, last) + LENGTH_AND_FLAGS_OFFSET) >>> 16;
      if ((flags & FLAG_END_OF_PACKET) !== 0) break;
    }
    this.#last = last;
    this.#plan.begin(queue.postedAddress(this.#index), queue.postedLength(this.#index));
    const setUp = this.#card.setUpFacts(queue, this.#index);
    this.#book.add('set-up-gate', 'The set-up gate lets the buffer pass', setUp.facts, setUp);
    const slot = this.#card.slotFacts(queue, this.#index);
    this.#book.add('memory', `Descriptor ${this.#index} is in the ring`, slot.facts, slot);
  }

  /** The doorbell that hands our descriptors over; those before and after it are about others. */
  #onDoorbell(value: number): void {
    if (this.#rung || !isAtOrAfter((value - 1) >>> 0, this.#last)) return;
    this.#rung = true;
    this.#book.add('context', 'The doorbell rings', [
      `TX_PRODUCER = ${value}: descriptors up to ${(value - 1) >>> 0} are the card's`,
      `the page of the context is mapped by ${this.#card.name} alone, so the MMU is all that is asked`,
    ]);
  }

  #onAccess(access: SeenAccess): void {
    if (this.#end.takes(access) || access.write) return;
    const { address, physical, length } = access;
    const slot = slotAddress(this.#queue, this.#index);
    if (!this.#fetched && physical <= slot && physical + length > slot) {
      const count = length / DESCRIPTOR_BYTES;
      const title = `The card reads ${count} ${count === 1 ? 'descriptor, ours' : 'descriptors, ours among them'}`;
      this.#book.addAccess(title, this.#card.factsOf(access));
      return;
    }
    // After our frame has left, its slots and its buffers belong to frames that come later.
    if (!this.#left && this.#isOurs(address, length))
      this.#book.addAccess(`The card reads ${length} bytes of the frame`, this.#card.factsOf(access));
  }

  /** Whether an access lies in one of our buffers. */
  #isOurs(address: number, length: number): boolean {
    for (let index = this.#index; ; index = (index + 1) >>> 0) {
      const start = this.#queue.postedBusAddress(index);
      if (address >= start && address + length <= start + this.#queue.postedLength(index)) return true;
      if (index === this.#last) return false;
    }
  }

  #onState(state: string): void {
    if (state === 'fetched') {
      this.#fetched = true;
      const fact = this.#card.sequenceFact('transmit', this.#index);
      this.#book.add('context', 'The descriptor is on the card', [fact]);
    }
    if (state === 'buffered')
      this.#book.add('context', 'The frame is whole in the FIFO', [
        'it goes to the wire in the order of the grants',
      ]);
    if (state === 'faulted' || state === 'discarded') {
      this.#book.add('context', `The descriptor is ${state}`, ['its frame will not be sent']);
      this.#plan.onEnd();
    }
  }

  #onGrant(bytes: number, reason: string, creditBytes: number): void {
    this.#granted = true;
    const waiting = this.#card.host.nic.transmitScheduler.backlogged;
    this.#book.add('scheduler', `${reason} chooses this context`, [
      `${bytes} bytes are granted, ${creditBytes} bytes of the FIFO remain`,
      `${waiting} ${waiting === 1 ? 'context has' : 'contexts have'} frames waiting`,
    ]);
  }

  #onSent(startNs: number, endNs: number, length: number, switched: boolean): void {
    this.#left = true;
    this.#book.add('wire', switched ? 'The frame goes to another context' : 'The frame is on the wire', [
      `${length} bytes, first bit at ${startNs} ns, last at ${endNs} ns`,
    ]);
  }
}
