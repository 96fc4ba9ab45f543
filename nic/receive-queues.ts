import { type ContextId, contextAfter, FIRST_CONTEXT, storedContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { copyBytes } from './copy-bytes.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { NONE, type ReceiveSlot, ReceiveSlots, storedSlot, WAITING } from './receive-slots.js';
import { ViewCache } from './view-cache.js';

/**
 * The received frames of each context, oldest first: those being written, then, from the cursor on, those
 * that wait for their grant. A frame takes a slot, a block of the receive buffer and a part of its context's
 * share, and gives back all three at once.
 */
export class ReceiveQueues {
  readonly slots = new ReceiveSlots();
  readonly #buffer = new ReceiveBuffer();
  readonly #views = new ViewCache();
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #cursor: Int32Array;
  readonly #waiting: Int32Array;
  readonly #heldBytes: Int32Array;

  constructor(contexts: number) {
    this.#head = new Int32Array(contexts).fill(NONE);
    this.#tail = new Int32Array(contexts).fill(NONE);
    this.#cursor = new Int32Array(contexts).fill(NONE);
    this.#waiting = new Int32Array(contexts);
    this.#heldBytes = new Int32Array(contexts);
  }

  /** The oldest frame of a context, or NONE. */
  head(context: ContextId): ReceiveSlot {
    return storedSlot(present(this.#head[context]));
  }

  /** The oldest one that waits for its grant, or NONE. */
  cursor(context: ContextId): ReceiveSlot {
    return storedSlot(present(this.#cursor[context]));
  }

  /** Frames that wait for their grant. */
  waiting(context: ContextId): number {
    return present(this.#waiting[context]);
  }

  /** Bytes of the receive buffer that the frames of a context take. */
  heldBytes(context: ContextId): number {
    return present(this.#heldBytes[context]);
  }

  /** The memory in which a frame lies, and where in it. */
  bytes(slot: ReceiveSlot): Uint8Array {
    return this.#buffer.bytes(present(this.slots.block[slot]));
  }

  offset(slot: ReceiveSlot): number {
    return this.#buffer.offset(present(this.slots.block[slot]));
  }

  /** The frame alone. The same view is given again for a block that holds as long a frame as before. */
  view(slot: ReceiveSlot): Uint8Array {
    return this.#buffer.view(present(this.slots.block[slot]), present(this.slots.length[slot]));
  }

  /** A copy of the frame waits from now on, behind the others of its context; returns its slot. */
  push(context: ContextId, bytes: Uint8Array, offset: number, length: number): ReceiveSlot {
    const { slots } = this;
    const slot = slots.take();
    const block = this.#buffer.allocate(length);
    copyBytes(bytes, offset, this.#buffer.bytes(block), this.#buffer.offset(block), length, this.#views);
    slots.context[slot] = context;
    slots.state[slot] = WAITING;
    slots.length[slot] = length;
    slots.block[slot] = block;
    slots.pending[slot] = 0;
    this.#heldBytes[context] = this.heldBytes(context) + length;
    this.#waiting[context] = this.waiting(context) + 1;
    const tail = present(this.#tail[context]);
    if (tail === NONE) this.#head[context] = slot;
    else slots.next[tail] = slot;
    this.#tail[context] = slot;
    if (this.cursor(context) === NONE) this.#cursor[context] = slot;
    return slot;
  }

  /** The frame at the cursor was granted: it waits no longer. */
  advance(context: ContextId): void {
    this.#cursor[context] = this.slots.after(this.cursor(context));
    this.#waiting[context] = this.waiting(context) - 1;
  }

  /** The oldest frame leaves the queue; its slot and bytes stay until `release`. */
  shift(context: ContextId): void {
    const next = this.slots.after(this.head(context));
    this.#head[context] = next;
    if (next === NONE) this.#tail[context] = NONE;
  }

  /** The frame at the cursor is dropped; its slot and bytes stay until `release`. */
  unlinkCursor(context: ContextId): void {
    const slot = this.cursor(context);
    const next = present(this.slots.next[slot]);
    let before = NONE;
    for (let at = this.head(context); at !== slot && at !== NONE; at = this.slots.after(at)) before = at;
    if (before === NONE) this.#head[context] = next;
    else this.slots.next[before] = next;
    if (this.#tail[context] === slot) this.#tail[context] = before;
    this.#cursor[context] = next;
    this.#waiting[context] = this.waiting(context) - 1;
  }

  /** Nothing is queued for a context any more; those that held slots of it release them. */
  empty(context: ContextId): void {
    this.#head[context] = NONE;
    this.#tail[context] = NONE;
    this.#cursor[context] = NONE;
    this.#waiting[context] = 0;
  }

  release(slot: ReceiveSlot): void {
    const context = storedContextId(present(this.slots.context[slot]));
    this.#heldBytes[context] = this.heldBytes(context) - present(this.slots.length[slot]);
    this.#buffer.release(present(this.slots.block[slot]));
    this.slots.giveBack(slot);
  }

  checkInvariants(): void {
    this.slots.checkInvariants();
    this.#buffer.checkInvariants();
    for (let context = FIRST_CONTEXT; context < this.#head.length; context = contextAfter(context)) {
      let held = 0;
      let waiting = 0;
      let pastCursor = false;
      for (let slot = this.head(context); slot !== NONE; slot = this.slots.after(slot)) {
        if (slot === this.cursor(context)) pastCursor = true;
        held += present(this.slots.length[slot]);
        if (pastCursor) waiting += 1;
      }
      if (waiting !== this.waiting(context))
        throw new InvariantViolation('a receive queue miscounts its frames');
      if (held > this.heldBytes(context)) throw new InvariantViolation('a receive share miscounts its bytes');
    }
    if (this.#buffer.used !== this.slots.inUse) throw new InvariantViolation('a receive block is lost');
  }
}
