import { InvariantViolation, KernelTimeError, ReentryError } from './errors.js';
import { NO_SLOT, TimingWheel } from './timing-wheel.js';

export { KernelTimeError } from './errors.js';

/** The last nanosecond of a run, 104 days after the first: a double counts no further in whole numbers. */
export const MAX_TIME_NS = 2 ** 53 - 1;

/** What a component gets back when it registers: the number that its events carry instead of a closure. */
export type HandlerId = number;

/** Names one scheduled event, for `cancel`. A handle is never used twice. */
export type EventHandle = number;

/** Called when an event is due; `a` and `b` are whatever was given to `schedule`. */
export type EventHandler = (a: number, b: number) => void;

const MAX_SLOTS = 2 ** 22;
const MAX_GENERATION = 2 ** 31 - 1;
const FREE = -1;
const CANCELLED = -2;
const NO_HANDLER = -1;

/**
 * Virtual time: a queue of events ordered by (time, sequence). Equal times run in the order in which they
 * were scheduled. All times are whole nanoseconds since the start of the run.
 *
 * Nothing is allocated per event: handlers are registered once, and an event is a slot in typed arrays. A
 * timing wheel keeps the order. Events with no delay skip it and wait in a ring: whatever the wheel holds for
 * this instant was scheduled before the instant began, so it goes first, and the ring follows in its order.
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

  // One slot per event. The handler doubles as its state: FREE, CANCELLED (in the ring), or the one to call.
  #slotHandler: Int32Array;
  #slotGeneration: Int32Array;
  #slotA: Float64Array;
  #slotB: Float64Array;
  #slotInRing: Uint8Array;
  #freeSlots: Int32Array;
  #freeCount: number;

  readonly #wheel: TimingWheel;

  // Events of this very instant. As long as there are slots, so it cannot overflow.
  #ring: Int32Array;
  #ringHead = 0;
  #ringCount = 0;

  /** @param initialCapacity events that may be pending before anything has to grow. */
  constructor(initialCapacity = 1024) {
    if (!Number.isInteger(initialCapacity) || initialCapacity < 1 || initialCapacity > MAX_SLOTS) {
      throw new RangeError(
        `initialCapacity is ${initialCapacity}, expected a whole number from 1 to ${MAX_SLOTS}`,
      );
    }
    const capacity = Math.max(16, 2 ** Math.ceil(Math.log2(initialCapacity)));
    this.#slotHandler = new Int32Array(capacity).fill(FREE);
    this.#slotGeneration = new Int32Array(capacity);
    this.#slotA = new Float64Array(capacity);
    this.#slotB = new Float64Array(capacity);
    this.#slotInRing = new Uint8Array(capacity);
    this.#freeSlots = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
    this.#wheel = new TimingWheel(capacity);
    this.#ring = new Int32Array(capacity);
  }

  /** The instant that is being simulated, ns. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /** Events that are still to run (cancelled ones not counted). */
  get pending(): number {
    return this.#live;
  }

  /** Events that have run. */
  get executed(): number {
    return this.#executed;
  }

  /** Makes `handler` known under the name of the component it belongs to; the name appears in errors. */
  register(component: string, handler: EventHandler): HandlerId {
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

  /**
   * `schedule` for events that are never cancelled, as most on a packet's way are: a handle is a large number,
   * which the engine would put on the heap (16 bytes per event, measured).
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

  /** Takes an event back. False if it has run, was cancelled before, or never was. */
  cancel(handle: EventHandle): boolean {
    const slot = handle % MAX_SLOTS;
    if (this.#slotGeneration[slot] !== Math.floor(handle / MAX_SLOTS)) return false;
    if ((this.#slotHandler[slot] ?? FREE) < 0) return false;
    this.#live -= 1;
    if (this.#slotInRing[slot] === 1) {
      this.#slotHandler[slot] = CANCELLED;
    } else {
      this.#wheel.remove(slot);
      this.#release(slot);
    }
    return true;
  }

  /** Time of the next event, ns, or undefined when nothing is pending. */
  nextTimeNs(): number | undefined {
    this.#dropCancelled();
    return this.#ringCount > 0 ? this.#nowNs : this.#wheel.nextTimeNs();
  }

  /** Runs every event up to and including `untilNs`, then stands at `untilNs`. */
  run(untilNs: number): void {
    if (!(untilNs >= this.#nowNs && untilNs <= MAX_TIME_NS) || untilNs !== Math.floor(untilNs)) {
      throw new KernelTimeError(
        `run until ${untilNs} ns (now ${this.#nowNs} ns), expected a whole number from now to ${MAX_TIME_NS}`,
      );
    }
    this.#runEvents(untilNs, Number.POSITIVE_INFINITY);
    this.#nowNs = untilNs;
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
   * Reports a mistake of ours from a place that must not throw (an observer: RxJS would move the exception to
   * a host timer). The event that is running ends, then `run` throws it; the first of several counts.
   */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Has `ending` run when the run ends; endings run in the order in which they were given. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  /**
   * The run is over: every stream that this kernel drives completes. Events that are still pending stay so.
   * Nothing happens the second time.
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

  /** Throws if the queue is not what it should be. For tests: costs O(pending). */
  checkInvariants(): void {
    let live = this.#wheel.checkInvariants();
    const inWheel = live;
    for (let index = 0; index < this.#ringCount; index += 1) {
      const slot = this.#ring[(this.#ringHead + index) & (this.#ring.length - 1)] ?? 0;
      if ((this.#slotHandler[slot] ?? FREE) >= 0) live += 1;
    }
    if (live !== this.#live) throw new InvariantViolation(`${this.#live} events counted, ${live} found`);
    if (inWheel + this.#ringCount + this.#freeCount !== this.#slotHandler.length)
      throw new InvariantViolation('an event slot is lost');
    const nextNs = this.#wheel.nextTimeNs();
    if (nextNs !== undefined && nextNs < this.#nowNs)
      throw new InvariantViolation(`an event at ${nextNs} ns was passed over`);
  }

  #runEvents(untilNs: number, maxEvents: number): number {
    if (this.#running !== NO_HANDLER) {
      throw new ReentryError(
        `${this.componentOf(this.#running)}: the kernel was asked to run from inside an event at ${this.#nowNs} ns; ` +
          'schedule the effect instead',
      );
    }
    if (this.#failure !== undefined) this.#throwFailure();
    let count = 0;
    try {
      while (count < maxEvents && this.#runNext(untilNs)) count += 1;
    } finally {
      this.#running = NO_HANDLER;
    }
    return count;
  }

  #runNext(untilNs: number): boolean {
    let slot: number;
    if (this.#ringCount > 0 && !this.#wheel.instantLeft) {
      slot = this.#takeFromRing();
      if (slot === NO_SLOT) return this.#runNext(untilNs);
    } else {
      slot = this.#wheel.take(untilNs);
      if (slot === NO_SLOT) return false;
      this.#nowNs = this.#wheel.timeOf(slot);
    }
    const handler = this.#slotHandler[slot] ?? FREE;
    const run = this.#handlers[handler];
    if (run === undefined) throw new InvariantViolation(`slot ${slot} is due and has no handler`);
    this.#release(slot);
    this.#live -= 1;
    this.#executed += 1;
    this.#running = handler;
    run(this.#slotA[slot] ?? 0, this.#slotB[slot] ?? 0);
    if (this.#failure !== undefined) this.#throwFailure();
    return true;
  }

  /** The next event of this instant, or NO_SLOT if all that was left had been cancelled. */
  #takeFromRing(): number {
    this.#dropCancelled();
    if (this.#ringCount === 0) return NO_SLOT;
    const slot = this.#ring[this.#ringHead] ?? 0;
    this.#ringHead = (this.#ringHead + 1) & (this.#ring.length - 1);
    this.#ringCount -= 1;
    return slot;
  }

  #dropCancelled(): void {
    while (this.#ringCount > 0) {
      const slot = this.#ring[this.#ringHead] ?? 0;
      if (this.#slotHandler[slot] !== CANCELLED) return;
      this.#release(slot);
      this.#ringHead = (this.#ringHead + 1) & (this.#ring.length - 1);
      this.#ringCount -= 1;
    }
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
    if (this.#freeCount === 0) this.#grow();
    this.#freeCount -= 1;
    const slot = this.#freeSlots[this.#freeCount] ?? 0;
    const generation = this.#slotGeneration[slot] ?? 0;
    this.#slotGeneration[slot] = generation === MAX_GENERATION ? 0 : generation + 1;
    this.#slotHandler[slot] = handler;
    this.#slotA[slot] = a;
    this.#slotB[slot] = b;
    this.#live += 1;
    if (delayNs === 0) {
      this.#slotInRing[slot] = 1;
      this.#ring[(this.#ringHead + this.#ringCount) & (this.#ring.length - 1)] = slot;
      this.#ringCount += 1;
    } else {
      this.#slotInRing[slot] = 0;
      this.#wheel.insert(slot, timeNs);
    }
    return slot;
  }

  #handleOf(slot: number): EventHandle {
    return (this.#slotGeneration[slot] ?? 0) * MAX_SLOTS + slot;
  }

  #release(slot: number): void {
    this.#slotHandler[slot] = FREE;
    this.#freeSlots[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  #grow(): void {
    const old = this.#slotHandler.length;
    const capacity = old * 2;
    if (capacity > MAX_SLOTS) throw new InvariantViolation(`more than ${MAX_SLOTS} events pending`);
    this.#slotHandler = wider(this.#slotHandler, new Int32Array(capacity).fill(FREE));
    this.#slotGeneration = wider(this.#slotGeneration, new Int32Array(capacity));
    this.#slotA = wider(this.#slotA, new Float64Array(capacity));
    this.#slotB = wider(this.#slotB, new Float64Array(capacity));
    this.#slotInRing = wider(this.#slotInRing, new Uint8Array(capacity));
    this.#wheel.grow(capacity);
    const ring = new Int32Array(capacity);
    for (let index = 0; index < this.#ringCount; index += 1) {
      ring[index] = this.#ring[(this.#ringHead + index) & (old - 1)] ?? 0;
    }
    this.#ring = ring;
    this.#ringHead = 0;
    this.#freeSlots = new Int32Array(capacity);
    for (let index = 0; index < old; index += 1) this.#freeSlots[index] = capacity - 1 - index;
    this.#freeCount = old;
  }
}

function wider<T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
