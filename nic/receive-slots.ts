import type { Branded } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
/** Number of a slot of received frames. */
export type ReceiveSlot = Branded<'ReceiveSlot'>;

/** A slot number that was kept as a plain number (in a column, in the cookie of a transfer) and is read back. */
export function storedSlot(value: number): ReceiveSlot {
  return value as ReceiveSlot;
}

/** No slot. */
export const NONE = storedSlot(-1);

/** The state of a received frame. */
export const WAITING = 0;
export const WRITING = 1;
export const WRITTEN = 2;
export const FAILED = 3;

/**
 * One slot a received frame, as columns of numbers: the receive path keeps nothing else about it. Slots are
 * numbered, taken and given back; there are as many as were ever in use at once.
 */
export class ReceiveSlots {
  /** Context that the frame is for, and which life of it. */
  context = new Int32Array(0);
  epoch = new Int32Array(0);
  state = new Uint8Array(0);
  length = new Int32Array(0);
  /** When its last bit came in, ns. */
  arrivedNs = new Float64Array(0);
  /** 1 if it came from another context of this NIC. */
  switched = new Uint8Array(0);
  /** Block of the receive buffer. */
  block = new Int32Array(0);
  /** Class of the context that it is for, where classes have flow control. */
  trafficClass = new Uint8Array(0);
  /** Transfers that are not over yet. */
  pending = new Int32Array(0);
  /** Descriptors that it was given. */
  firstIndex = new Uint32Array(0);
  chain = new Int32Array(0);
  /** Whether one of them asks for an interrupt at once. */
  urgent = new Uint8Array(0);
  /** The next frame of the same context, or the next free slot. */
  next = new Int32Array(0);
  #free = NONE;
  #inUse = 0;

  /** Slots taken and not released. */
  get inUse(): number {
    return this.#inUse;
  }

  /** The slot behind another in the list that it is in, or NONE. */
  after(slot: ReceiveSlot): ReceiveSlot {
    return storedSlot(present(this.next[slot]));
  }

  take(): ReceiveSlot {
    if (this.#free === NONE) this.#grow();
    const slot = this.#free;
    this.#free = this.after(slot);
    this.next[slot] = NONE;
    this.#inUse += 1;
    return slot;
  }

  giveBack(slot: ReceiveSlot): void {
    this.next[slot] = this.#free;
    this.#free = slot;
    this.#inUse -= 1;
  }

  checkInvariants(): void {
    let free = 0;
    for (let slot = this.#free; slot !== NONE; slot = this.after(slot)) free += 1;
    if (free + this.#inUse !== this.next.length) throw new InvariantViolation('a receive slot is lost');
  }

  #grow(): void {
    const old = this.next.length;
    const size = old === 0 ? 64 : old * 2;
    const wider = <T extends Uint8Array | Int32Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.context = wider(this.context, new Int32Array(size));
    this.epoch = wider(this.epoch, new Int32Array(size));
    this.state = wider(this.state, new Uint8Array(size));
    this.length = wider(this.length, new Int32Array(size));
    this.arrivedNs = wider(this.arrivedNs, new Float64Array(size));
    this.switched = wider(this.switched, new Uint8Array(size));
    this.block = wider(this.block, new Int32Array(size));
    this.trafficClass = wider(this.trafficClass, new Uint8Array(size));
    this.pending = wider(this.pending, new Int32Array(size));
    this.firstIndex = wider(this.firstIndex, new Uint32Array(size));
    this.chain = wider(this.chain, new Int32Array(size));
    this.urgent = wider(this.urgent, new Uint8Array(size));
    this.next = wider(this.next, new Int32Array(size));
    for (let slot = size - 1; slot >= old; slot -= 1) {
      this.next[slot] = this.#free;
      this.#free = storedSlot(slot);
    }
  }
}
