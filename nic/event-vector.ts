import {
  type ContextId,
  contextAfter,
  FIRST_CONTEXT,
  NO_CONTEXT,
  storedContextId,
} from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
/** Mailboxes of one context: the lowest words of its page (RiceNIC; Willmann et al., HPCA 2007). */
export const MAILBOXES = 24;

/**
 * The two-level bit vector that the snooping hardware sets and the firmware decodes: the first level says
 * which contexts have an event, the second which mailboxes of each. Setting a bit twice is one event.
 */
export class EventVector {
  readonly #contexts: Int32Array;
  readonly #mailboxes: Int32Array;
  #pendingContexts = 0;

  constructor(contexts: number) {
    this.#contexts = new Int32Array(Math.ceil(contexts / 32));
    this.#mailboxes = new Int32Array(contexts);
  }

  get empty(): boolean {
    return this.#pendingContexts === 0;
  }

  /** Notes an event. Returns true when it is the first one of all. */
  set(context: ContextId, mailbox: number): boolean {
    const before = present(this.#mailboxes[context]);
    this.#mailboxes[context] = before | (1 << mailbox);
    if (before !== 0) return false;
    const word = context >>> 5;
    this.#contexts[word] = present(this.#contexts[word]) | (1 << (context & 31));
    this.#pendingContexts += 1;
    return this.#pendingContexts === 1;
  }

  /** The mailboxes of a context that have events. */
  peek(context: ContextId): number {
    return present(this.#mailboxes[context]);
  }

  /** The event-clear operation: takes all events of one context at once and returns their mailboxes as bits. */
  take(context: ContextId): number {
    const bits = present(this.#mailboxes[context]);
    if (bits === 0) return 0;
    this.#mailboxes[context] = 0;
    const word = context >>> 5;
    this.#contexts[word] = present(this.#contexts[word]) & ~(1 << (context & 31));
    this.#pendingContexts -= 1;
    return bits;
  }

  /** The lowest context at or after `from` that has an event, or NO_CONTEXT. */
  nextContext(from: ContextId): ContextId {
    if (this.#pendingContexts === 0) return NO_CONTEXT;
    let word = from >>> 5;
    if (word >= this.#contexts.length) return NO_CONTEXT;
    let bits = present(this.#contexts[word]) & (-1 << (from & 31));
    while (bits === 0) {
      word += 1;
      if (word >= this.#contexts.length) return NO_CONTEXT;
      bits = present(this.#contexts[word]);
    }
    return storedContextId((word << 5) + (31 - Math.clz32(bits & -bits)));
  }

  checkInvariants(): void {
    let pending = 0;
    for (let context = FIRST_CONTEXT; context < this.#mailboxes.length; context = contextAfter(context)) {
      const level1 = (present(this.#contexts[context >>> 5]) >>> (context & 31)) & 1;
      const level2 = present(this.#mailboxes[context]) !== 0 ? 1 : 0;
      if (level1 !== level2)
        throw new InvariantViolation(`event vector levels disagree about context ${context}`);
      pending += level2;
    }
    if (pending !== this.#pendingContexts)
      throw new InvariantViolation('event vector counts the wrong number of contexts');
  }
}
