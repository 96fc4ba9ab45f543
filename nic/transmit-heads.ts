import type { ContextId } from '../scheduler/branded.js';
import { STARVED } from '../scheduler/discipline.js';
import { BEHIND } from '../scheduler/dma-scheduler.js';
import { present } from '../scheduler/present.js';
import type { DataPath } from './card-core.js';
import type { Context } from './context.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES, MIN_FRAME_BYTES, PADDED_FRAME_BYTES } from './descriptor.js';
import { type DestinationLookup, type Exit, UNKNOWN_EXIT, WIRE_EXIT } from './destination-lookup.js';

// The record of a context.
const SHIFT = 3;
const BYTES = 0;
const CHAIN = 1;
const EXIT = 2;
/** One past the last descriptor of the frames that have joined the wire's queue. */
const QUEUED = 3;
/** Which life of the context: frames of an older one are not its own any more. */
const EPOCH = 4;

/**
 * The frame at the head of each context's queue: its bytes, its descriptors and its exit. A context has one queue for
 * both exits, so a frame for one of them waits until those before it have been taken by the other.
 */
export class TransmitHeads {
  readonly #contexts: readonly Context[];
  readonly #path: DataPath;
  readonly #lookup: DestinationLookup;
  readonly #records: Int32Array;

  constructor(contexts: readonly Context[], lookup: DestinationLookup, path: DataPath) {
    this.#contexts = contexts;
    this.#lookup = lookup;
    this.#path = path;
    this.#records = new Int32Array(contexts.length << SHIFT);
  }

  /**
   * Bytes of the frame that a grant of this exit to this context would send. 0 if none is posted, STARVED if it is not
   * here yet or its exit is not known, BEHIND if the head frame leaves by the other exit.
   */
  bytes(context: ContextId, exit: Exit): number {
    const bytes = this.paddedBytes(context);
    if (bytes > 0) {
      const exitOfHead = this.#exit(context);
      if (exitOfHead === exit) return bytes;
      return exitOfHead === UNKNOWN_EXIT ? STARVED : BEHIND;
    }
    const { state, transmit } = present(this.#contexts[context]);
    return state === 'open' && transmit.untaken > transmit.available ? STARVED : 0;
  }

  /** Bytes of the head frame, padded; 0 when no whole frame is here. */
  paddedBytes(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + BYTES]);
  }

  /** Whether a context has posted as much as the card has descriptor slots for: what it waits for is the card's fetch. */
  fillsCache(context: ContextId): boolean {
    const { state, transmit } = present(this.#contexts[context]);
    return state === 'open' && transmit.untaken >= transmit.cacheSlots;
  }

  /** Descriptors of the head frame. */
  chain(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + CHAIN]);
  }

  /** Whether a whole frame is here of which only the exit is missing. */
  waitsForExit(context: ContextId): boolean {
    return this.paddedBytes(context) > 0 && this.#exit(context) === UNKNOWN_EXIT;
  }

  /** Which life of the context this is. */
  epoch(context: ContextId): number {
    return present(this.#records[(context << SHIFT) + EPOCH]);
  }

  /** Tells of each frame that has joined the wire's queue: it is here, and every frame before it is for the wire or gone. */
  noteQueued(context: Context): void {
    const ring = context.transmit;
    const record = context.index << SHIFT;
    const { fetched, taken } = ring;
    let first = present(this.#records[record + QUEUED]);
    if (((first - taken) | 0) < 0) first = taken | 0;
    let bytes = 0;
    for (let at = first; at !== (fetched | 0); at = (at + 1) | 0) {
      if (at === first && this.#lookup.exitOf(context.index, first) !== WIRE_EXIT) break;
      bytes += ring.length(at);
      if ((ring.flags(at) & FLAG_END_OF_PACKET) === 0) continue;
      this.#path.queued(context, Math.max(bytes, PADDED_FRAME_BYTES));
      bytes = 0;
      first = (at + 1) | 0;
    }
    this.#records[record + QUEUED] = first;
  }

  /** Looks again at the head of a context's queue; true when a whole frame is here. */
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
      this.#records[record + EXIT] = this.#lookup.exitOf(context.index, taken);
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
    this.#records[record + QUEUED] = 0;
  }

  #exit(context: ContextId): Exit {
    return present(this.#records[(context << SHIFT) + EXIT]) as Exit;
  }
}
