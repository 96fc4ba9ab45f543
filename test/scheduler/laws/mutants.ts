import { type ContextId, contextId } from '../../../scheduler/branded.js';
import { type BoundMember, type Discipline, NONE, type Share } from '../../../scheduler/discipline.js';

/** Flaws of a round robin. Each has been found in shipped code. */
export type RoundFlaw =
  | 'none'
  | 'deficit kept while idle'
  | 'weight in eight bits'
  | 'wrap-around skips the first context'
  | 'a second doorbell is a second place'
  | 'asking grants a quantum'
  | 'frames counted as equal';

/** Deficit round robin as in a textbook, with plain arrays, and at most one flaw. */
export class MutantRoundRobin implements Discipline {
  readonly name: string;
  readonly #flaw: RoundFlaw;
  /** What becomes of a deficit when it is stored. */
  readonly #stored: (deficit: number) => number;
  readonly #quantum = new Map<ContextId, number>();
  readonly #deficit = new Map<ContextId, number>();
  readonly #head = new Map<ContextId, number>();
  #round: ContextId[] = [];
  #visitOpen = false;

  constructor(flaw: RoundFlaw, stored = (deficit: number) => deficit) {
    this.name = `mutant drr (${flaw})`;
    this.#flaw = flaw;
    this.#stored = stored;
  }

  join(context: ContextId, share: Share): void {
    const weight = this.#flaw === 'weight in eight bits' ? Math.max(1, share.weight & 0xff) : share.weight;
    this.#quantum.set(context, weight * 1514);
    this.#deficit.set(context, 0);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
  }

  activate(context: ContextId, headBytes: number): void {
    const waits = this.#head.has(context);
    if (waits && this.#flaw !== 'a second doorbell is a second place') return;
    this.#head.set(context, headBytes);
    this.#round.push(context);
  }

  select(): ContextId {
    for (;;) {
      const context = this.#round[0];
      if (context === undefined) return NONE;
      const deficit = this.#deficit.get(context) ?? 0;
      const granted =
        !this.#visitOpen || this.#flaw === 'asking grants a quantum' ? (this.#quantum.get(context) ?? 0) : 0;
      const stored = this.#stored(deficit + granted);
      this.#deficit.set(context, stored);
      this.#visitOpen = true;
      if (this.#cost(this.#head.get(context) ?? 0) <= stored) return context;
      this.#nextVisit();
    }
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#deficit.set(context, (this.#deficit.get(context) ?? 0) - this.#cost(bytes));
    if (nextHeadBytes > 0) this.#head.set(context, nextHeadBytes);
    else this.withdraw(context);
  }

  withdraw(context: ContextId): void {
    this.#head.delete(context);
    if (this.#flaw !== 'deficit kept while idle') this.#deficit.set(context, 0);
    if (this.#round[0] === context) this.#visitOpen = false;
    this.#round = this.#round.filter((other) => other !== context);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return 1514 + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }

  checkInvariants(): void {
    // None: a mutant has to be caught by its behaviour.
  }

  #cost(bytes: number): number {
    return this.#flaw === 'frames counted as equal' ? Math.min(bytes, 1514) : bytes;
  }

  #nextVisit(): void {
    this.#visitOpen = false;
    const [first, ...rest] = this.#round;
    if (first === undefined) return;
    this.#round = [...rest, first];
    // The lowest number follows the highest, and is skipped where the round wraps.
    const next = this.#round[0];
    if (this.#flaw === 'wrap-around skips the first context' && this.#round.length > 1 && next === 0) {
      this.#round = [...this.#round.slice(1), contextId(0)];
    }
  }
}

/** Flaws of a virtual clock. */
export type ClockFlaw =
  | 'none'
  | 'idling earns credit'
  | 'idling costs what it would have sent'
  | 'inverse weight cut to 8 bits'
  | 'clock of the slowest';

/** Start-time fair queueing with numbers for tags, and at most one flaw. */
export class MutantStartTime implements Discipline {
  readonly name: string;
  readonly #flaw: ClockFlaw;
  readonly #weight = new Map<ContextId, number>();
  readonly #start = new Map<ContextId, number>();
  readonly #finish = new Map<ContextId, number>();
  readonly #waiting = new Set<ContextId>();
  #clock = 0;

  constructor(flaw: ClockFlaw) {
    this.name = `mutant sfq (${flaw})`;
    this.#flaw = flaw;
  }

  join(context: ContextId, share: Share): void {
    // What it was served in advance survives leaving, in bytes.
    const ahead = Math.max(0, (this.#finish.get(context) ?? 0) - this.#clock);
    const bytes = ahead * (this.#weight.get(context) ?? 0);
    this.#weight.set(context, share.weight);
    this.#finish.set(context, bytes > 0 ? this.#clock + bytes / share.weight : 0);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
  }

  activate(context: ContextId, headBytes: number): void {
    if (this.#waiting.has(context)) return;
    const finish = this.#finish.get(context) ?? 0;
    const start = this.#flaw === 'idling earns credit' ? finish : Math.max(finish, this.#clock);
    this.#waiting.add(context);
    this.#tag(context, this.#flaw === 'idling costs what it would have sent' ? 2 * start : start, headBytes);
  }

  select(): ContextId {
    let best = NONE;
    for (const context of this.#waiting) {
      if (best === NONE || this.#before(context, best)) best = context;
    }
    return best;
  }

  served(context: ContextId, _bytes: number, nextHeadBytes: number): void {
    const start = this.#start.get(context) ?? 0;
    this.#clock = this.#flaw === 'clock of the slowest' ? 0 : start;
    // Arrived during this service, whatever the order of the calls.
    for (const other of this.#waiting) {
      if ((this.#start.get(other) ?? 0) < start && this.#flaw === 'none') {
        this.#tag(
          other,
          start,
          ((this.#finish.get(other) ?? 0) - (this.#start.get(other) ?? 0)) * (this.#weight.get(other) ?? 1),
        );
      }
    }
    if (nextHeadBytes > 0) this.#tag(context, this.#finish.get(context) ?? 0, nextHeadBytes);
    else this.#waiting.delete(context);
  }

  withdraw(context: ContextId): void {
    if (!this.#waiting.delete(context)) return;
    this.#finish.set(context, this.#start.get(context) ?? 0);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return i.maxFrameBytes / i.weight + j.maxFrameBytes / j.weight + 1e-3;
  }

  checkInvariants(): void {
    // None: a mutant has to be caught by its behaviour.
  }

  #before(i: number, j: number): boolean {
    const [left, right] = [this.#start.get(contextId(i)) ?? 0, this.#start.get(contextId(j)) ?? 0];
    return left < right || (left === right && i < j);
  }

  #tag(context: ContextId, start: number, bytes: number): void {
    const weight = this.#weight.get(context) ?? 1;
    const step =
      this.#flaw === 'inverse weight cut to 8 bits'
        ? (bytes * Math.max(1, Math.floor(256 / weight))) / 256
        : bytes / weight;
    this.#start.set(context, start);
    this.#finish.set(context, start + step);
  }
}
