import type { ContextId } from '../../scheduler/branded.js';
import type { Discipline, Share } from '../../scheduler/discipline.js';
import { present } from '../../scheduler/present.js';
import { tallyIn } from '../../scheduler/tally.js';

/**
 * A discipline that passes every call on and measures, for each context, how long it was backlogged. Shares follow weights
 * only while all are: a guest that has nothing to send has no claim on the wire.
 */
export class BacklogMeter implements Discipline {
  readonly name: string;
  readonly nextEligibleNs?: (nowNs: number) => number;
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly starve?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #inner: Discipline;
  readonly #since: Float64Array;
  readonly #total: Float64Array;

  /** @param contexts contexts of the card. */
  constructor(inner: Discipline, contexts: number) {
    this.#inner = inner;
    this.name = inner.name;
    this.#since = new Float64Array(contexts).fill(-1);
    this.#total = new Float64Array(contexts);
    if (inner.nextEligibleNs !== undefined)
      this.nextEligibleNs = (nowNs) => inner.nextEligibleNs?.(nowNs) ?? Infinity;
    if (inner.arrived !== undefined)
      this.arrived = (context, bytes, nowNs) => inner.arrived?.(context, bytes, nowNs);
    // A starved context has frames: it stays backlogged until it is withdrawn or has been served.
    if (inner.starve !== undefined)
      this.starve = (context, bytes, nowNs) => inner.starve?.(context, bytes, nowNs);
    if (inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => inner.linkRateChanged?.(linkBps, nowNs);
    // A paused context has frames that may not go: no claim on the wire until it is activated again.
    if (inner.pause !== undefined) {
      this.pause = (context, nowNs) => {
        inner.pause?.(context, nowNs);
        this.#stop(context, nowNs);
      };
    }
  }

  /**
   * How long a context has been backlogged since the start, up to now, ns; 0 for the port of a guest behind a driver
   * domain, which is none of the card's contexts.
   */
  backloggedNs(context: ContextId, nowNs: number): number {
    const total = this.#total[context];
    if (total === undefined) return 0;
    const since = present(this.#since[context]);
    return total + (since < 0 ? 0 : nowNs - since);
  }

  join(context: ContextId, share: Share): void {
    this.#inner.join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.#inner.leave(context, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#inner.activate(context, headBytes, nowNs);
    if (present(this.#since[context]) < 0) this.#since[context] = nowNs;
  }

  select(nowNs: number): ContextId {
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.#inner.served(context, bytes, nextHeadBytes, nowNs);
    if (nextHeadBytes === 0) this.#stop(context, nowNs);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#inner.withdraw(context, nowNs);
    this.#stop(context, nowNs);
  }

  relativeFairnessBoundBytes(...pair: Parameters<Discipline['relativeFairnessBoundBytes']>): number {
    return this.#inner.relativeFairnessBoundBytes(...pair);
  }

  checkInvariants(): void {
    this.#inner.checkInvariants();
  }

  #stop(context: ContextId, nowNs: number): void {
    const since = this.#since[context] ?? -1;
    if (since < 0) return;
    tallyIn(this.#total, context, nowNs - since);
    this.#since[context] = -1;
  }
}
