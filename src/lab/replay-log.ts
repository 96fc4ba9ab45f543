import type { Position } from './lab-machine.js';
import type { Counts } from './protocol.js';

/** A point of a run that was passed, and what had been counted there. */
export interface Mark extends Position {
  readonly counts: Counts;
}

/** Marks that are kept; when there are more, every second one goes. */
const MOST_MARKS = 512;

/**
 * Points of a run that were passed, for going back: a run is replayed from its start to the last mark before what is
 * wanted, and taken event by event from there. Nothing of the machine's state is kept.
 */
export class ReplayLog {
  #marks: Mark[] = [];
  #leastGap = 1;

  clear(): void {
    this.#marks = [];
    this.#leastGap = 1;
  }

  note(mark: Mark): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && mark.events < last.events + this.#leastGap) return;
    this.#marks.push(mark);
    if (this.#marks.length < MOST_MARKS) return;
    this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
    this.#leastGap = Math.max(1, this.#leastGap * 2);
  }

  /** The last mark at which fewer of `unit` had been counted than `count`, or undefined for the start. */
  before(unit: keyof Counts, count: number): Mark | undefined {
    return this.#marks.findLast((mark) => mark.counts[unit] < count);
  }
}
