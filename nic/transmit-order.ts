import type { ContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';

/** An exit, as far as the order of completions is concerned. */
interface ExitInOrder {
  /** Index of the first descriptor of the oldest frame of a context that is under way here, or -1. */
  oldestIndex(context: ContextId): number;
}

/** How a frame that has left is marked, in the slot of its last descriptor. */
const LEFT = 1;
const LEFT_URGENT = 2;

/**
 * Completes transmit descriptors in the order of their ring. Frames of a context leave each exit in order, but a frame
 * that stays inside may leave before an older one for the wire: its completion waits for that of the older one.
 */
export class TransmitOrder {
  readonly #path: DataPath;
  readonly #subjects: CardCore['subjects'];
  readonly #contexts: readonly Context[];
  readonly #exits: ExitInOrder[] = [];
  /** Frames of a context that have left and are not completed yet. */
  readonly #held: Int32Array;
  /** Per context, for each slot of its ring: whether such a frame ends there. Absent until a frame of it is held. */
  readonly #marks: (Uint8Array | undefined)[];

  constructor(core: CardCore, path: DataPath) {
    const { contexts } = core;
    this.#path = path;
    this.#subjects = core.subjects;
    this.#contexts = contexts;
    this.#held = new Int32Array(contexts.length);
    this.#marks = new Array<Uint8Array | undefined>(contexts.length).fill(undefined);
  }

  /** One more exit by which frames leave. */
  add(exit: ExitInOrder): void {
    this.#exits.push(exit);
  }

  /** A frame of a context, which ends at this descriptor, has left, and is under way at its exit no longer. */
  left(context: Context, lastIndex: number, urgent: boolean): void {
    const { index, transmit: ring } = context;
    const finished = (this.#oldestUnderWay(context) - ring.consumer) >>> 0;
    if (finished === 0) {
      this.#hold(context, lastIndex, urgent);
      return;
    }
    const first = ring.consumer;
    ring.consumer = (first + finished) >>> 0;
    if (this.#subjects.followsDescriptors)
      this.#subjects.descriptor(index, 'transmit', first, finished, 'completed');
    if (this.#held[index] === 0) {
      this.#path.completed(context, 'transmit', finished, urgent);
      return;
    }
    const released = this.#release(context, first, finished);
    const hurry = urgent || released < 0;
    this.#path.completed(context, 'transmit', finished, hurry);
    for (let frame = Math.abs(released); frame > 0; frame -= 1)
      this.#path.completed(context, 'transmit', 0, false);
  }

  /** The context was stopped: nothing of it is completed any more. */
  forget({ index }: Context): void {
    this.#held[index] = 0;
    this.#marks[index] = undefined;
  }

  checkInvariants(): void {
    for (const context of this.#contexts) {
      const { index, transmit: ring } = context;
      const held = present(this.#held[index]);
      if (held === 0) continue;
      if (this.#oldestUnderWay(context) !== ring.consumer || ring.consumer === ring.taken)
        throw new InvariantViolation(
          `${held} frames of context ${index} are held behind none that is under way`,
        );
      const marks = present(this.#marks[index]);
      let ahead = 0;
      for (let at = ring.consumer; at !== ring.taken; at = (at + 1) >>> 0)
        if (marks[at & (marks.length - 1)] !== 0) ahead += 1;
      const marked = marks.reduce((count, mark) => count + (mark === 0 ? 0 : 1), 0);
      if (ahead !== held || marked !== held)
        throw new InvariantViolation(
          `${held} frames of context ${index} are held, ${marked} are marked, ${ahead} of them beyond the consumer`,
        );
    }
  }

  /** A frame waits until those before it have left. */
  #hold({ index, transmit: ring }: Context, lastIndex: number, urgent: boolean): void {
    const marks = this.#marks[index] ?? new Uint8Array(ring.slots);
    this.#marks[index] = marks;
    marks[lastIndex & (marks.length - 1)] = urgent ? LEFT_URGENT : LEFT;
    this.#held[index] = present(this.#held[index]) + 1;
  }

  /** The held frames that end within `count` descriptors from `first` on are held no longer: how many, negative if one is urgent. */
  #release({ index }: Context, first: number, count: number): number {
    const marks = present(this.#marks[index]);
    let frames = 0;
    let urgent = false;
    for (let step = 0; step < count; step += 1) {
      const slot = (first + step) & (marks.length - 1);
      if (marks[slot] === 0) continue;
      frames += 1;
      urgent ||= marks[slot] === LEFT_URGENT;
      marks[slot] = 0;
    }
    this.#held[index] = present(this.#held[index]) - frames;
    return urgent ? -frames : frames;
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
