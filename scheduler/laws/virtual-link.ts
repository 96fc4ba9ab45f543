import { type ContextId, NO_CONTEXT } from '../branded.js';
import { requireRateBps, requireWhole } from '../checked-values.js';
import { type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { SerialLine } from '../serial-line.js';
import { checkOptions, type OptionChecks, requireList, requireObject } from './checked-options.js';
import { LawBroken } from './law-broken.js';
import { Timeline } from './timeline.js';

/** Is told what happens on a virtual link, after the fact. A law is a watcher that throws. */
export interface LinkWatcher {
  joined?(context: ContextId, share: Share): void;
  left?(context: ContextId): void;
  /** A frame arrived; `first` if its context was idle. */
  arrived?(context: ContextId, bytes: number, first: boolean, nowNs: number): void;
  /** A frame starts on the link; `more` if its context stays backlogged. */
  granted?(context: ContextId, bytes: number, more: boolean, nowNs: number): void;
  withdrawn?(context: ContextId, nowNs: number): void;
  /** The link has another rate, bits per second, for what starts from now on. */
  rateChanged?(linkBps: number, nowNs: number): void;
}

/**
 * A published order, as an executable model. It is told what happens on the link and names the contexts that the
 * published rule permits next: several where the rule leaves a tie open.
 */
export interface PublishedOrder extends LinkWatcher {
  /** Contexts that may be selected now; none if the rule holds all of them back. */
  next(nowNs: number): readonly number[];
}

/** Another instance of the discipline, which has to select the same contexts as the one under test. */
export interface Companion {
  readonly discipline: Discipline;
  /** The law that is broken where it selects another one. */
  readonly law: string;
  /** Whether it receives the redundant calls too. @defaultValue false */
  readonly isExact?: boolean;
  /** Its clock is ahead by this much, ns; may be negative. @defaultValue 0 */
  readonly aheadNs?: number;
}

/** Options of a virtual link. */
export interface VirtualLinkOptions {
  readonly companions?: readonly Companion[];
  readonly order?: PublishedOrder;
  /** @defaultValue 10^9 */
  readonly linkBps?: number;
  /** Instant at which the clock starts, virtual ns. @defaultValue 0 */
  readonly startNs?: number;
  readonly watchers?: readonly LinkWatcher[];
}

const LINK_OPTIONS: OptionChecks<VirtualLinkOptions> = {
  companions: requireList,
  order: requireObject,
  linkBps: requireRateBps,
  startNs: (field, value) => requireWhole(field, value, 0),
  watchers: requireList,
};

/** Frames of one size in succession. */
interface Run {
  readonly bytes: number;
  count: number;
}

interface Member {
  readonly share: Share;
  readonly queue: Run[];
}

/** `checkInvariants` follows every so many grants: it may cost as much as a visit to every context number. */
const GRANTS_PER_CHECK = 64;

/**
 * A link, its queues and its clock, driving one discipline: the smallest environment in which a discipline can
 * run. It calls the discipline as the DMA scheduler does, and checks the laws that need no bound:
 *
 * - work conservation: a context is selected whenever one is ready, or the next eligible time is given;
 * - only ready contexts are selected (frames of one context cannot be reordered: a discipline names no frames);
 * - companions (other instances of the discipline) make the same grants: one that receives the same calls, one that
 *   does not receive the redundant calls (and is told `withdraw` before a backlogged context leaves), one with a clock that started at another instant;
 * - the published order, if one is given;
 * - `checkInvariants` after every call but `serve`, and after every 64th grant.
 */
export class VirtualLink {
  readonly timeline = new Timeline();
  readonly #subject: Discipline;
  readonly #companions: readonly Required<Companion>[];
  readonly #order: PublishedOrder | undefined;
  readonly #watchers: readonly LinkWatcher[];
  readonly #line: SerialLine;
  readonly #members = new Map<ContextId, Member>();
  #nowNs: number;
  #backlogged = 0;
  #orderChecks = 0;

  /** @throws ParameterError for an option that is not known, or has a value that it must not have */
  constructor(subject: Discipline, options: VirtualLinkOptions = {}) {
    checkOptions('virtual link options', options, LINK_OPTIONS);
    const { companions = [], order, linkBps = 1e9, startNs = 0, watchers = [] } = options;
    this.#subject = subject;
    this.#companions = companions.map((companion) => ({ isExact: false, aheadNs: 0, ...companion }));
    this.#order = order;
    this.#watchers = order === undefined ? watchers : [...watchers, order];
    this.#line = new SerialLine(linkBps);
    this.#nowNs = startNs;
  }

  /** Comparisons with the published order. */
  get orderChecks(): number {
    return this.#orderChecks;
  }

  get nowNs(): number {
    return this.#nowNs;
  }

  /** Number of backlogged contexts. */
  get backlogged(): number {
    return this.#backlogged;
  }

  isMember(context: ContextId): boolean {
    return this.#members.has(context);
  }

  isBacklogged(context: ContextId): boolean {
    return (this.#members.get(context)?.queue.length ?? 0) > 0;
  }

  /** Contexts that take part. */
  get members(): Iterable<ContextId> {
    return this.#members.keys();
  }

  join(context: ContextId, share: Share): void {
    this.#members.set(context, { share, queue: [] });
    this.timeline.note(this.#nowNs, 'join', context, share.weight);
    this.#subject.join(context, share);
    for (const { discipline } of this.#companions) discipline.join(context, share);
    for (const watcher of this.#watchers) watcher.joined?.(context, share);
    this.checkInvariants();
  }

  /** The context leaves, backlogged or not; companions without the redundant calls withdraw it first. */
  leave(context: ContextId): void {
    const { queue } = this.#member(context);
    if (queue.length > 0) {
      queue.length = 0;
      this.#backlogged -= 1;
      for (const { discipline, isExact, aheadNs } of this.#companions)
        if (!isExact) discipline.withdraw(context, this.#nowNs + aheadNs);
      for (const watcher of this.#watchers) watcher.withdrawn?.(context, this.#nowNs);
    }
    this.#members.delete(context);
    this.timeline.note(this.#nowNs, 'leave', context);
    this.#subject.leave(context, this.#nowNs);
    for (const { discipline, aheadNs } of this.#companions) discipline.leave(context, this.#nowNs + aheadNs);
    for (const watcher of this.#watchers) watcher.left?.(context);
    this.checkInvariants();
  }

  /** `count` frames of `bytes` join the queue of their context. */
  arrive(context: ContextId, bytes: number, count = 1): void {
    const { queue } = this.#member(context);
    const first = queue.length === 0;
    const last = queue.at(-1);
    if (last?.bytes === bytes) last.count += count;
    else queue.push({ bytes, count });
    this.timeline.note(this.#nowNs, 'arrive', context, bytes, count);
    if (first) this.#backlogged += 1;
    this.#announce(this.#subject, 0, context, bytes, count, first);
    for (const { discipline, aheadNs } of this.#companions)
      this.#announce(discipline, aheadNs, context, bytes, count, first);
    for (const watcher of this.#watchers) {
      for (let frame = 0; frame < count; frame += 1)
        watcher.arrived?.(context, bytes, first && frame === 0, this.#nowNs);
    }
    this.checkInvariants();
  }

  /** A second doorbell for a backlogged context. */
  ringAgain(context: ContextId): void {
    const head = this.#member(context).queue[0];
    if (head === undefined) return;
    this.timeline.note(this.#nowNs, 'ring', context);
    this.#subject.activate(context, head.bytes, this.#nowNs);
    for (const { discipline, isExact, aheadNs } of this.#companions)
      if (isExact) discipline.activate(context, head.bytes, this.#nowNs + aheadNs);
    this.checkInvariants();
  }

  /** The backlog of a context is gone without service. */
  withdraw(context: ContextId): void {
    const { queue } = this.#member(context);
    if (queue.length === 0) return;
    queue.length = 0;
    this.#backlogged -= 1;
    this.timeline.note(this.#nowNs, 'withdraw', context);
    this.#subject.withdraw(context, this.#nowNs);
    for (const { discipline, aheadNs } of this.#companions)
      discipline.withdraw(context, this.#nowNs + aheadNs);
    for (const watcher of this.#watchers) watcher.withdrawn?.(context, this.#nowNs);
    this.checkInvariants();
  }

  /** Calls `select` twice and does not act on the answer: the frame may not fit yet. */
  ask(): void {
    if (this.#line.freeAtNs > this.#nowNs) return;
    const first = this.#agree();
    const second = this.#subject.select(this.#nowNs);
    for (const { discipline, isExact, aheadNs } of this.#companions)
      if (isExact) discipline.select(this.#nowNs + aheadNs);
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
    // 0: the discipline chose a context without frames, which it is told of.
    const bytes = queue[0]?.bytes ?? 0;
    meanwhile?.();
    const run = queue[0];
    if (run !== undefined) {
      run.count -= 1;
      if (run.count === 0) queue.shift();
    }
    // 0: the queue is empty, as a discipline is told it.
    const next = queue[0]?.bytes ?? 0;
    if (next === 0) this.#backlogged -= 1;
    this.#line.carry(bytes, this.#nowNs);
    this.timeline.note(this.#nowNs, 'grant', context, bytes);
    this.#subject.served(context, bytes, next, this.#nowNs);
    for (const { discipline, aheadNs } of this.#companions)
      discipline.served(context, bytes, next, this.#nowNs + aheadNs);
    for (const watcher of this.#watchers) watcher.granted?.(context, bytes, next > 0, this.#nowNs);
    if (this.timeline.grants % GRANTS_PER_CHECK === 0) this.checkInvariants();
    return true;
  }

  /** Lets time pass; the link takes what it can meanwhile. */
  pass(durationNs: number): void {
    const untilNs = this.#nowNs + durationNs;
    while (this.#backlogged > 0 && Math.max(this.#nowNs, this.#line.freeAtNs) < untilNs) this.serve();
    // A rate limit may have held the last frame back until after that.
    this.#nowNs = Math.max(this.#nowNs, untilNs);
  }

  /** The link has another rate as soon as the frame on it has passed; the clock stops there. */
  changeRate(linkBps: number): void {
    this.#nowNs = Math.max(this.#nowNs, this.#line.freeAtNs);
    this.#line.changeRate(linkBps, this.#nowNs);
    this.timeline.note(this.#nowNs, 'rate', NO_CONTEXT, linkBps);
    this.#subject.linkRateChanged?.(linkBps, this.#nowNs);
    for (const { discipline, aheadNs } of this.#companions)
      discipline.linkRateChanged?.(linkBps, this.#nowNs + aheadNs);
    for (const watcher of this.#watchers) watcher.rateChanged?.(linkBps, this.#nowNs);
    this.checkInvariants();
  }

  /** A law was violated here. */
  broken(law: string, message: string): never {
    throw new LawBroken(law, `${this.#subject.name} breaks "${law}": ${message}\n${this.timeline.print()}`);
  }

  #choose(): ContextId {
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

  #announce(
    discipline: Discipline,
    aheadNs: number,
    context: ContextId,
    bytes: number,
    count: number,
    first: boolean,
  ): void {
    const nowNs = this.#nowNs + aheadNs;
    discipline.arrived?.(context, bytes, nowNs);
    if (first) discipline.activate(context, bytes, nowNs);
    if (discipline.arrived === undefined) return;
    for (let frame = 1; frame < count; frame += 1) discipline.arrived(context, bytes, nowNs);
  }

  #agree(): ContextId {
    const choice = this.#subject.select(this.#nowNs);
    for (const { discipline, law, aheadNs } of this.#companions) {
      const other = discipline.select(this.#nowNs + aheadNs);
      if (other === choice) continue;
      const where = aheadNs === 0 ? '' : ` (its clock shows ${this.#nowNs + aheadNs} ns)`;
      this.broken(
        law,
        `context ${choice} is selected at ${this.#nowNs} ns, and ${other} by the other instance${where}`,
      );
    }
    if (choice !== NONE && !this.isBacklogged(choice)) {
      this.broken(
        'only ready contexts are selected',
        `context ${choice} is selected without a frame at ${this.#nowNs} ns`,
      );
    }
    if (this.#order !== undefined) this.#compareWithOrder(this.#order, choice);
    return choice;
  }

  #compareWithOrder(order: PublishedOrder, choice: ContextId): void {
    const permitted = order.next(this.#nowNs);
    this.#orderChecks += 1;
    if (choice === NONE ? permitted.length === 0 : permitted.includes(choice)) return;
    const expected = permitted.length === 0 ? 'no context' : `context ${permitted.join(' or ')}`;
    this.broken(
      'the published order',
      `${choice === NONE ? 'no context' : `context ${choice}`} is selected at ${this.#nowNs} ns, the published rule says ${expected}`,
    );
  }

  #member(context: ContextId): Member {
    const member = this.#members.get(context);
    if (member === undefined)
      throw new InvariantViolation(`context ${context} does not take part in the virtual link`);
    return member;
  }

  /** Checks the discipline's own invariants. */
  checkInvariants(): void {
    try {
      this.#subject.checkInvariants();
    } catch (error) {
      this.broken('invariants', error instanceof Error ? error.message : `${error}`);
    }
  }
}
