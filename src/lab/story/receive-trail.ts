import type { ContextQueue } from '../../../host/protection/context-queue.js';
import { DESCRIPTOR_BYTES } from '../../../nic/descriptor.js';
import { isGroup } from '../../../nic/station-address.js';
import type { ArrivalEvent } from '../../../nic/streams.js';
import type { Grant } from '../../../scheduler/dma-scheduler.js';
import { hex } from '../notation.js';
import { slotAddress } from '../probes.js';
import type { CardContext, SeenAccess } from './card-context.js';
import { CardEnd } from './card-end.js';
import { macText } from './station-address.js';
import type { AccessFacts, StoryBook } from './story-book.js';

/** What is particular to who gets the frame. */
export interface ReceiveTrailPlan {
  /** Whether to follow a frame that has arrived. */
  readonly accepts: (arrival: ArrivalEvent) => boolean;
  /** Told in the step of the interrupt. */
  readonly afterInterrupt: string;
  /** The driver hears of it: by an interrupt, or because it polls with interrupts masked. */
  readonly onHeard: (isInterrupted: boolean) => void;
  /** It will not come into memory. */
  readonly onLost: () => void;
}

/** A read of descriptors that came before the frame that one of them was used for. */
interface SeenFetch extends AccessFacts {
  readonly atNs: number;
  readonly physical: number;
  readonly length: number;
}

/** Reads of descriptors that are kept: those of a ring that is fetched one by one. */
const MOST_FETCHES = 256;

/**
 * The next frame that arrives for a context of the card: the wire, the context that it is for, the buffer's descriptor and who
 * checked it, the grant, each write with the gate's answer, the descriptor that comes back, the completion and the interrupt.
 */
export class ReceiveTrail {
  readonly #book: StoryBook;
  readonly #card: CardContext;
  readonly #queue: ContextQueue;
  readonly #plan: ReceiveTrailPlan;
  readonly #end: CardEnd;
  readonly #fetches: SeenFetch[] = [];
  /** Buffers that were seen passing the set-up gate: one past the last of them, and when. */
  readonly #setUps: { readonly first: number; readonly count: number; readonly atNs: number }[] = [];
  #arrival: ArrivalEvent | undefined;
  /** Frames of the context that have arrived after ours. */
  #behind = 0;
  #grant: Grant | undefined;
  #first = -1;
  #last = -1;
  #buffers: readonly { readonly bus: number; readonly length: number; readonly slot: number }[] = [];
  #complete = false;

