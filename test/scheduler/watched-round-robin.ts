import type { ContextId } from '../../scheduler/branded.js';
import { type Discipline, NONE } from '../../scheduler/discipline.js';

/**
 * Packet round robin in a few lines, which throws when its driver violates the contract of `Discipline`: a backlog
 * reported twice, service of a context that was not selected, a size other than announced, or time that runs
 * backwards.
 */
export class WatchedRoundRobin implements Discipline {
  readonly name = 'watched';
  readonly #members = new Set<ContextId>();
  readonly #heads = new Map<ContextId, number>();
  #order: ContextId[] = [];
  #chosen = NONE;
  #lastNs = 0;

  join(context: ContextId): void {
    this.#expect(!this.#members.has(context), `context ${context} joined twice`);
    this.#members.add(context);
  }

  leave(context: ContextId): void {
    this.#expect(this.#members.delete(context), `context ${context} left and had not joined`);
    this.#expect(!this.#heads.has(context), `context ${context} left with a backlog`);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#at(nowNs);
    this.#expect(this.#members.has(context), `context ${context} has not joined`);
    this.#expect(!this.#heads.has(context), `context ${context} was activated twice`);
    this.#expect(headBytes > 0, `context ${context} was activated with ${headBytes} bytes`);
    this.#heads.set(context, headBytes);
    this.#order.push(context);
  }

  select(nowNs: number): ContextId {
    this.#at(nowNs);
    this.#chosen = this.#order[0] ?? NONE;
    return this.#chosen;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#at(nowNs);
    this.#expect(context === this.#chosen, `context ${context} was served, ${this.#chosen} was chosen`);
    this.#expect(
      this.#heads.get(context) === bytes,
      `context ${context} sent ${bytes} bytes, another size was told`,
    );
    this.#forget(context);
    if (nextHeadBytes === 0) return;
    this.#heads.set(context, nextHeadBytes);
    this.#order.push(context);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#at(nowNs);
    this.#expect(this.#heads.has(context), `context ${context} was withdrawn and had no backlog`);
    this.#forget(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#expect(this.#order.length === this.#heads.size, 'the order and the heads disagree');
  }

  #forget(context: ContextId): void {
    this.#heads.delete(context);
    this.#order = this.#order.filter((other) => other !== context);
  }

  #at(nowNs: number): void {
    this.#expect(nowNs >= this.#lastNs, `time ran back from ${this.#lastNs} to ${nowNs} ns`);
    this.#lastNs = nowNs;
  }

  #expect(holds: boolean, otherwise: string): void {
    if (!holds) throw new Error(`the contract with a discipline: ${otherwise}`);
  }
}
