import type { ContextId } from '../../scheduler/branded.js';
import { countOf } from '../../scheduler/tally.js';

/** Numbers per context: a ring has at most 32,768 slots, and a slot has one frame at a time. */
const CONTEXT_UNIT = 2 ** 32;

/**
 * Numbers by which a timeline follows transmit descriptors from the doorbell to their completion, per context. Frames of
 * a context leave each exit, the wire and the inside of the card, in the order in which it granted them.
 */
export class FrameFlows {
  readonly #producer = new Map<ContextId, number>();
  readonly #granted = new Map<ContextId, Granted[]>();

  /** The doorbell says that the ring is filled up to `producer`: the flows of the descriptors that are new. */
  posted(context: ContextId, producer: number): number[] {
    const before = countOf(this.#producer, context);
    this.#producer.set(context, producer);
    const count = (producer - before) >>> 0;
    return count > MOST_POSTED ? [] : this.of(context, before, count);
  }

  /** `count` descriptors from `first` on were granted, as one frame, by the wire or `inside`. */
  granted(context: ContextId, first: number, count: number, inside: boolean): number[] {
    const queue = this.#granted.get(context);
    const frame = { first, count, inside };
    if (queue === undefined) this.#granted.set(context, [frame]);
    else queue.push(frame);
    return this.of(context, first, count);
  }

  /** The oldest granted frame of a context has left by this exit; the other exit's if this one has granted none. */
  left(context: ContextId, inside: boolean): number[] {
    const queue = this.#granted.get(context) ?? [];
    const at = Math.max(
      0,
      queue.findIndex((granted) => granted.inside === inside),
    );
    const [frame] = queue.splice(at, 1);
    return frame === undefined ? [] : this.of(context, frame.first, frame.count);
  }

  /** The context was stopped, or a frame of it was dropped: what leaves next is not known any more. */
  forget(context: ContextId): void {
    this.#granted.delete(context);
  }

  /** Flows of descriptors; their numbers come again after 2^32 of them. */
  of(context: ContextId, first: number, count: number): number[] {
    const ids: number[] = [];
    for (let step = 0; step < count; step += 1)
      ids.push((context + 1) * CONTEXT_UNIT + ((first + step) >>> 0));
    return ids;
  }
}

/** A frame that was granted and has not left. */
interface Granted {
  readonly first: number;
  readonly count: number;
  readonly inside: boolean;
}

/** A doorbell that says more is not that of a ring. */
const MOST_POSTED = 32_768;
