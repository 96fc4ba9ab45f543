import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';

/** Something that works on a domain's time, and is told which of its works it is. */
export interface Worker {
  work(what: number): void;
}

/**
 * A unit of work of a domain: runs at once, charges what it costs, and its core is busy for that long. There are thousands of
 * guests, and none needs closures of its own: a `Worker` is asked for its work by number.
 */
export type Work = ((argument: number) => void) | Worker;

/** Carries out a unit of work. */
export function runWork(work: Work, argument: number): void {
  if (typeof work === 'function') work(argument);
  else work.work(argument);
}

const NONE = -1;

/**
 * What all accounts are still to do: a queue for each, in cells that are used again. There are as many cells as units of work
 * have ever waited at once, so that an account costs nothing but three numbers.
 */
export class WorkQueues {
  // By account.
  readonly #oldest: number[] = [];
  readonly #newest: number[] = [];
  readonly #counts: number[] = [];
  // By cell.
  readonly #works: (Work | undefined)[] = [];
  readonly #arguments: number[] = [];
  readonly #next: number[] = [];
  #free = NONE;

  /** One more account. */
  add(): void {
    this.#oldest.push(NONE);
    this.#newest.push(NONE);
    this.#counts.push(0);
  }

  /** Units of work that wait for an account. */
  count(account: number): number {
    return this.#counts[account] ?? absent();
  }

  /** The argument of the oldest. */
  argument(account: number): number {
    return this.#arguments[this.#oldest[account] ?? absent()] ?? absent();
  }

  push(account: number, work: Work, argument: number): void {
    const cell = this.#take();
    this.#works[cell] = work;
    this.#arguments[cell] = argument;
    this.#next[cell] = NONE;
    const newest = this.#newest[account] ?? absent();
    if (newest === NONE) this.#oldest[account] = cell;
    else this.#next[newest] = cell;
    this.#newest[account] = cell;
    this.#counts[account] = this.count(account) + 1;
  }

  /** Takes the oldest out, whose argument was read before. @throws InvariantViolation when there is none. */
  shift(account: number): Work {
    const cell = this.#oldest[account] ?? absent();
    const work = this.#works[cell];
    if (work === undefined) throw new InvariantViolation('a ready account without work');
    const next = this.#next[cell] ?? absent();
    this.#oldest[account] = next;
    if (next === NONE) this.#newest[account] = NONE;
    this.#counts[account] = this.count(account) - 1;
    // A free cell must not keep its last work alive.
    this.#works[cell] = undefined;
    this.#next[cell] = this.#free;
    this.#free = cell;
    return work;
  }

  clear(account: number): void {
    while (this.count(account) > 0) this.shift(account);
  }

  #take(): number {
    const cell = this.#free;
    if (cell !== NONE) {
      this.#free = this.#next[cell] ?? absent();
      return cell;
    }
    this.#works.push(undefined);
    this.#arguments.push(0);
    this.#next.push(NONE);
    return this.#works.length - 1;
  }
}
