import type { ContextId } from '../scheduler/branded.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';

/** An exit, as far as the order of completions is concerned. */
interface ExitInOrder {
  /** Index of the first descriptor of the oldest frame of a context that is under way here, or -1. */
  oldestIndex(context: ContextId): number;
}

/**
 * Completes transmit descriptors in the order of their ring. Frames of a context leave each exit in order, but a frame
 * that stays inside may leave before an older one for the wire: its completion waits for that of the older one.
 */
export class TransmitOrder {
  readonly #path: DataPath;
  readonly #subjects: CardCore['subjects'];
  readonly #exits: ExitInOrder[] = [];
  // Frames that have left and are not completed yet, and whether one of them is urgent.
  readonly #held: Int32Array;
  readonly #urgent: Uint8Array;

  constructor(core: CardCore, path: DataPath) {
    this.#path = path;
    this.#subjects = core.subjects;
    this.#held = new Int32Array(core.contexts.length);
    this.#urgent = new Uint8Array(core.contexts.length);
  }

  /** One more exit by which frames leave. */
  add(exit: ExitInOrder): void {
    this.#exits.push(exit);
  }

  /** A frame of a context has left, and is under way at its exit no longer. */
  left(context: Context, urgent: boolean): void {
    const { index, transmit: ring } = context;
    const frames = present(this.#held[index]) + 1;
    const hurry = urgent || this.#urgent[index] === 1;
    const finished = (this.#oldestUnderWay(context) - ring.consumer) >>> 0;
    if (finished === 0) {
      this.#held[index] = frames;
      this.#urgent[index] = hurry ? 1 : 0;
      return;
    }
    const first = ring.consumer;
    ring.consumer = (first + finished) >>> 0;
    this.#held[index] = 0;
    this.#urgent[index] = 0;
    if (this.#subjects.followsDescriptors)
      this.#subjects.descriptor(index, 'transmit', first, finished, 'completed');
    this.#path.completed(context, 'transmit', finished, hurry);
    for (let frame = 1; frame < frames; frame += 1) this.#path.completed(context, 'transmit', 0, false);
  }

  /** The context was stopped: nothing of it is completed any more. */
  forget(context: Context): void {
    this.#held[context.index] = 0;
    this.#urgent[context.index] = 0;
  }

  /** Index of the oldest descriptor of a frame that has not left; one past the last that was taken if there is none. */
  #oldestUnderWay({ index, transmit: ring }: Context): number {
    let oldest = ring.taken;
    for (let number = 0; number < this.#exits.length; number += 1) {
      const at = present(this.#exits[number]).oldestIndex(index);
      if (at >= 0 && (at - ring.consumer) >>> 0 < (oldest - ring.consumer) >>> 0) oldest = at;
    }
    return oldest;
  }
}
