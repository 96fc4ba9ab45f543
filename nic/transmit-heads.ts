import type { ContextId } from '../scheduler/branded.js';
import { STARVED } from '../scheduler/discipline.js';
import { present } from '../scheduler/present.js';
import type { DataPath } from './card-core.js';
import type { Context } from './context.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES, MIN_FRAME_BYTES, PADDED_FRAME_BYTES } from './descriptor.js';

// The record of a context.
const SHIFT = 2;
const BYTES = 0;
const CHAIN = 1;
const TAIL_BYTES = 2;
/** Which life of the context: frames of an older one are not its own any more. */
const EPOCH = 3;

/** The frame at the head of each context's queue, and how much has arrived of the one at its end. */
export class TransmitHeads {
  readonly #contexts: readonly Context[];
  readonly #path: DataPath;
  // One record per context: what the frame at its head has, and bytes of the one of which only the beginning is here.
  readonly #records: Int32Array;

  constructor(contexts: readonly Context[], path: DataPath) {
    this.#contexts = contexts;
    this.#path = path;
    this.#records = new Int32Array(contexts.length << SHIFT);
  }

  /** Bytes of the frame that a grant to this context would send; 0 if none is posted, STARVED if it is not here yet. */
  bytes(context: ContextId): number {
    const bytes = this.wireBytes(context);
    if (bytes > 0) return bytes;
    const { state, transmit } = present(this.#contexts[context]);
    return state === 'open' && transmit.untaken > transmit.available ? STARVED : 0;
  }

  /** Bytes of the head frame, padded; 0 when no whole frame is here. */
  wireBytes(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + BYTES]);
  }

  /** Descriptors of the head frame. */
  chain(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + CHAIN]);
  }

  /** Which life of the context this is. */
  epoch(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + EPOCH]);
  }

  /** Tells of each frame that the `count` descriptors from index `first` on complete. */
  noteArrivals(context: Context, first: number, count: number): void {
    const ring = context.transmit;
    const tail = (context.index << SHIFT) + TAIL_BYTES;
    let bytes = present(this.#records[tail]);
    for (let index = 0; index < count; index += 1) {
      bytes += ring.length(first + index);
      if ((ring.flags(first + index) & FLAG_END_OF_PACKET) === 0) continue;
      this.#path.queued(context, Math.max(bytes, PADDED_FRAME_BYTES));
      bytes = 0;
    }
    this.#records[tail] = bytes;
  }

  /** Looks again at the head of a context's queue; true when a frame could go now. */
  refresh(context: Context): boolean {
    const ring = context.transmit;
    const record = context.index << SHIFT;
    const { taken, available } = ring;
    this.#records[record + BYTES] = 0;
    this.#records[record + CHAIN] = 0;
    let bytes = 0;
    for (let index = 0; index < available; index += 1) {
      bytes += ring.length(taken + index);
      if ((ring.flags(taken + index) & FLAG_END_OF_PACKET) === 0) continue;
      if (bytes < MIN_FRAME_BYTES || bytes > MAX_FRAME_BYTES) {
        const reason = bytes < MIN_FRAME_BYTES ? 'frame-too-short' : 'frame-too-long';
        this.#path.fault(context, 'transmit', reason, bytes);
        return false;
      }
      this.#records[record + BYTES] = Math.max(bytes, PADDED_FRAME_BYTES);
      this.#records[record + CHAIN] = index + 1;
      return true;
    }
    return false;
  }

  /** The context was stopped: what it has posted is not its next life's. */
  forget(context: Context): void {
    const record = context.index << SHIFT;
    this.#records[record + EPOCH] = present(this.#records[record + EPOCH]) + 1;
    this.#records[record + BYTES] = 0;
    this.#records[record + CHAIN] = 0;
    this.#records[record + TAIL_BYTES] = 0;
  }
}
