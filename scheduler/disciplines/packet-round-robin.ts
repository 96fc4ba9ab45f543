import type { ContextId } from '../branded.js';
import type { Discipline } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';

/**
 * One frame per visit, whatever its size: J. Nagle, "On Packet Switches with Infinite Storage", RFC 970 (1985).
 * Weights are ignored.
 *
 * - Complexity: O(1) per decision.
 * - Fairness: two backlogged contexts differ by at most one frame. In bytes it promises nothing: a context
 *   that sends 9,018-byte frames gets 150 times the bytes of one that sends 60-byte frames.
 * - Delay: a frame at the head waits for at most one frame of each other context and the one in transmission, N L_max / r.
 */
export class PacketRoundRobin implements Discipline {
  readonly name: string = 'prr';
  readonly timeless = true;
  readonly #roster = new Roster('prr');
  readonly #round = new ContextList();

  join(context: ContextId): void {
    this.#roster.join(context);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    if (this.#roster.activate(context, headBytes)) this.#round.pushBack(context);
  }

  select(): ContextId {
    return this.#round.front;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#round.remove(context);
    if (more) this.#round.pushBack(context);
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#round.remove(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('prr: round and roster disagree');
  }
}
