import type { ContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { CONTEXT_STATES, type Context } from './context.js';
import { FAULT_REASONS } from './counters.js';
import { type EventVector, MAILBOXES } from './event-vector.js';
import { ALL_ONES, MAILBOX, MAILBOX_REGISTERS, PAGE_BYTES, SHARED_MEMORY_OFFSET } from './registers.js';

/** The receive filter's handlers for a guest's settings. */
export interface ReceiveFilter {
  /** A context's promiscuous bit has changed. */
  recount(): void;
  /** Joins a multicast group; false if that is no group, or one too many. */
  join(context: Context, group: number): boolean;
  leave(context: Context, group: number): void;
}

const JOIN = 0x40000000;
const LEAVE = 0x80000000;

/**
 * The pages that guests map: one per context, mailboxes first, shared memory behind them. A mailbox write takes
 * effect on the context's settings at once and sets its event bit for the firmware. The shared memory is just
 * memory, whatever the state of the context, and zero after a reset; it is allocated when it is first written,
 * so contexts that do not use it cost nothing.
 */
export class ContextPages {
  readonly #contexts: readonly Context[];
  readonly #events: EventVector;
  readonly #filter: ReceiveFilter;
  readonly #mailboxes: Uint32Array;
  readonly #shared: (Uint8Array | undefined)[];

  constructor(contexts: readonly Context[], events: EventVector, filter: ReceiveFilter) {
    this.#contexts = contexts;
    this.#events = events;
    this.#filter = filter;
    this.#mailboxes = new Uint32Array(contexts.length * MAILBOXES);
    this.#shared = new Array<Uint8Array | undefined>(contexts.length).fill(undefined);
    for (const { index } of contexts) this.reset(index);
  }

  /** What was last written to a mailbox. */
  mailbox(context: ContextId, mailbox: number): number {
    return present(this.#mailboxes[context * MAILBOXES + mailbox]);
  }

  /** The mailboxes as after a reset. Events that were pending are gone. */
  reset(index: ContextId): void {
    for (let mailbox = 0; mailbox < MAILBOXES; mailbox += 1) {
      // 0: a mailbox that no register names.
      this.#mailboxes[index * MAILBOXES + mailbox] = MAILBOX_REGISTERS[mailbox]?.reset ?? 0;
    }
    this.#events.take(index);
    this.#shared[index] = undefined;
  }

  read(page: ContextId, offset: number, width: number): number {
    if (offset >= SHARED_MEMORY_OFFSET) {
      const shared = this.#shared[page];
      let value = 0;
      // 0: shared memory that has not been written is not allocated.
      for (let byte = width - 1; byte >= 0; byte -= 1) value = value * 256 + (shared?.[offset + byte] ?? 0);
      return value;
    }
    const ones = width === 1 ? 0xff : width === 2 ? 0xffff : ALL_ONES;
    const mailbox = offset >>> 2;
    const context = this.#contexts[page];
    if (width !== 4 || mailbox >= MAILBOX_REGISTERS.length || context === undefined) return ones;
    switch (mailbox) {
      case MAILBOX.TX_CONSUMER:
        return context.transmit.consumer;
      case MAILBOX.RX_CONSUMER:
        return context.receive.consumer;
      case MAILBOX.STATUS:
        return CONTEXT_STATES.indexOf(context.state);
      case MAILBOX.FAULT_REASON:
        return FAULT_REASONS.indexOf(context.faultReason);
      case MAILBOX.MAC_LOW:
        return context.mac % 0x100000000;
      case MAILBOX.MAC_HIGH:
        return Math.floor(context.mac / 0x100000000);
      case MAILBOX.RING_SIZES:
        return log2(context.transmit.slots) | (log2(context.receive.slots) << 8);
      default:
        return this.mailbox(page, mailbox);
    }
  }

  /** False if nothing there can be written with that width, or the context is not open. */
  write(page: ContextId, offset: number, width: number, value: number): boolean {
    if (offset >= SHARED_MEMORY_OFFSET) {
      let shared = this.#shared[page];
      if (shared === undefined) {
        shared = new Uint8Array(PAGE_BYTES);
        this.#shared[page] = shared;
      }
      for (let byte = 0; byte < width; byte += 1) shared[offset + byte] = value >>> (8 * byte);
      return true;
    }
    const mailbox = offset >>> 2;
    const context = this.#contexts[page];
    if (width !== 4 || context === undefined || context.state !== 'open') return false;
    if (MAILBOX_REGISTERS[mailbox]?.access !== 'rw') return false;
    if (!this.#apply(context, mailbox, value)) return false;
    this.#mailboxes[page * MAILBOXES + mailbox] = value;
    this.#events.set(page, mailbox);
    return true;
  }

  checkInvariants(): void {
    for (const context of this.#contexts) {
      if (context.state !== 'open') continue;
      const shown = (mailbox: number) => this.mailbox(context.index, mailbox);
      const agrees =
        shown(MAILBOX.COALESCE_FRAMES) === context.coalesceFrames &&
        shown(MAILBOX.COALESCE_NS) === context.coalesceNs &&
        (shown(MAILBOX.INTERRUPT_MASK) & 1) === (context.interruptsMasked ? 1 : 0);
      if (!agrees)
        throw new InvariantViolation(`the mailboxes of context ${context.index} do not say how it is set`);
    }
  }

  #apply(context: Context, mailbox: number, value: number): boolean {
    switch (mailbox) {
      case MAILBOX.INTERRUPT_MASK:
        context.interruptsMasked = (value & 1) !== 0;
        return true;
      case MAILBOX.COALESCE_FRAMES:
        if (value < 1 || value > 65_535) return false;
        context.coalesceFrames = value;
        return true;
      case MAILBOX.COALESCE_NS:
        context.coalesceNs = value;
        return true;
      case MAILBOX.RX_MODE:
        context.promiscuous = (value & 1) !== 0 && context.promiscuousAllowed;
        context.allMulticast = (value & 2) !== 0;
        this.#filter.recount();
        return true;
      case MAILBOX.GROUP_HIGH:
        return this.#applyGroup(context, value);
      default:
        return true;
    }
  }

  #applyGroup(context: Context, value: number): boolean {
    const group = (value % 0x10000) * 0x100000000 + this.mailbox(context.index, MAILBOX.GROUP_LOW);
    const joins = (value & JOIN) !== 0;
    const leaves = (value & LEAVE) !== 0;
    if (joins && leaves) return false;
    if (leaves) this.#filter.leave(context, group);
    return joins ? this.#filter.join(context, group) : true;
  }
}

function log2(slots: number): number {
  return slots === 0 ? 0 : 31 - Math.clz32(slots);
}
