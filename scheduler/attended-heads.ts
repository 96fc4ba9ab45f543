import type { ContextId } from './branded.js';
import { NONE } from './discipline.js';
import type { HeadsOfLine } from './heads-of-line.js';

/**
 * Heads of queues, read one at a time. A doorbell of the context that is being read, or told of its grant, is noted and not
 * acted upon: it may be for a frame that was just taken.
 */
export class AttendedHeads {
  readonly #heads: HeadsOfLine;
  #attending = NONE;
  #rang = false;

  constructor(heads: HeadsOfLine) {
    this.#heads = heads;
  }

  /** Whether the context that was attended to last rang meanwhile. */
  get rang(): boolean {
    return this.#rang;
  }

  /** Bytes of the head frame of a context, or what stands for it; see `HeadsOfLine`. */
  bytes(context: ContextId): number {
    const before = this.#attending;
    this.#attending = context;
    this.#rang = false;
    const bytes = this.#heads.headBytes(context);
    this.#attending = before;
    return bytes;
  }

  /** A doorbell. True if it was noted, and is not to be acted upon. */
  notes(context: ContextId): boolean {
    if (context !== this.#attending) return false;
    this.#rang = true;
    return true;
  }

  /** A context is told of its grant from now on. */
  attend(context: ContextId): void {
    this.#attending = context;
  }

  /** It has been told. False if it left meanwhile. */
  dismiss(context: ContextId): boolean {
    const stayed = this.#attending === context;
    this.#attending = NONE;
    return stayed;
  }

  /** A context has lost its backlog: if it is being told of its grant, that is forgotten, even if it rings again at once. */
  forget(context: ContextId): void {
    if (this.#attending === context) this.#attending = NONE;
  }
}
