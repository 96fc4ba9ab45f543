import type { ContextId } from '../../scheduler/branded.js';
import { type BoundMember, type Discipline, NONE, type Share } from '../../scheduler/discipline.js';
import { ModuleFault, type OwnModule, thrownBy } from './module-fault.js';

/** Contexts that a message lists. */
const MOST_LISTED = 8;

/**
 * A discipline of the user's own: every call is passed on, and what it throws or answers against its contract becomes a
 * UserError that names the module. It remembers which contexts are ready, as the contract of `Discipline` has it, since
 * whoever drives a discipline takes a wrong answer for a defect of this project. Disciplines of the catalogue have none
 * of this around them.
 */
export class WatchedDiscipline implements Discipline {
  readonly name: string;
  readonly timeless: boolean;
  readonly #inner: Discipline;
  readonly #module: OwnModule;
  readonly #ready: boolean[] = [];
  #readyCount = 0;
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly starve?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly nextEligibleNs?: (nowNs: number) => number;

  /** @param name how results call it */
  constructor(module: OwnModule, inner: Discipline, name: string) {
    this.#module = module;
    this.#inner = inner;
    this.name = name;
    this.timeless = inner.timeless === true;
    if (inner.arrived !== undefined)
      this.arrived = (context, bytes, nowNs) => {
        try {
          inner.arrived?.(context, bytes, nowNs);
        } catch (error) {
          throw this.#thrown('arrived', error);
        }
      };
    if (inner.starve !== undefined)
      this.starve = (context, bytes, nowNs) => {
        try {
          inner.starve?.(context, bytes, nowNs);
        } catch (error) {
          throw this.#thrown('starve', error);
        }
        this.#isNotReady(context);
      };
    if (inner.pause !== undefined)
      this.pause = (context, nowNs) => {
        try {
          inner.pause?.(context, nowNs);
        } catch (error) {
          throw this.#thrown('pause', error);
        }
        this.#isNotReady(context);
      };
    if (inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => {
        try {
          inner.linkRateChanged?.(linkBps, nowNs);
        } catch (error) {
          throw this.#thrown('linkRateChanged', error);
        }
      };
    if (inner.nextEligibleNs !== undefined) this.nextEligibleNs = (nowNs) => this.#eligibleNs(nowNs);
  }

  join(context: ContextId, share: Share): void {
    try {
      this.#inner.join(context, share);
    } catch (error) {
      throw this.#thrown('join', error);
    }
  }

  leave(context: ContextId, nowNs: number): void {
    try {
      this.#inner.leave(context, nowNs);
    } catch (error) {
      throw this.#thrown('leave', error);
    }
    this.#isNotReady(context);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    try {
      this.#inner.activate(context, headBytes, nowNs);
    } catch (error) {
      throw this.#thrown('activate', error);
    }
    if (this.#ready[context] === true) return;
    this.#ready[context] = true;
    this.#readyCount += 1;
  }

  select(nowNs: number): ContextId {
    let context: ContextId;
    try {
      context = this.#inner.select(nowNs);
    } catch (error) {
      throw this.#thrown('select', error);
    }
    if (context === NONE) {
      if (this.#readyCount > 0 && this.nextEligibleNs === undefined)
        throw this.#fault(
          `select answers NONE while contexts are ready; expected ${this.#expected()}, or a method nextEligibleNs`,
        );
      return context;
    }
    if (!Number.isInteger(context) || this.#ready[context] !== true)
      throw this.#fault(`select answers ${shown(context)}, which is not ready; expected ${this.#expected()}`);
    return context;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    try {
      this.#inner.served(context, bytes, nextHeadBytes, nowNs);
    } catch (error) {
      throw this.#thrown('served', error);
    }
    if (nextHeadBytes === 0) this.#isNotReady(context);
  }

  withdraw(context: ContextId, nowNs: number): void {
    try {
      this.#inner.withdraw(context, nowNs);
    } catch (error) {
      throw this.#thrown('withdraw', error);
    }
    this.#isNotReady(context);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    let bytes: number;
    try {
      bytes = this.#inner.relativeFairnessBoundBytes(i, j);
    } catch (error) {
      throw this.#thrown('relativeFairnessBoundBytes', error);
    }
    if (typeof bytes === 'number' && bytes >= 0) return bytes;
    throw this.#fault(
      `relativeFairnessBoundBytes answers ${shown(bytes)}; expected a number of bytes, or Infinity`,
    );
  }

  checkInvariants(): void {
    try {
      this.#inner.checkInvariants();
    } catch (error) {
      throw this.#thrown('checkInvariants', error);
    }
  }

  #eligibleNs(nowNs: number): number {
    let ns: number | undefined;
    try {
      ns = this.#inner.nextEligibleNs?.(nowNs);
    } catch (error) {
      throw this.#thrown('nextEligibleNs', error);
    }
    if (ns === Number.POSITIVE_INFINITY || (typeof ns === 'number' && ns <= Number.MAX_SAFE_INTEGER))
      return ns;
    throw this.#fault(`nextEligibleNs answers ${shown(ns)}; expected a time in ns, or Infinity`);
  }

  #isNotReady(context: ContextId): void {
    if (this.#ready[context] !== true) return;
    this.#ready[context] = false;
    this.#readyCount -= 1;
  }

  #thrown(method: keyof Discipline, error: unknown): Error {
    return thrownBy(this.#module, `whose ${method} throws`, error);
  }

  /** The contexts of which one may be chosen. */
  #expected(): string {
    const ready = [...this.#ready.keys()].filter((context) => this.#ready[context] === true);
    if (ready.length === 0) return 'NONE';
    const more = ready.length > MOST_LISTED ? `, ... (${ready.length} in all)` : '';
    return `one of the ready contexts ${ready.slice(0, MOST_LISTED).join(', ')}${more}`;
  }

  #fault(what: string): Error {
    return new ModuleFault(this.#module, `whose ${what}`);
  }
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value);
}
