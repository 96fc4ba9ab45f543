import type { ContextId } from '../branded.js';
import { type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/** Levels of priority: one per bit of a word. */
export const PRIORITY_LEVELS = 32;

/**
 * Strict priority: the lowest `priority` number that waits is served, one frame per visit among equals. It is
 * the transmission selection that every IEEE 802.1Q bridge has (802.1Q-2022, 8.6.8.1).
 *
 * - Complexity: O(1) per decision: one bit per level says whether any context waits there.
 * - Fairness: none between levels, by design: a level that stays backlogged starves all below. Among equals
 *   in frames as packet round robin, in bytes none.
 * - Delay: on the first level, a frame at the head waits for one frame of any level that is in transmission and one
 *   of each equal: (N_level L_max) / r. Below, none.
 */
export class StrictPriority implements Discipline {
  readonly name: string = 'priority';
  readonly timeless = true;
  readonly #roster = new Roster('priority');
  readonly #levels = Array.from({ length: PRIORITY_LEVELS }, () => new ContextList());
  #levelOf: Uint8Array = new Uint8Array(64);
  /** Level 0 is the highest bit, so that counting leading zeros finds it. */
  #waiting = 0;

  join(context: ContextId, share: Share): void {
    const level = share.priority ?? 0;
    if (!Number.isInteger(level) || level < 0 || level >= PRIORITY_LEVELS) {
      throw new ParameterError(
        `priority: priority of context ${context} is ${level}, expected a whole number from 0 to ${PRIORITY_LEVELS - 1}`,
      );
    }
    this.#roster.join(context);
    this.#levelOf = widened(this.#levelOf, this.#roster.capacity);
    this.#levelOf[context] = level;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    if (this.#roster.activate(context, headBytes)) this.#push(context);
  }

  select(): ContextId {
    return this.#waiting === 0 ? NONE : this.#level(Math.clz32(this.#waiting)).front;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#remove(context);
    if (more) this.#push(context);
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#remove(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    let size = 0;
    for (const [level, list] of this.#levels.entries()) {
      list.checkInvariants();
      size += list.size;
      if (list.size > 0 !== ((this.#waiting << level) & 0x80000000) < 0) {
        throw new InvariantViolation(`priority: level ${level} and its bit disagree`);
      }
    }
    if (size !== this.#roster.backlogged)
      throw new InvariantViolation('priority: levels and roster disagree');
  }

  #level(level: number): ContextList {
    const list = this.#levels[level];
    if (list === undefined) throw new InvariantViolation(`priority: there is no level ${level}`);
    return list;
  }

  #push(context: ContextId): void {
    const level = present(this.#levelOf[context]);
    this.#level(level).pushBack(context);
    this.#waiting |= 0x80000000 >>> level;
  }

  #remove(context: ContextId): void {
    const level = present(this.#levelOf[context]);
    this.#level(level).remove(context);
    if (this.#level(level).size === 0) this.#waiting &= ~(0x80000000 >>> level);
  }
}