  constructor(book: StoryBook, card: CardContext, plan: ReceiveTrailPlan) {
    this.#book = book;
    this.#card = card;
    this.#queue = card.port.receive;
    this.#plan = plan;
    this.#end = new CardEnd(book, card, {
      way: 'receive',
      doneWith: () => (this.#complete ? this.#last : undefined),
      afterInterrupt: plan.afterInterrupt,
      onHeard: plan.onHeard,
    });
    this.#watch();
  }

  /** First descriptor that the frame is written through, or -1. */
  get index(): number {
    return this.#first;
  }

  get lastIndex(): number {
    return this.#last;
  }

  get bytes(): number {
    // 0: no frame has arrived yet.
    return this.#arrival?.bytes ?? 0;
  }

  /** Whether all of it is in memory. */
  get isComplete(): boolean {
    return this.#complete;
  }

  #watch(): void {
    const { hypervisor, nic, bus, kernel } = this.#card.host;
    const { index: context, requesterId: id } = this.#card.context;
    this.#book.watch(
      hypervisor.setUps$.subscribe(({ context: of, direction, count }) => {
        if (of !== context || direction !== 'receive' || this.#first >= 0) return;
        const first = (this.#queue.producer - count) >>> 0;
        this.#setUps.push({ first, count, atNs: kernel.nowNs + this.#card.host.processor.elapsedNs });
        if (this.#setUps.length > MOST_FETCHES) this.#setUps.shift();
      }),
      nic.streams.arrivals$.subscribe((arrival) => {
        if (arrival.context === context) this.#onArrival(arrival);
      }),
      nic.receiveGrants$.subscribe((grant) => {
        if (grant.context === context) this.#grant = grant;
      }),
      bus.accesses$.subscribe((access) => {
        this.#card.noteWalks();
        if (access.requesterId === id) this.#onAccess(access);
      }),
      bus.denied$.subscribe((access) => {
        this.#card.noteWalks();
        if (access.requesterId === id && this.#first >= 0)
          this.#book.addAccess('The access gate denies the access', this.#card.denialOf(access));
      }),
      nic.streams.descriptors$.subscribe(({ context: of, direction, index, count, state }) => {
        if (of !== context || direction !== 'receive') return;
        if (state === 'granted') this.#onGranted(index, count);
        else if (state === 'completed' && index === this.#first) this.#onComplete();
      }),
      nic.streams.drops$.subscribe(({ direction, context: of, reason }) => {
        if (of === context && direction === 'receive') this.#onDrop(reason);
      }),
      nic.streams.faults$.subscribe(({ context: stopped, reason, detail }) => {
        if (stopped !== context || this.#arrival === undefined) return;
        this.#lose('context', `The card stops the context: ${reason}`, `value ${hex(detail)}`);
      }),
    );
  }

  #lose(station: 'context' | 'wire', title: string, fact: string): void {
    this.#book.add(station, title, [fact]);
    this.#plan.onLost();
  }

  #onArrival(arrival: ArrivalEvent): void {
    if (this.#arrival !== undefined) {
      this.#behind += 1;
      return;
    }
    if (!this.#plan.accepts(arrival)) return;
    this.#arrival = arrival;
    const { bytes, destination, source, switched, ahead } = arrival;
    const { context } = this.#card;
    const way = switched ? 'another context of the card' : 'the wire';
    const because =
      destination === context.mac
        ? `which is the station address of context ${context.index}`
        : isGroup(destination)
          ? `a group's address: each context that wants it gets a copy, context ${context.index} among them`
          : `and context ${context.index} takes frames to any address`;
    this.#book.add('wire', `A frame of ${bytes} bytes comes from ${way}`, [
      `from ${macText(source)} to ${macText(destination)}, ${because}`,
    ]);
    this.#book.add('context', 'The frame waits in the receive buffer of the card', [
      ahead === 0 ? 'no frame of this context waits before it' : `${ahead} of this context wait before it`,
      `${this.#posted()} buffers of ${this.#card.name} are posted: without one it would be dropped`,
    ]);
  }

  /** Buffers that are posted and have no frame yet. */
  #posted(): number {
    const { producer, taken } = this.#card.context.receive;
    return (producer - taken) >>> 0;
  }

  /**
   * Frames of a context are granted in the order in which they have arrived: ours is the one behind which as many wait as
   * have arrived since.
   */
  #isOurs(): boolean {
    const waiting = this.#card.host.nic.framesWaiting(this.#card.context.index);
    return this.#arrival !== undefined && this.#first < 0 && waiting === this.#behind;
  }

  #onGranted(index: number, count: number): void {
    if (!this.#isOurs()) return;
    const queue = this.#queue;
    this.#first = index;
    this.#last = (index + count - 1) >>> 0;
    this.#buffers = Array.from({ length: count }, (_, step) => ({
      bus: queue.postedBusAddress((index + step) >>> 0),
      length: queue.postedLength((index + step) >>> 0),
      slot: slotAddress(queue, (index + step) >>> 0),
    }));
    this.#tellBuffer(index, count);
    const { reason = 'The scheduler', bytes = this.bytes, creditBytes = 0 } = this.#grant ?? {};
    const waiting = this.#card.host.nic.receiveScheduler.backlogged;
    this.#book.add('scheduler', `${reason} lets this context write to memory`, [
      `${bytes} bytes are granted, ${creditBytes} bytes of what may be under way remain`,
      `${waiting} ${waiting === 1 ? 'context has' : 'contexts have'} received frames waiting`,
    ]);
  }

  /** The buffers that the frame goes to were posted before it came: who checked them, and what the card knows of them. */
  #tellBuffer(index: number, count: number): void {
    const known = this.#setUps.find((setUp) => (index - setUp.first) >>> 0 < setUp.count);
    const when = known === undefined ? 'before this frame was followed' : `at ${known.atNs} ns`;
    const setUp = this.#card.setUpFacts(this.#queue, index);
    const many = count === 1 ? 'Its buffer' : `Its ${count} buffers`;
    this.#book.add(
      'set-up-gate',
      `${many} passed the set-up gate ${when}`,
      [`page ${setUp.page} belongs to ${this.#card.ownerOf(setUp.page)}`, ...setUp.facts],
      setUp,
    );
    const slot = this.#card.slotFacts(this.#queue, index);
    this.#book.add(
      'memory',
      `Descriptor ${index} is the oldest that is free in the receive ring`,
      slot.facts,
      slot,
    );
    const at = slotAddress(this.#queue, index);
    const fetch = this.#fetches.findLast(({ physical, length }) => physical <= at && physical + length > at);
    const read =
      fetch === undefined
        ? ['the card read it before this frame was followed']
        : [`the card read it at ${fetch.atNs} ns`, ...fetch.facts];
    this.#book.add(
      'context',
      'The descriptor is on the card',
      [...read, this.#card.sequenceFact('receive', index)],
      fetch === undefined ? {} : { page: fetch.page, walk: fetch.walk },
    );
  }

  #onAccess(access: SeenAccess): void {
    if (this.#end.takes(access)) return;
    const { write, physical, length, address } = access;
    if (this.#first < 0) {
      if (!write && this.#isRing(physical)) this.#noteFetch(access);
      return;
    }
    if (!write || this.#complete) return;
    const isPayload = this.#buffers.some(
      ({ bus, length: room }) => address >= bus && address + length <= bus + room,
    );
    if (isPayload) {
      const facts = this.#card.factsOf(access);
      const owner = this.#card.ownerOf(facts.page);
      this.#book.addAccess(`The card writes ${length} bytes of the frame`, {
        ...facts,
        facts: [...facts.facts, `to page ${facts.page}, which belongs to ${owner}`],
      });
      return;
    }
    const back = this.#buffers.filter(({ slot }) => physical <= slot && physical + length > slot).length;
    if (back === 0) return;
    const title = `The card writes ${back === 1 ? 'the descriptor' : `${back} descriptors`} back`;
    const facts = this.#card.factsOf(access);
    const says = 'with the bytes that were used, and the flag that the card is done with the buffer';
    this.#book.addAccess(title, { ...facts, facts: [...facts.facts, says] });
  }

  /** Whether an address lies in the receive ring. */
  #isRing(physical: number): boolean {
    const { ringAddress, slots } = this.#queue;
    return physical >= ringAddress && physical < ringAddress + slots * DESCRIPTOR_BYTES;
  }

  #noteFetch(access: SeenAccess): void {
    const { physical, length } = access;
    const atNs = this.#card.host.kernel.nowNs;
    this.#fetches.push({ ...this.#card.factsOf(access), atNs, physical, length });
    if (this.#fetches.length > MOST_FETCHES) this.#fetches.shift();
  }

  #onComplete(): void {
    this.#complete = true;
    const { nowNs } = this.#card.host.kernel;
    const since = nowNs - (this.#arrival?.atNs ?? nowNs);
    this.#book.add('memory', 'The frame is complete in memory', [
      `${this.bytes} bytes, ${since} ns after the last bit came in`,
      'frames of a context are complete in the order in which they came',
    ]);
  }

  #onDrop(reason: string): void {
    if (this.#arrival === undefined || this.#complete) return;
    if (reason !== 'context-stopped' && !this.#isOurs()) return;
    this.#lose('wire', `The frame is dropped: ${reason}`, 'no more of it comes into memory');
  }
}
