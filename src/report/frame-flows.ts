import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';
import { countOf } from '../../scheduler/tally.js';
import type { TraceFlows } from './timeline-writer.js';

/** Numbers per context: a ring has at most 32,768 slots, and a slot has one frame at a time. */
const CONTEXT_UNIT = 2 ** 32;

/**
 * Numbers by which a timeline follows transmit descriptors from the doorbell to their completion, per context. Frames of
 * a context leave each exit, the wire and the inside of the card, in the order in which it granted them.
 * What is returned is lent until the next call.
 */
export class FrameFlows {
  readonly #producer = new Map<ContextId, number>();
  readonly #granted: { readonly wire: Granted[]; readonly inside: Granted[] } = { wire: [], inside: [] };
  readonly #lent: { readonly ids: number[]; end: boolean } = { ids: [], end: false };

  /** The doorbell says that the ring is filled up to `producer`: the flows of the descriptors that are new. */
  posted(context: ContextId, producer: number): TraceFlows {
    const before = countOf(this.#producer, context);
    this.#producer.set(context, producer);
    const count = (producer - before) >>> 0;
    return this.#of(context, before, count > MOST_POSTED ? 0 : count, false);
  }

  /** `count` descriptors from `first` on were granted, as one frame, by the wire or `inside`. */
  granted(context: ContextId, first: number, count: number, inside: boolean): TraceFlows {
    this.#queueOf(context, inside).push(first, count);
    return this.#of(context, first, count, false);
  }

  /** The oldest granted frame of a context has left by this exit; the other exit's if this one has granted none. */
  left(context: ContextId, inside: boolean): TraceFlows {
    const own = this.#queueOf(context, inside);
    const queue = own.isEmpty ? this.#queueOf(context, !inside) : own;
    if (queue.isEmpty) return this.#of(context, 0, 0, false);
    const first = queue.first;
    return this.#of(context, first, queue.shift(), false);
  }

  /** The context was stopped, or a frame of it was dropped: what leaves next is not known any more. */
  forget(context: ContextId): void {
    this.#queueOf(context, false).clear();
    this.#queueOf(context, true).clear();
  }

  /** The flow of a descriptor ends; its number comes again after 2^32 of them. */
  ended(context: ContextId, descriptor: number): TraceFlows {
    return this.#of(context, descriptor, 1, true);
  }

  #of(context: ContextId, first: number, count: number, end: boolean): TraceFlows {
    const { ids } = this.#lent;
    this.#lent.end = end;
    if (ids.length !== count) ids.length = count;
    for (let step = 0; step < count; step += 1)
      ids[step] = (context + 1) * CONTEXT_UNIT + ((first + step) >>> 0);
    return this.#lent;
  }

  #queueOf(context: ContextId, inside: boolean): Granted {
    const queues = inside ? this.#granted.inside : this.#granted.wire;
    while (queues.length <= context) queues.push(new Granted());
    return present(queues[context]);
  }
}

/** Frames of a context that one exit granted and that have not left, the oldest first: a ring of descriptors and their number. */
class Granted {
  #cells = new Uint32Array(16);
  #head = 0;
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** First descriptor of the oldest. */
  get first(): number {
    return present(this.#cells[2 * this.#head]);
  }

  push(first: number, count: number): void {
    if (2 * this.#count === this.#cells.length) this.#grow();
    const at = 2 * ((this.#head + this.#count) & (this.#cells.length / 2 - 1));
    this.#cells[at] = first;
    this.#cells[at + 1] = count;
    this.#count += 1;
  }

  /** Takes the oldest out; returns how many descriptors it has. */
  shift(): number {
    const count = present(this.#cells[2 * this.#head + 1]);
    this.#head = (this.#head + 1) & (this.#cells.length / 2 - 1);
    this.#count -= 1;
    return count;
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
  }

  #grow(): void {
    const cells = new Uint32Array(2 * this.#cells.length);
    cells.set(this.#cells.subarray(2 * this.#head));
    cells.set(this.#cells.subarray(0, 2 * this.#head), this.#cells.length - 2 * this.#head);
    this.#cells = cells;
    this.#head = 0;
  }
}

/** A doorbell that says more is not that of a ring. */
const MOST_POSTED = 32_768;
