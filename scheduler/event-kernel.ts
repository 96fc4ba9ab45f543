import { InvariantViolation, KernelTimeError, ReentryError } from './errors.js';
import { absent, present } from './present.js';
import { EARLIEST, NO_SLOT, TAKEN, TimingWheel } from './timing-wheel.js';
import { powerOfTwoFrom } from './whole-logarithm.js';

export { KernelTimeError } from './errors.js';

/** The last nanosecond of a run, 104 days after the first: beyond it a double does not represent every whole number. */
export const MAX_TIME_NS = 2 ** 53 - 1;

/** The result of registering a handler: the number that its events carry instead of a closure. */
export type HandlerId = number;

/** Names one scheduled event, for `cancel`. A handle is never used twice. */
export type EventHandle = number;

/**
 * Where a pending event lies: a small number, which the engine keeps without allocating it, as it does a handle. It is used
 * again once the event has run, so it is for a caller that knows when that is.
 */
export type EventPlace = number;

/** Called when an event is due; `a` and `b` are the arguments given to `schedule`. */
export type EventHandler = (a: number, b: number) => void;

const MAX_SLOTS = 2 ** 22;
/** Slots are numbered below this. */
const SLOT_NUMBERS = 2 * MAX_SLOTS;
const MAX_GENERATION = 2 ** 30 - 1;
const NO_HANDLER = -1;
/** Added to the handler of an event with an argument that is not a 32-bit integer. */
const WIDE = 2 ** 24;

/** The window has a bucket per nanosecond: the current epoch of the clock, and the one that follows. */
const EPOCH_NS = 1024;
const WINDOW = 2 * EPOCH_NS;
const WINDOW_MASK = WINDOW - 1;
/** An event this far ahead of all others stays in the wheel. */
const SPARSE_NS = 512;

// One array holds all of the calendar, so that a function reads the place of one array and not of four. First the
// first and the last event of each bucket, then one bit per bucket in use, then one bit per word of those.
const IN_USE = WINDOW * 2;
const WORDS_IN_USE = IN_USE + WINDOW / 32;
const CALENDAR_CELLS = WORDS_IN_USE + WINDOW / 1024;

// Behind them the record of each event, eight 32-bit integers: the slots begin at the number whose record lies there.
const RECORD_SHIFT = 3;
const FIRST_SLOT = Math.ceil(CALENDAR_CELLS / 2 ** RECORD_SHIFT);
/** The next event of its bucket, or the next free slot. */
const NEXT = 0;
/** What to call, or FREE, or CANCELLED (it is still in its bucket). */
const HANDLER = 1;
const ARGUMENT_A = 2;
const ARGUMENT_B = 3;
const GENERATION = 4;
/** 1 while the event waits beyond the window. */
const IS_FAR = 5;

const TWO_32 = 2 ** 32;
const FREE = -1;
const CANCELLED = -2;

/**
 * Virtual time: a queue of events ordered by (time, sequence). Equal times run in the order in which they
 * were scheduled. All times are whole nanoseconds since the start of the run.
 *
 * Nothing is allocated per event: handlers are registered once, and an event is a record of 32-bit integers.
 * Those of the near future, which are most, lie in a calendar with a bucket per nanosecond; a bucket is
 * first-in first-out, so equal times need no comparison. Those further away wait in a timing wheel, in the
 * same order, until the clock enters the epoch before theirs. Then they are moved into their buckets, before
 * anything else can be scheduled for the same instant.
 */
export class EventKernel {
  #nowNs = 0;
  #live = 0;
  #executed = 0;
  #running: HandlerId = NO_HANDLER;
  #failure: { error: unknown } | undefined;
  #ended = false;
  readonly #endings: (() => void)[] = [];

  readonly #components: string[] = [];
  readonly #handlers: EventHandler[] = [];

  #capacity = 0;
  // 0 in this file: every index is masked or a slot of the table, so that no cell is missing; the default is for the
  // compiler, and spares the check of each cell on the way of every event.
  #cells = new Int32Array(FIRST_SLOT << RECORD_SHIFT).fill(NO_SLOT, 0, IN_USE);
  // Arguments that are not 32-bit integers, two per slot; absent until there is one.
  #wide: Float64Array | undefined;
  #free = NO_SLOT;

