import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { absent, present } from '../present.js';
import { capacityFor, widened } from './widened.js';

const ABSENT = 0;
const IDLE = 1;
const BACKLOGGED = 2;
const STARVED = 3;

const SPELLED = ['not taking part', 'idle', 'backlogged', 'starved'];

/** Contexts are numbered below this, so that a mistyped number does not ask for gigabytes. */
const MAX_CONTEXTS = 2 ** 20;

/**
 * Which contexts take part in a discipline, which of those are ready, and how large the frame at the head is. It
 * applies one reading of the contract to every discipline: what a caller may do is checked here and nowhere else.
 */
export class Roster {
  readonly #discipline: string;
  #state: Uint8Array = new Uint8Array(64);
  #headBytes: Float64Array = new Float64Array(64);
  #members = 0;
  #backlogged = 0;

  constructor(discipline: string) {
    this.#discipline = discipline;
  }

  /** Contexts that take part. */
  get members(): number {
    return this.#members;
  }

  /** Number of ready contexts. */
  get backlogged(): number {
    return this.#backlogged;
  }

  /** Length of the columns, contexts; a discipline keeps its own columns at the same length. */
  get capacity(): number {
    return this.#state.length;
  }

  isMember(context: ContextId): boolean {
    return (this.#state[context] ?? ABSENT) !== ABSENT;
  }

  isBacklogged(context: ContextId): boolean {
    return this.#state[context] === BACKLOGGED;
  }

  /** Whether it has frames but the next one is not known yet. */
  isStarved(context: ContextId): boolean {
    return this.#state[context] === STARVED;
  }

  /** Bytes of the frame at the head, 0 while idle or starved. */
  headBytes(context: ContextId): number {
    return present(this.#headBytes[context]);
  }

  /** @throws RangeError for a number that no context can have, Error for one that takes part already. */
  join(context: ContextId): void {
    if (!Number.isInteger(context) || context < 0 || context >= MAX_CONTEXTS) {
      throw new ParameterError(
        `${this.#discipline}: context is ${context}, expected a whole number from 0 to ${MAX_CONTEXTS - 1}`,
      );
    }
    if (this.isMember(context))
      throw new InvariantViolation(`${this.#discipline}: context ${context} takes part already`);
    const capacity = capacityFor(context);
    this.#state = widened(this.#state, capacity);
    this.#headBytes = widened(this.#headBytes, capacity);
    this.#state[context] = IDLE;
    this.#members += 1;
  }

  /** The context must be idle: a discipline removes it from its queue first. */
  leave(context: ContextId): void {
    if (this.#state[context] !== IDLE) {
      throw new InvariantViolation(
        `${this.#discipline}: context ${context} cannot leave, it is ${this.#spell(context)}`,
      );
    }
    this.#state[context] = ABSENT;
    this.#members -= 1;
  }

  /** True if the context was idle or starved and is ready from now on; false if it was ready already (nothing changes). */
  activate(context: ContextId, headBytes: number): boolean {
    if (this.#state[context] === BACKLOGGED) return false;
    if (this.#state[context] !== IDLE && this.#state[context] !== STARVED) {
      throw new InvariantViolation(
        `${this.#discipline}: context ${context} has a frame but does not take part`,
      );
    }
    this.#requireBytes(context, headBytes);
    this.#state[context] = BACKLOGGED;
    this.#headBytes[context] = headBytes;
    this.#backlogged += 1;
    return true;
  }

  /** The head frame was taken. True if another frame waits behind it. */
  served(context: ContextId, bytes: number, nextHeadBytes: number): boolean {
    if (this.#state[context] !== BACKLOGGED) {
      throw new InvariantViolation(
        `${this.#discipline}: context ${context} was served, but it is ${this.#spell(context)}`,
      );
    }
    if (bytes !== this.#headBytes[context]) {
      throw new InvariantViolation(
        `${this.#discipline}: ${bytes} bytes of context ${context} were served, its head has ${this.#headBytes[context]}`,
      );
    }
    if (nextHeadBytes === 0) {
      this.withdraw(context);
      return false;
    }
    this.#requireBytes(context, nextHeadBytes);
    this.#headBytes[context] = nextHeadBytes;
    return true;
  }

  /** The head frame was taken, and the one behind it is not known yet. */
  starve(context: ContextId, bytes: number): void {
    this.served(context, bytes, 0);
    this.#state[context] = STARVED;
  }

  /** A ready context waits until it is activated again, as a starved one does. True if it was ready. */
  pause(context: ContextId): boolean {
    const wasReady = this.withdraw(context);
    this.#state[context] = STARVED;
    return wasReady;
  }

  /** The context is idle from now on. True if it was ready; a starved context has no position to release. */
  withdraw(context: ContextId): boolean {
    if (this.#state[context] === STARVED) this.#state[context] = IDLE;
    if (this.#state[context] !== BACKLOGGED) return false;
    this.#state[context] = IDLE;
    this.#headBytes[context] = 0;
    this.#backlogged -= 1;
    return true;
  }

  checkInvariants(): void {
    let members = 0;
    let backlogged = 0;
    const [states, heads] = [this.#state, this.#headBytes];
    for (let context = FIRST_CONTEXT; context < states.length; context = contextAfter(context)) {
      const state = states[context];
      const head = heads[context] ?? absent();
      // Nearly all of a wide column: those that do not take part, with nothing at the head.
      if (state === ABSENT && head === 0) continue;
      if (state !== ABSENT) members += 1;
      if (state === BACKLOGGED) backlogged += 1;
      if ((state === BACKLOGGED) !== head > 0) {
        throw new InvariantViolation(
          `${this.#discipline}: context ${context} is ${this.#spell(context)} with a head of ${head} bytes`,
        );
      }
    }
    if (members !== this.#members || backlogged !== this.#backlogged) {
      throw new InvariantViolation(
        `${this.#discipline}: counted ${this.#members} members and ${this.#backlogged} backlogged, found ${members} and ${backlogged}`,
      );
    }
  }

  #requireBytes(context: ContextId, bytes: number): void {
    if (!Number.isInteger(bytes) || bytes < 1) {
      throw new RangeError(
        `${this.#discipline}: head of context ${context} is ${bytes} bytes, expected a whole number >= 1`,
      );
    }
  }

  #spell(context: ContextId): string {
    const state = this.#state[context] ?? ABSENT;
    return SPELLED[state] ?? 'in no state';
  }
}
