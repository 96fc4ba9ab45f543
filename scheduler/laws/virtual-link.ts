import { type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { SerialLine } from '../serial-line.js';
import { LawBroken } from './law-broken.js';
import { Timeline } from './timeline.js';

/** Is told what happens on a virtual link, after the fact. A law is a watcher that throws. */
export interface LinkWatcher {
  joined?(context: number, share: Share): void;
  left?(context: number): void;
  /** A frame arrived; `first` if its context was idle. */
  arrived?(context: number, bytes: number, first: boolean, nowNs: number): void;
  /** A frame starts on the link; `more` if its context stays backlogged. */
  granted?(context: number, bytes: number, more: boolean, nowNs: number): void;
  withdrawn?(context: number, nowNs: number): void;
}

/** Options of a virtual link. */
export interface VirtualLinkOptions {
  /** A second instance of the discipline, which does not receive the calls that must change nothing. */
  readonly twin?: Discipline;
  /** @defaultValue 10^9 */
  readonly linkBps?: number;
  readonly watchers?: readonly LinkWatcher[];
}

interface Member {
  readonly share: Share;
  readonly queue: number[];
}

/**
 * A link, its queues and its clock, driving one discipline: the smallest environment in which a discipline can
 * run. It calls the discipline as the DMA scheduler does, and checks the laws that need no bound:
 *
 * - work conservation: a context is selected whenever one is ready, or the next eligible time is given;
 * - only ready contexts are selected (frames of one context cannot be reordered: a discipline names no frames);
 * - calling `select` twice, and activating an active context, changes nothing that follows. The twin, which
 *   does not receive those calls, has to make the same grants;
 * - `checkInvariants` after every step.
 */
export class VirtualLink {
  readonly timeline = new Timeline();
  readonly #subject: Discipline;
  readonly #disciplines: readonly Discipline[];
  readonly #watchers: readonly LinkWatcher[];
  readonly #line: SerialLine;
  readonly #members = new Map<number, Member>();
  #nowNs = 0;
  #backlogged = 0;

  constructor(subject: Discipline, { twin, linkBps = 1e9, watchers = [] }: VirtualLinkOptions = {}) {
    this.#subject = subject;
    this.#disciplines = twin === undefined ? [subject] : [subject, twin];
    this.#watchers = watchers;
    this.#line = new SerialLine(linkBps);
  }

  get nowNs(): number {
    return this.#nowNs;
  }

  /** Number of backlogged contexts. */
  get backlogged(): number {
    return this.#backlogged;
  }

  isMember(context: number): boolean {
    return this.#members.has(context);
  }

  isBacklogged(context: number): boolean {
    return (this.#members.get(context)?.queue.length ?? 0) > 0;
  }

  join(context: number, share: Share): void {
    this.#members.set(context, { share, queue: [] });
    this.timeline.note(this.#nowNs, 'join', context, share.weight);
    for (const discipline of this.#disciplines) discipline.join(context, share);
    for (const watcher of this.#watchers) watcher.joined?.(context, share);
    this.#checkInvariants();
  }

  leave(context: number): void {
    this.withdraw(context);
    this.#members.delete(context);
    this.timeline.note(this.#nowNs, 'leave', context);
    for (const discipline of this.#disciplines) discipline.leave(context, this.#nowNs);
    for (const watcher of this.#watchers) watcher.left?.(context);
    this.#checkInvariants();
  }

  /** A frame of `bytes` joins the queue of its context. */
  arrive(context: number, bytes: number): void {
    const { queue } = this.#member(context);
    const first = queue.length === 0;
    queue.push(bytes);
    this.timeline.note(this.#nowNs, 'arrive', context, bytes);
    for (const discipline of this.#disciplines) {
      discipline.arrived?.(context, bytes, this.#nowNs);
      if (first) discipline.activate(context, bytes, this.#nowNs);
    }
    if (first) this.#backlogged += 1;
    for (const watcher of this.#watchers) watcher.arrived?.(context, bytes, first, this.#nowNs);
    this.#checkInvariants();
  }

  /** A second doorbell for a backlogged context. */
  ringAgain(context: number): void {
    const head = this.#member(context).queue[0];
    if (head === undefined) return;
    this.timeline.note(this.#nowNs, 'ring', context);
    this.#subject.activate(context, head, this.#nowNs);
    this.#checkInvariants();
  }

  /** The backlog of a context is gone without service. */
  withdraw(context: number): void {
    const { queue } = this.#member(context);
    if (queue.length === 0) return;
    queue.length = 0;
    this.#backlogged -= 1;
    this.timeline.note(this.#nowNs, 'withdraw', context);
    for (const discipline of this.#disciplines) discipline.withdraw(context, this.#nowNs);
    for (const watcher of this.#watchers) watcher.withdrawn?.(context, this.#nowNs);
    this.#checkInvariants();
  }

  /** Calls `select` twice and does not act on the answer: the frame may not fit yet. */
  ask(): void {
    if (this.#line.freeAtNs > this.#nowNs) return;
    const first = this.#agree();
    const second = this.#subject.select(this.#nowNs);
    if (first !== second) {
      this.broken(
        'needless calls change nothing',
        `context ${first} is selected at ${this.#nowNs} ns, and then ${second}`,
      );
    }
  }

  /**
   * Takes the next frame as soon as the link is free; the clock stops where it starts. `meanwhile` runs
   * between `select` and `served`.
   * @returns false if no context waits.
   */
  serve(meanwhile?: () => void): boolean {
    if (this.#backlogged === 0) return false;
    this.#nowNs = Math.max(this.#nowNs, this.#line.freeAtNs);
    const context = this.#choose();
    const { queue } = this.#member(context);
    const bytes = queue[0] ?? 0;
    meanwhile?.();
    queue.shift();
    const next = queue[0] ?? 0;
    if (next === 0) this.#backlogged -= 1;
    this.#line.carry(bytes, this.#nowNs);
    this.timeline.note(this.#nowNs, 'grant', context, bytes);
    for (const discipline of this.#disciplines) discipline.served(context, bytes, next, this.#nowNs);
    for (const watcher of this.#watchers) watcher.granted?.(context, bytes, next > 0, this.#nowNs);
    this.#checkInvariants();
    return true;
  }

  /** Lets time pass; the link takes what it can meanwhile. */
  pass(durationNs: number): void {
    const untilNs = this.#nowNs + durationNs;
    while (this.#backlogged > 0 && Math.max(this.#nowNs, this.#line.freeAtNs) < untilNs) this.serve();
    // A rate limit may have held the last frame back until after that.
    this.#nowNs = Math.max(this.#nowNs, untilNs);
  }

  /** A law was violated here. */
  broken(law: string, message: string): never {
    throw new LawBroken(law, `${this.#subject.name} breaks "${law}": ${message}\n${this.timeline.print()}`);
  }

  #choose(): number {
    const context = this.#agree();
    if (context !== NONE) return context;
    const eligibleNs = this.#subject.nextEligibleNs?.(this.#nowNs);
    if (eligibleNs === undefined) {
      this.broken('work conservation', `${this.#backlogged} wait at ${this.#nowNs} ns and none is selected`);
    }
    if (!Number.isFinite(eligibleNs) || eligibleNs <= this.#nowNs) {
      this.broken(
        'says when to ask again',
        `no context is selected at ${this.#nowNs} ns, next time ${eligibleNs} ns`,
      );
    }
    this.#nowNs = Math.ceil(eligibleNs);
    const later = this.#agree();
    if (later === NONE) {
      this.broken('says when to ask again', `${eligibleNs} ns was promised and no context is selected then`);
    }
    return later;
  }

  #agree(): number {
    const choices = this.#disciplines.map((discipline) => discipline.select(this.#nowNs));
    const [choice = NONE, twinChoice = choice] = choices;
    if (choice !== twinChoice) {
      this.broken(
        'needless calls change nothing',
        `context ${choice} is selected at ${this.#nowNs} ns, without the needless calls it is context ${twinChoice}`,
      );
    }
    if (choice !== NONE && !this.isBacklogged(choice)) {
      this.broken(
        'only ready contexts are selected',
        `context ${choice} is selected without a frame at ${this.#nowNs} ns`,
      );
    }
    return choice;
  }

  #member(context: number): Member {
    const member = this.#members.get(context);
    if (member === undefined)
      throw new InvariantViolation(`context ${context} does not take part in the virtual link`);
    return member;
  }

  #checkInvariants(): void {
    try {
      this.#subject.checkInvariants();
    } catch (error) {
      this.broken('invariants', error instanceof Error ? error.message : `${error}`);
    }
  }
}