  // Events in buckets, including cancelled ones.
  #near = 0;
  // First instant beyond the window. The epochs of the window begin at multiples of EPOCH_NS.
  #horizonNs = WINDOW;
  // When the clock reaches this time, the window advances.
  #refreshNs = EPOCH_NS;
  #far: TimingWheel;
  #farCount = 0;
  // No event beyond the window is due before this.
  #farFromNs = Number.POSITIVE_INFINITY;

  /** @param initialCapacity events that may be pending before the tables grow. */
  constructor(initialCapacity = 1024) {
    if (!Number.isInteger(initialCapacity) || initialCapacity < 1 || initialCapacity > MAX_SLOTS) {
      throw new RangeError(
        `initialCapacity is ${initialCapacity}, expected a whole number from 1 to ${MAX_SLOTS}`,
      );
    }
    const capacity = Math.max(16, powerOfTwoFrom(initialCapacity));
    this.#far = new TimingWheel(FIRST_SLOT + capacity);
    this.#grow(capacity);
  }

  /** Current virtual time, ns. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /** Number of pending events, without cancelled ones. */
  get pending(): number {
    return this.#live;
  }

  /** Number of events that have run. */
  get executed(): number {
    return this.#executed;
  }

  /** Registers `handler` under the name of its component; the name appears in errors. */
  register(component: string, handler: EventHandler): HandlerId {
    if (this.#handlers.length === WIDE)
      throw new InvariantViolation(`${component}: more than ${WIDE} handlers are registered`);
    this.#components.push(component);
    this.#handlers.push(handler);
    return this.#handlers.length - 1;
  }

  /** The name of the component that a handler belongs to. */
  componentOf(handler: HandlerId): string {
    return this.#components[handler] ?? `handler ${handler}`;
  }

  /** Runs `handler` with `a` and `b` after `delayNs`. @throws KernelTimeError for a delay that is negative, fractional or not finite. */
  schedule(delayNs: number, handler: HandlerId, a = 0, b = 0): EventHandle {
    return this.#handleOf(this.#add(delayNs, handler, a, b));
  }

  /** `schedule` for a caller that may `cancelAt` the event, and knows whether it has run by then. */
  place(delayNs: number, handler: HandlerId, a = 0, b = 0): EventPlace {
    return this.#add(delayNs, handler, a, b);
  }

  /**
   * `schedule` for events that are never cancelled, as are most on the packet path: a handle is a large number,
   * which the engine would allocate on the heap (16 bytes per event, measured).
   */
  post(delayNs: number, handler: HandlerId, a = 0, b = 0): void {
    this.#add(delayNs, handler, a, b);
  }

  /** Runs `handler` at `timeNs`, a whole number not before now. @throws KernelTimeError otherwise. */
  scheduleAt(timeNs: number, handler: HandlerId, a = 0, b = 0): EventHandle {
    if (!(timeNs >= this.#nowNs && timeNs <= MAX_TIME_NS) || timeNs !== Math.floor(timeNs)) {
      throw new KernelTimeError(
        `${this.componentOf(handler)}: event at ${timeNs} ns (now ${this.#nowNs} ns), ` +
          `expected a whole number from now to ${MAX_TIME_NS}`,
      );
    }
    return this.#handleOf(this.#add(timeNs - this.#nowNs, handler, a, b));
  }

  /** Cancels an event. False if it has run, was cancelled before, or never existed. */
  cancel(handle: EventHandle): boolean {
    const slot = handle % SLOT_NUMBERS;
    if (this.#cells[(slot << RECORD_SHIFT) + GENERATION] !== Math.floor(handle / SLOT_NUMBERS)) return false;
    return this.#cancelSlot(slot);
  }

  /** Cancels an event that has not run yet. @throws InvariantViolation when none is pending in that place. */
  cancelAt(place: EventPlace): void {
    if (!this.#cancelSlot(place)) throw new InvariantViolation(`no event is pending in place ${place}`);
  }

  /** Time of the next event, ns, or undefined when nothing is pending. */
  nextTimeNs(): number | undefined {
    const bucket = this.#nextBucket();
    return bucket >= 0 ? this.#timeOf(bucket) : this.#far.nextTimeNs();
  }

  /** Runs every event up to and including `untilNs`, then sets the clock to `untilNs`. */
  run(untilNs: number): void {
    if (!(untilNs >= this.#nowNs && untilNs <= MAX_TIME_NS) || untilNs !== Math.floor(untilNs)) {
      throw new KernelTimeError(
        `run until ${untilNs} ns (now ${this.#nowNs} ns), expected a whole number from now to ${MAX_TIME_NS}`,
      );
    }
    this.#runEvents(untilNs, Number.POSITIVE_INFINITY);
    this.#nextBucket();
    this.#moveTo(untilNs);
  }

  /** Runs until nothing is pending or `maxEvents` have run; returns how many ran. The clock stays at the last event. */
  drain(maxEvents = Number.POSITIVE_INFINITY): number {
    return this.#runEvents(MAX_TIME_NS, maxEvents);
  }

  /** Runs the next event, if there is one. */
  step(): boolean {
    return this.#runEvents(MAX_TIME_NS, 1) === 1;
  }

  /**
   * Reports a defect from a place that must not throw (an observer: RxJS would move the exception to
   * a host timer). The running event ends, then `run` throws the error; of several, the first.
   */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Registers `ending` to be called when the run ends; endings are called in the order of registration. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  /**
   * Ends the run: every stream that this kernel drives completes. Pending events stay pending.
   * A second call has no effect.
   * @throws ReentryError from inside an event; ObserverError for an observer that throws as its stream completes.
   */
  end(): void {
    if (this.#running !== NO_HANDLER) {
      throw new ReentryError(
        `${this.componentOf(this.#running)}: the run was ended from inside an event at ${this.#nowNs} ns`,
      );
    }
    if (this.#ended) return;
    this.#ended = true;
    for (const ending of this.#endings) ending();
    if (this.#failure !== undefined) this.#throwFailure();
  }

  /** @throws InvariantViolation if the queue is inconsistent. For tests: costs O(pending). */
  checkInvariants(): void {
    const cells = this.#cells;
    let near = 0;
    let live = this.#far.checkInvariants();
    if (live !== this.#farCount)
      throw new InvariantViolation(`${this.#farCount} events counted beyond the window, ${live} found`);
    const farNs = this.#far.nextTimeNs();
    if (farNs !== undefined && farNs < this.#horizonNs)
      throw new InvariantViolation(`an event at ${farNs} ns was not moved into the window`);
    if (farNs !== undefined && farNs < this.#farFromNs)
      throw new InvariantViolation(`an event at ${farNs} ns lies before ${this.#farFromNs} ns`);
    for (let bucket = 0; bucket < WINDOW; bucket += 1) {
      const first = cells[bucket * 2] ?? NO_SLOT;
      const word = bucket >>> 5;
      const isMarked = (present(cells[IN_USE + word]) & (1 << (bucket & 31))) !== 0;
      if (isMarked !== (first !== NO_SLOT))
        throw new InvariantViolation(`bucket ${bucket} and its bit disagree`);
      if (isMarked && (present(cells[WORDS_IN_USE + (word >>> 5)]) & (1 << (word & 31))) === 0)
        throw new InvariantViolation(`bucket ${bucket} is not found by its word`);
      if (isMarked && this.#timeOf(bucket) >= this.#horizonNs)
        throw new InvariantViolation(`an event was skipped in bucket ${bucket}`);
      let last = NO_SLOT;
      for (let slot = first; slot !== NO_SLOT; slot = cells[(slot << RECORD_SHIFT) + NEXT] ?? NO_SLOT) {
        if (cells[(slot << RECORD_SHIFT) + HANDLER] !== CANCELLED) live += 1;
        near += 1;
        last = slot;
      }
      if (first !== NO_SLOT && cells[bucket * 2 + 1] !== last)
        throw new InvariantViolation(`bucket ${bucket} lost its end`);
    }
    if (near !== this.#near)
      throw new InvariantViolation(`${this.#near} events counted in the window, ${near} found`);
    if (live !== this.#live) throw new InvariantViolation(`${this.#live} events counted, ${live} found`);
    let free = 0;
    for (let slot = this.#free; slot !== NO_SLOT; slot = cells[(slot << RECORD_SHIFT) + NEXT] ?? NO_SLOT)
      free += 1;
    if (near + this.#farCount + free !== this.#capacity) throw new InvariantViolation('a slot is lost');
  }

  #runEvents(untilNs: number, maxEvents: number): number {
    if (this.#running !== NO_HANDLER) {
      throw new ReentryError(
        `${this.componentOf(this.#running)}: the kernel was asked to run from inside an event at ${this.#nowNs} ns; ` +
          'schedule the effect instead',
      );
    }
    if (this.#failure !== undefined) this.#throwFailure();
    // In halves: handed on whole, a time from 2^31 ns on is allocated for each event that was far away.
    const untilLow = untilNs | 0;
    const untilHigh = (untilNs / TWO_32) | 0;
    let count = 0;
    try {
      while (count < maxEvents) {
        let bucket = this.#nowNs & WINDOW_MASK;
        let slot = this.#cells[bucket << 1] ?? NO_SLOT;
        if (slot === NO_SLOT || this.#cells[(slot << RECORD_SHIFT) + HANDLER] === CANCELLED) {
          bucket = this.#nextBucket();
          if (bucket < 0) {
            slot = this.#pullFar(untilLow, untilHigh);
            if (slot === NO_SLOT) break;
            this.#call(slot);
            count += 1;
            if (this.#failure !== undefined) this.#throwFailure();
            continue;
          }
          const timeNs = this.#timeOf(bucket);
          if (timeNs > untilNs) break;
          if (timeNs !== this.#nowNs) this.#moveTo(timeNs);
          slot = this.#cells[bucket << 1] ?? NO_SLOT;
        }
        this.#unlinkFirst(bucket, slot);
        this.#call(slot);
        count += 1;
        if (this.#failure !== undefined) this.#throwFailure();
      }
    } finally {
      this.#running = NO_HANDLER;
    }
    return count;
  }

  /** Runs the event in a slot that is in no queue any more; the slot is free before it begins. */
  #call(slot: number): void {
    const cells = this.#cells;
    const record = slot << RECORD_SHIFT;
    const handler = cells[record + HANDLER] ?? FREE;
    const a = cells[record + ARGUMENT_A] ?? 0;
    const b = cells[record + ARGUMENT_B] ?? 0;
    cells[record + HANDLER] = FREE;
    cells[record + NEXT] = this.#free;
    this.#free = slot;
    this.#live -= 1;
    this.#executed += 1;
    if (handler >= WIDE) {
      this.#runWide(handler - WIDE, slot);
      return;
    }
    const run = this.#handlers[handler];
    if (run === undefined) throw new InvariantViolation(`slot ${slot} is due and has no handler`);
    this.#running = handler;
    run(a, b);
  }

  #runWide(handler: HandlerId, slot: number): void {
    const wide = present(this.#wide);
    const at = (slot - FIRST_SLOT) * 2;
    const a = present(wide[at]);
    const b = present(wide[at + 1]);
    this.#running = handler;
    this.#handlers[handler]?.(a, b);
  }

  /** Time of a bucket in use, ns: the first instant from now on that falls on it. */
  #timeOf(bucket: number): number {
    return this.#nowNs + ((bucket - this.#nowNs) & WINDOW_MASK);
  }

  /** The bucket of the next event of the window, or -1. Cancelled events before it are removed. */
  #nextBucket(): number {
    while (this.#near > 0) {
      const bucket = this.#firstInUse(this.#nowNs & WINDOW_MASK);
      const slot = this.#cells[bucket << 1] ?? NO_SLOT;
      if (this.#cells[(slot << RECORD_SHIFT) + HANDLER] !== CANCELLED) return bucket;
      this.#unlinkFirst(bucket, slot);
      this.#release(slot);
    }
    return -1;
  }

  /** The first bucket in use at or after `from`, around the window; there is one. */
  #firstInUse(from: number): number {
    const cells = this.#cells;
    const word = from >>> 5;
    const here = (cells[IN_USE + word] ?? 0) & (-1 << (from & 31));
    if (here !== 0) return (word << 5) | lowestBit(here);
    // The words behind it, those before it, and what lies before `from` in its own word.
    const half = word >>> 5;
    let ahead = (cells[WORDS_IN_USE + half] ?? 0) & (-2 << (word & 31));
    let found = half;
    if (ahead === 0) {
      found = half ^ 1;
      ahead = cells[WORDS_IN_USE + found] ?? 0;
    }
    if (ahead === 0) {
      found = half;
      ahead = cells[WORDS_IN_USE + half] ?? 0;
    }
    const next = (found << 5) | lowestBit(ahead);
    return (next << 5) | lowestBit(cells[IN_USE + next] ?? 0);
  }

  /** Sets the clock to `timeNs`; no event lies before it. */
  #moveTo(timeNs: number): void {
    this.#nowNs = timeNs;
    if (timeNs >= this.#refreshNs) this.#moveWindow();
  }

  /**
   * Advances the window to the clock's epoch. Where the next event of the wheel lies far ahead it stays there, and
   * the window ends before it: a sparse queue would pay twice for each event that is moved.
   */
  #moveWindow(): void {
    const nowNs = this.#nowNs;
    const endNs = nowNs - (nowNs & (EPOCH_NS - 1)) + WINDOW;
    if (this.#farFromNs < endNs && this.#farFromNs - nowNs > SPARSE_NS) {
      this.#horizonNs = this.#farFromNs;
      this.#refreshNs = this.#farFromNs;
      return;
    }
    this.#horizonNs = endNs;
    this.#refreshNs = endNs - EPOCH_NS;
    if (this.#farFromNs < endNs) this.#dealFar(Math.min(endNs - 1, MAX_TIME_NS));
  }

  /** Moves the events of the wheel up to `lastNs` into buckets. */
  #dealFar(lastNs: number): void {
    const low = lastNs | 0;
    const high = Math.floor(lastNs / TWO_32);
    for (let slot = this.#far.take(low, high); slot !== NO_SLOT; slot = this.#far.take(low, high)) {
      this.#farCount -= 1;
      this.#cells[(slot << RECORD_SHIFT) + IS_FAR] = 0;
      this.#append(slot, (this.#far.notedNs[TAKEN] ?? absent()) & WINDOW_MASK);
    }
    this.#far.noteEarliest();
    this.#farFromNs = this.#far.notedNs[EARLIEST] ?? absent();
  }

  /** The window is empty: advances to the next event beyond it and returns its slot, if it is due by then. */
  #pullFar(untilLow: number, untilHigh: number): number {
    if (this.#farCount === 0) return NO_SLOT;
    const slot = this.#far.take(untilLow, untilHigh);
    if (slot === NO_SLOT) return NO_SLOT;
    this.#farCount -= 1;
    this.#far.noteEarliest();
    this.#farFromNs = this.#far.notedNs[EARLIEST] ?? absent();
    this.#nowNs = this.#far.notedNs[TAKEN] ?? absent();
    if (this.#nowNs >= this.#refreshNs) this.#moveWindow();
    return slot;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  #add(delayNs: number, handler: HandlerId, a: number, b: number): number {
    if (!(handler >= 0 && handler < this.#handlers.length))
      throw new InvariantViolation(`handler ${handler} is not registered`);
    const timeNs = this.#nowNs + delayNs;
    if (!(delayNs >= 0 && timeNs <= MAX_TIME_NS) || delayNs !== Math.floor(delayNs)) {
      throw new KernelTimeError(
        `${this.componentOf(handler)}: event after ${delayNs} ns (now ${this.#nowNs} ns), ` +
          `expected a whole number >= 0 and a time up to ${MAX_TIME_NS}`,
      );
    }
    if (this.#free === NO_SLOT) this.#grow(this.#capacity * 2);
    const cells = this.#cells;
    const slot = this.#free;
    const record = slot << RECORD_SHIFT;
    this.#free = cells[record + NEXT] ?? NO_SLOT;
    const generation = cells[record + GENERATION] ?? 0;
    cells[record + GENERATION] = generation === MAX_GENERATION ? 0 : generation + 1;
    this.#live += 1;
    if ((a | 0) === a && (b | 0) === b) {
      cells[record + HANDLER] = handler;
      cells[record + ARGUMENT_A] = a;
      cells[record + ARGUMENT_B] = b;
    } else {
      cells[record + HANDLER] = handler + WIDE;
      this.#keepWide(slot, a, b);
    }
    if (timeNs < this.#horizonNs) {
      cells[record + IS_FAR] = 0;
      this.#append(slot, timeNs & WINDOW_MASK);
    } else {
      cells[record + IS_FAR] = 1;
      this.#farCount += 1;
      // By hand: a function that is not put here would be handed the whole time.
      this.#far.insert(slot, timeNs | 0, Math.floor(timeNs / TWO_32));
      if (timeNs < this.#farFromNs) this.#farFromNs = timeNs;
    }
    return slot;
  }

  #keepWide(slot: number, a: number, b: number): void {
    this.#wide ??= new Float64Array(this.#capacity * 2);
    const at = (slot - FIRST_SLOT) * 2;
    this.#wide[at] = a;
    this.#wide[at + 1] = b;
  }

  #append(slot: number, bucket: number): void {
    const cells = this.#cells;
    const end = (bucket << 1) + 1;
    cells[(slot << RECORD_SHIFT) + NEXT] = NO_SLOT;
    const last = cells[end] ?? NO_SLOT;
    cells[end] = slot;
    this.#near += 1;
    if (last !== NO_SLOT) {
      cells[(last << RECORD_SHIFT) + NEXT] = slot;
      return;
    }
    cells[bucket << 1] = slot;
    const word = bucket >>> 5;
    cells[IN_USE + word] = (cells[IN_USE + word] ?? 0) | (1 << (bucket & 31));
    const half = WORDS_IN_USE + (word >>> 5);
    cells[half] = (cells[half] ?? 0) | (1 << (word & 31));
  }

  /** Takes the first event out of a bucket. */
  #unlinkFirst(bucket: number, slot: number): void {
    const cells = this.#cells;
    const next = cells[(slot << RECORD_SHIFT) + NEXT] ?? NO_SLOT;
    cells[bucket << 1] = next;
    this.#near -= 1;
    if (next !== NO_SLOT) return;
    cells[(bucket << 1) + 1] = NO_SLOT;
    const word = bucket >>> 5;
    const left = (cells[IN_USE + word] ?? 0) & ~(1 << (bucket & 31));
    cells[IN_USE + word] = left;
    if (left !== 0) return;
    const half = WORDS_IN_USE + (word >>> 5);
    cells[half] = (cells[half] ?? 0) & ~(1 << (word & 31));
  }

  #cancelSlot(slot: number): boolean {
    const cells = this.#cells;
    const record = slot << RECORD_SHIFT;
    if (!(slot >= FIRST_SLOT) || (cells[record + HANDLER] ?? FREE) < 0) return false;
    this.#live -= 1;
    if (cells[record + IS_FAR] === 1) {
      this.#far.remove(slot);
      this.#farCount -= 1;
      this.#release(slot);
    } else {
      // A bucket is a singly linked list, so that scheduling is cheap; the event is skipped when it is due.
      cells[record + HANDLER] = CANCELLED;
    }
    return true;
  }

  #handleOf(slot: number): EventHandle {
    return present(this.#cells[(slot << RECORD_SHIFT) + GENERATION]) * SLOT_NUMBERS + slot;
  }

  #release(slot: number): void {
    const record = slot << RECORD_SHIFT;
    this.#cells[record + HANDLER] = FREE;
    this.#cells[record + NEXT] = this.#free;
    this.#free = slot;
  }

  #grow(capacity: number): void {
    const old = this.#capacity;
    if (capacity > MAX_SLOTS) throw new InvariantViolation(`more than ${MAX_SLOTS} events pending`);
    const cells = new Int32Array((FIRST_SLOT + capacity) << RECORD_SHIFT);
    cells.set(this.#cells);
    this.#cells = cells;
    this.#capacity = capacity;
    if (this.#wide !== undefined) {
      const wide = new Float64Array(capacity * 2);
      wide.set(this.#wide);
      this.#wide = wide;
    }
    if (old > 0) this.#far.grow(FIRST_SLOT + capacity);
    for (let slot = FIRST_SLOT + capacity - 1; slot >= FIRST_SLOT + old; slot -= 1) this.#release(slot);
  }
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
