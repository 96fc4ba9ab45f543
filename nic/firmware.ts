import { contextAfter, FIRST_CONTEXT, NO_CONTEXT } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import type { CardCore, FaultSink } from './card-core.js';
import type { Context, Direction } from './context.js';
import type { ContextPages } from './context-pages.js';
import type { EventVector } from './event-vector.js';
import { MAILBOX } from './registers.js';

/** The firmware's handler for a mailbox write. */
export interface FirmwareClient extends FaultSink {
  /** `count` descriptors were posted; the ring's producer has moved on. */
  posted(context: Context, direction: Direction, count: number): void;
  unmasked(context: Context): void;
  /** The guest has changed how its completions are coalesced. */
  coalesced(context: Context): void;
}

/**
 * What RiceNIC's processors do about mailbox writes. Such a write is a doorbell: it tells the card that a guest has work
 * for it, most often new descriptors in a ring. The processors decode the first level of the event vector, then the
 * second, and clear all events of a context at once. A mailbox that was written twice meanwhile is one event, and its
 * last value counts.
 */
export class Firmware {
  readonly #kernel: EventKernel;
  readonly #events: EventVector;
  readonly #pages: ContextPages;
  readonly #contexts: readonly Context[];
  readonly #client: FirmwareClient;
  readonly #decodeNs: number;
  readonly #decode: HandlerId;
  #awake = false;

  constructor(core: CardCore, events: EventVector, pages: ContextPages, client: FirmwareClient) {
    const { kernel } = core;
    this.#kernel = kernel;
    this.#events = events;
    this.#pages = pages;
    this.#contexts = core.contexts;
    this.#client = client;
    this.#decodeNs = core.parameters.decodeNs;
    this.#decode = kernel.register('nic.firmware', () => this.#onDecode());
  }

  /** There may be events. */
  wake(): void {
    if (this.#awake || this.#events.empty) return;
    this.#awake = true;
    this.#kernel.post(this.#decodeNs, this.#decode);
  }

  checkInvariants(): void {
    this.#events.checkInvariants();
    if (!this.#events.empty && !this.#awake)
      throw new InvariantViolation('events wait and the firmware sleeps');
  }

  #onDecode(): void {
    this.#awake = false;
    const first = this.#events.nextContext(FIRST_CONTEXT);
    for (let index = first; index !== NO_CONTEXT; index = this.#events.nextContext(contextAfter(index))) {
      const mailboxes = this.#events.take(index);
      const context = this.#contexts[index];
      if (context === undefined) continue;
      if (has(mailboxes, MAILBOX.TX_PRODUCER)) this.#onProducer(context, 'transmit');
      if (has(mailboxes, MAILBOX.RX_PRODUCER)) this.#onProducer(context, 'receive');
      if (context.state !== 'open') continue;
      if (has(mailboxes, MAILBOX.INTERRUPT_MASK) && !context.interruptsMasked) this.#client.unmasked(context);
      if (has(mailboxes, MAILBOX.COALESCE_FRAMES) || has(mailboxes, MAILBOX.COALESCE_NS))
        this.#client.coalesced(context);
    }
  }

  #onProducer(context: Context, direction: Direction): void {
    if (context.state !== 'open') return;
    const ring = context.ring(direction);
    const mailbox = direction === 'transmit' ? MAILBOX.TX_PRODUCER : MAILBOX.RX_PRODUCER;
    const value = this.#pages.mailbox(context.index, mailbox);
    if (value === ring.producer) return;
    // The ring cannot hold more than its slots: an index further on (or back) is not one that was posted.
    const outstanding = (value - ring.consumer) >>> 0;
    const advance = (value - ring.producer) >>> 0;
    if (outstanding > ring.slots || advance > ring.slots) {
      this.#client.fault(context, direction, 'producer-out-of-range', value);
      return;
    }
    ring.producer = value;
    this.#client.posted(context, direction, advance);
  }
}

function has(mailboxes: number, mailbox: number): boolean {
  return (mailboxes & (1 << mailbox)) !== 0;
}
