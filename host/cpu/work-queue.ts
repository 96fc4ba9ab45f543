import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';

/** A unit of work of a domain: runs at once, charges what it costs, and its core is busy for that long. */
export type Work = (argument: number) => void;

const INITIAL_CAPACITY = 4;

/** What an account is still to do: a ring that grows, and never shrinks, so that an empty queue costs nothing to fill. */
export class WorkQueue {
  #works = new Array<Work | undefined>(INITIAL_CAPACITY).fill(undefined);
  #arguments: number[] = new Array<number>(INITIAL_CAPACITY).fill(0);
  #head = 0;
  #count = 0;

  /** Units of work that wait. */
  get count(): number {
    return this.#count;
  }

  /** The argument of the oldest. */
  get argument(): number {
    return this.#arguments[this.#head] ?? absent();
  }

  push(work: Work, argument: number): void {
    if (this.#count === this.#works.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#works.length - 1);
    this.#works[at] = work;
    this.#arguments[at] = argument;
    this.#count += 1;
  }

  /** Takes the oldest out, whose argument was read before. @throws InvariantViolation when there is none. */
  shift(): Work {
    const work = this.#works[this.#head];
    if (work === undefined) throw new InvariantViolation('a ready account without work');
    // A free place must not keep its last work alive.
    this.#works[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#works.length - 1);
    this.#count -= 1;
    return work;
  }

  clear(): void {
    this.#works.fill(undefined);
    this.#head = 0;
    this.#count = 0;
  }

  #grow(): void {
    const works = this.#works;
    const before = this.#arguments;
    const head = this.#head;
    const length = works.length;
    this.#works = Array.from({ length: length * 2 }, (_, index) =>
      index < length ? works[(head + index) & (length - 1)] : undefined,
    );
    this.#arguments = Array.from({ length: length * 2 }, (_, index) =>
      index < length ? (before[(head + index) & (length - 1)] ?? absent()) : 0,
    );
    this.#head = 0;
  }
}
