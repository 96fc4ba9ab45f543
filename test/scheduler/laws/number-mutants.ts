import type { ContextId } from '../../../scheduler/branded.js';
import { type BoundMember, type Discipline, NONE, type Share } from '../../../scheduler/discipline.js';

/** Passes every call on, so that one of them can be altered. */
export class PassingOn implements Discipline {
  readonly name: string;
  protected readonly inner: Discipline;

  constructor(inner: Discipline, flaw: string) {
    this.inner = inner;
    this.name = `mutant ${inner.name} (${flaw})`;
  }

  join(context: ContextId, share: Share): void {
    this.inner.join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.inner.leave(context, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.inner.activate(context, headBytes, nowNs);
  }

  arrived(context: ContextId, bytes: number, nowNs: number): void {
    this.inner.arrived?.(context, bytes, nowNs);
  }

  select(nowNs: number): ContextId {
    return this.inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    this.inner.served(context, bytes, nextHeadBytes, nowNs);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.inner.withdraw(context, nowNs);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    // None: a mutant has to be caught by its behaviour.
  }
}

/** Weights are changed on their way in: cut to some bits, capped, replaced for some contexts. */
export class WeightMutant extends PassingOn {
  readonly #change: (weight: number, context: ContextId) => number;

  constructor(inner: Discipline, flaw: string, change: (weight: number, context: ContextId) => number) {
    super(inner, flaw);
    this.#change = change;
  }

  override join(context: ContextId, share: Share): void {
    this.inner.join(context, { ...share, weight: Math.max(1, this.#change(share.weight, context)) });
  }
}

/** The weight with which a context joined first stays for good. */
export class FirstWeightMutant extends PassingOn {
  readonly #weight = new Map<ContextId, number>();

  override join(context: ContextId, share: Share): void {
    const weight = this.#weight.get(context) ?? share.weight;
    this.#weight.set(context, weight);
    this.inner.join(context, { ...share, weight });
  }
}

/** Contexts from a number on are never selected. */
export class DeafMutant extends PassingOn {
  readonly #from: number;

  constructor(inner: Discipline, from: number) {
    super(inner, `contexts from ${from} on are not heard`);
    this.#from = from;
  }

  override activate(context: ContextId, headBytes: number, nowNs: number): void {
    if (context < this.#from) this.inner.activate(context, headBytes, nowNs);
  }

  override withdraw(context: ContextId, nowNs: number): void {
    if (context < this.#from) this.inner.withdraw(context, nowNs);
  }
}

/** The clock that the discipline is told is cut to some bits. */
export class TimeMutant extends PassingOn {
  readonly #cut: (nowNs: number) => number;

  constructor(inner: Discipline, flaw: string, cut: (nowNs: number) => number) {
    super(inner, flaw);
    this.#cut = cut;
  }

  override activate(context: ContextId, headBytes: number, nowNs: number): void {
    super.activate(context, headBytes, this.#cut(nowNs));
  }

  override arrived(context: ContextId, bytes: number, nowNs: number): void {
    super.arrived(context, bytes, this.#cut(nowNs));
  }

  override served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    super.served(context, bytes, nextHeadBytes, this.#cut(nowNs));
  }

  override withdraw(context: ContextId, nowNs: number): void {
    super.withdraw(context, this.#cut(nowNs));
  }

  override leave(context: ContextId, nowNs: number): void {
    super.leave(context, this.#cut(nowNs));
  }
}

/** Another bound is stated. */
export class BoundMutant extends PassingOn {
  readonly #bound: (i: BoundMember, j: BoundMember) => number;

  constructor(inner: Discipline, flaw: string, bound: (i: BoundMember, j: BoundMember) => number) {
    super(inner, flaw);
    this.#bound = bound;
  }

  override relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#bound(i, j);
  }
}

/** How a LeastServed keeps its numbers, each as most implementations would. */
export interface LeastServedFlaw {
  /** What was served per unit of weight, on its way into the table. */
  readonly cutServed?: (units: number) => number;
  /** Units per byte; 1 unless tags are in fixed point. */
  readonly unitsPerByte?: number;
  /** Ready contexts are the bits of one 32-bit word. */
  readonly bitmapOf32?: boolean;
  /** Which of two that have received the same. */
  readonly tie?: () => boolean;
  /** After this many frames no context is charged any more. */
  readonly chargesUntil?: number;
}

/**
 * Serves the context that has received least per unit of weight; one that returns starts level with the one that has
 * received least of those that wait. With the flaws of its numbers, at most one at a time.
 */
export class LeastServed implements Discipline {
  readonly name: string;
  readonly #flaw: LeastServedFlaw;
  readonly #units: number;
  readonly #served = new Map<ContextId, number>();
  readonly #weight = new Map<ContextId, number>();
  readonly #waiting = new Set<ContextId>();
  #bitmap = 0;
  #floor = 0;
  #frames = 0;

  constructor(name: string, flaw: LeastServedFlaw = {}) {
    this.name = `mutant least served (${name})`;
    this.#flaw = flaw;
    this.#units = flaw.unitsPerByte ?? 1;
  }

  join(context: ContextId, { weight }: Share): void {
    // What it had in advance stays charged, in bytes.
    const ahead = Math.max(0, this.#had(context) - this.#floor) * (this.#weight.get(context) ?? weight);
    this.#served.set(context, this.#floor + ahead / weight);
    this.#weight.set(context, weight);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
  }

  activate(context: ContextId): void {
    if (this.#isWaiting(context)) return;
    const least = Math.min(...[...this.#waiting].map((other) => this.#had(other)));
    this.#served.set(context, Math.max(this.#had(context), Number.isFinite(least) ? least : this.#floor));
    this.#waiting.add(context);
    this.#bitmap |= 1 << context;
  }

  select(): ContextId {
    let chosen = NONE;
    for (const context of this.#waiting) {
      if (!this.#isWaiting(context)) continue;
      const [own, best] = [this.#had(context), this.#had(chosen)];
      if (chosen === NONE || own < best || (own === best && (this.#flaw.tie?.() ?? context < chosen)))
        chosen = context;
    }
    return chosen;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#floor = this.#had(context);
    this.#frames += 1;
    const charged = this.#frames > (this.#flaw.chargesUntil ?? Number.POSITIVE_INFINITY) ? 0 : bytes;
    const sum = this.#floor + (charged * this.#units) / (this.#weight.get(context) ?? 1);
    this.#served.set(context, this.#flaw.cutServed?.(sum) ?? sum);
    if (nextHeadBytes === 0) this.withdraw(context);
  }

  withdraw(context: ContextId): void {
    this.#waiting.delete(context);
    this.#bitmap &= ~(1 << context);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return i.maxFrameBytes / i.weight + j.maxFrameBytes / j.weight;
  }

  checkInvariants(): void {
    // None: a mutant has to be caught by its behaviour.
  }

  #isWaiting(context: ContextId): boolean {
    if (this.#flaw.bitmapOf32 === true) return (this.#bitmap & (1 << context)) !== 0;
    return this.#waiting.has(context);
  }

  #had(context: ContextId): number {
    return this.#served.get(context) ?? 0;
  }
}
