import { type ContextId, contextId } from './branded.js';
import { type Discipline, NONE, type Share } from './discipline.js';
import { InvariantViolation } from './errors.js';
import { powerOfTwoFrom } from './whole-logarithm.js';

/** What a discipline has been told of a context. */
export const ABSENT = 0;
export const IDLE = 1;
export const BACKLOGGED = 2;
/** For a discipline that keeps the position of a starved context; all others see the context as idle. */
export const KEEPING_PLACE = 3;

/**
 * A discipline, and what it has been told of each context: so it is told once, in the order that its contract asks for,
 * and in the bytes that the link carries.
 */
export class InformedDiscipline {
  readonly #scheduler: string;
  readonly #discipline: Discipline;
  readonly #overheadBytes: number;
  #state: Uint8Array = new Uint8Array(64);
  #backlogged = 0;

  /** @param scheduler name of the one that it decides for; errors carry it. */
  constructor(scheduler: string, discipline: Discipline, overheadBytes: number) {
    this.#scheduler = scheduler;
    this.#discipline = discipline;
    this.#overheadBytes = overheadBytes;
  }

  /** Whether it is told 0 for every time. */
  get timeless(): boolean {
    return this.#discipline.timeless === true;
  }

  /** Its name. */
  get name(): string {
    return this.#discipline.name;
  }

  /** Contexts that it knows to have a frame. */
  get backlogged(): number {
    return this.#backlogged;
  }

  /** ABSENT, IDLE, BACKLOGGED or KEEPING_PLACE. */
  stateOf(context: ContextId): number {
    return this.#state[context] ?? ABSENT;
  }

  /** @throws ParameterError for NO_CONTEXT. */
  join(context: ContextId, share: Share): void {
    contextId(context);
    if (context >= this.#state.length) {
      const wider = new Uint8Array(powerOfTwoFrom(context + 1));
      wider.set(this.#state);
      this.#state = wider;
    }
    if (this.#state[context] !== ABSENT)
      throw new InvariantViolation(`context ${context} takes part already`);
    this.#discipline.join(context, this.#counted(share));
    this.#state[context] = IDLE;
  }

  /** A context that takes part, and has no backlog, no longer does. */
  leave(context: ContextId, nowNs: number): void {
    this.#discipline.leave(context, nowNs);
    this.#state[context] = ABSENT;
  }

  /** A frame of `bytes` joined the queue of a context. */
  arrived(context: ContextId, bytes: number, nowNs: number): void {
    if (this.stateOf(context) === ABSENT) return;
    this.#discipline.arrived?.(context, bytes + this.#overheadBytes, nowNs);
  }

  /** A context without a backlog has a frame of `headBytes` at its head. */
  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#state[context] = BACKLOGGED;
    this.#backlogged += 1;
    this.#discipline.activate(context, headBytes + this.#overheadBytes, nowNs);
  }

  /** A context that is selected, or keeps its place, has no frame after all. */
  withdraw(context: ContextId, nowNs: number): void {
    if (this.#state[context] === BACKLOGGED) this.#backlogged -= 1;
    this.#state[context] = IDLE;
    this.#discipline.withdraw(context, nowNs);
  }

  /** The frames of a context may not go until it is activated again. */
  pause(context: ContextId, nowNs: number): void {
    const state = this.stateOf(context);
    if (state !== BACKLOGGED && state !== KEEPING_PLACE) return;
    if (this.#discipline.pause === undefined) {
      this.withdraw(context, nowNs);
      return;
    }
    if (state === BACKLOGGED) this.#backlogged -= 1;
    this.#state[context] = KEEPING_PLACE;
    this.#discipline.pause(context, nowNs);
  }

  /**
   * A frame of `bytes` of a backlogged context was granted.
   * @param nextHeadBytes a length, or 0, STARVED or BEHIND.
   */
  charge(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const discipline = this.#discipline;
    const counted = bytes + this.#overheadBytes;
    if (nextHeadBytes > 0) {
      discipline.served(context, counted, nextHeadBytes + this.#overheadBytes, nowNs);
      return;
    }
    this.#backlogged -= 1;
    if (nextHeadBytes < 0 && discipline.starve !== undefined) {
      this.#state[context] = KEEPING_PLACE;
      discipline.starve(context, counted, nowNs);
    } else {
      this.#state[context] = IDLE;
      discipline.served(context, counted, 0, nowNs);
    }
  }

  /** The link has another rate for what it begins to send from now on. */
  linkRateChanged(linkBps: number, nowNs: number): void {
    this.#discipline.linkRateChanged?.(linkBps, nowNs);
  }

  /** The context to serve, or NONE. */
  select(nowNs: number): ContextId {
    const context = this.#discipline.select(nowNs);
    if (context !== NONE && this.#state[context] !== BACKLOGGED) {
      throw new InvariantViolation(
        `${this.#scheduler}: ${this.name} selected context ${context}, which has no backlog`,
      );
    }
    return context;
  }

  /** When to ask again, ns, where it selected none of those that are backlogged. */
  nextEligibleNs(nowNs: number): number {
    const eligibleNs = this.#discipline.nextEligibleNs?.(nowNs);
    if (eligibleNs !== undefined) return eligibleNs;
    throw new InvariantViolation(
      `${this.#scheduler}: ${this.name} serves none of the ${this.#backlogged} contexts that are backlogged`,
    );
  }

  checkInvariants(): void {
    this.#discipline.checkInvariants();
    const backlogged = this.#state.reduce((count, state) => count + (state === BACKLOGGED ? 1 : 0), 0);
    if (backlogged !== this.#backlogged) {
      throw new InvariantViolation(
        `${this.#scheduler}: ${this.#backlogged} backlogged contexts counted, ${backlogged} found`,
      );
    }
  }

  /** A share in the bytes that the discipline counts. */
  #counted(share: Share): Share {
    const { maxFrameBytes } = share;
    if (maxFrameBytes === undefined || this.#overheadBytes === 0) return share;
    return { ...share, maxFrameBytes: maxFrameBytes + this.#overheadBytes };
  }
}
