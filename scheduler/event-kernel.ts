/** Longest delay, in nanoseconds, that still adds to a clock without losing a nanosecond (104 days). */
export const MAX_TIME_NS = 2 ** 53 - 1;

/** What a room gets back when it registers: the number that its events carry instead of a closure. */
export type HandlerId = number;

/** Names one scheduled event, for `cancel`. A handle is never used twice. */
export type EventHandle = number;

/** Called when an event is due; `a` and `b` are whatever was given to `schedule`. */
export type EventHandler = (a: number, b: number) => void;

/** A time that no event may have. It is our own mistake, so it throws. */
export class KernelTimeError extends Error {
  override readonly name = 'KernelTimeError';
}

const SLOT_BITS = 22;
const MAX_SLOTS = 2 ** SLOT_BITS;
const FREE = -1;
const CANCELLED = -2;

/**
 * Virtual time: a queue of events ordered by (time, sequence). Equal times run in the order in which they
 * were scheduled. All times are whole nanoseconds since the start of the run.
 *
 * Nothing is allocated an event: handlers are registered once, and an event is a slot in typed arrays. The
 * order is kept by a four-ary heap (half the depth of a binary one, and its children share a cache line);
 * events with no delay skip it and wait in a ring, since nothing in the heap can be due after them at the
 * same instant but before them in sequence.
 *
 * Cancelling is lazy: the slot is marked and dropped when it reaches the top.
 */
export class EventKernel {
  #nowNs = 0;
  #sequence = 0;
  #live = 0;
  #executed = 0;
  #failure: { error: unknown } | undefined;

  readonly #rooms: string[] = [];
  readonly #handlers: EventHandler[] = [];

  // One slot an event. `handler` doubles as its state: FREE, CANCELLED, or the handler to call.
  #slotHandler: Int32Array;
  #slotGeneration: Int32Array;
  #slotA: Float64Array;
  #slotB: Float64Array;
  #freeSlots: Int32Array;
  #freeCount: number;

  // The heap: keys beside the slot they belong to, so that a sift touches no slot.
  #heapTime: Float64Array;
  #heapSequence: Float64Array;
  #heapSlot: Int32Array;
  #heapSize = 0;

  // Events of this very instant, in the order in which they were scheduled.
  #ring: Int32Array;
  #ringHead = 0;
  #ringCount = 0;

  constructor(initialCapacity = 1024) {
    if (!Number.isInteger(initialCapacity) || initialCapacity < 1 || initialCapacity > MAX_SLOTS) {
      throw new RangeError(`initialCapacity is ${initialCapacity}, expected a whole number from 1 to ${MAX_SLOTS}`);
    }
    const capacity = Math.max(16, 2 ** Math.ceil(Math.log2(initialCapacity)));
    this.#slotHandler = new Int32Array(capacity).fill(FREE);
    this.#slotGeneration = new Int32Array(capacity);
    this.#slotA = new Float64Array(capacity);
    this.#slotB = new Float64Array(capacity);
    this.#freeSlots = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
    this.#heapTime = new Float64Array(capacity);
    this.#heapSequence = new Float64Array(capacity);
    this.#heapSlot = new Int32Array(capacity);
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

  /** Makes `handler` known under the name of the room it belongs to; the name appears in errors. */
  register(room: string, handler: EventHandler): HandlerId {
    this.#rooms.push(room);
    this.#handlers.push(handler);
    return this.#handlers.length - 1;
  }

  /** Runs `handler` with `a` and `b` after `delayNs`. @throws KernelTimeError for a delay that is negative, fractional or not finite. */
  schedule(delayNs: number, handler: HandlerId, a = 0, b = 0): EventHandle {
    if (delayNs === 0) {
      const slot = this.#takeSlot(handler, a, b);
      this.#ring[(this.#ringHead + this.#ringCount) & (this.#ring.length - 1)] = slot;
      this.#ringCount += 1;
      return this.#handleOf(slot);
    }
    return this.scheduleAt(this.#nowNs + delayNs, handler, a, b);
  }

  /** Runs `handler` at `timeNs`, which is not before now. @throws KernelTimeError otherwise. */
  scheduleAt(timeNs: number, handler: HandlerId, a = 0, b = 0): EventHandle {
    if (!(timeNs >= this.#nowNs && timeNs <= MAX_TIME_NS) || timeNs !== Math.floor(timeNs)) {
      throw new KernelTimeError(
        `${this.#rooms[handler] ?? `handler ${handler}`}: event at ${timeNs} ns (now ${this.#nowNs} ns), ` +
          `expected a whole number from now to ${MAX_TIME_NS}`,
      );
    }
    if (timeNs === this.#nowNs) return this.schedule(0, handler, a, b);
    const slot = this.#takeSlot(handler, a, b);
    this.#push(timeNs, slot);
    return this.#handleOf(slot);
  }

  /** Takes an event back. False if it has run, was cancelled before, or never was. */
  cancel(handle: EventHandle): boolean {
    const slot = handle % MAX_SLOTS;
    const generation = Math.floor(handle / MAX_SLOTS);
    if (this.#slotGeneration[slot] !== generation) return false;
    const handler = this.#slotHandler[slot] ?? FREE;
    if (handler < 0) return false;
    this.#slotHandler[slot] = CANCELLED;
    this.#live -= 1;
    return true;
  }

  /** Time of the next event, ns, or undefined when nothing is pending. */
  nextTimeNs(): number | undefined {
    if (this.#live === 0) return undefined;
    this.#dropCancelled();
    if (this.#ringCount > 0) return this.#nowNs;
    return this.#heapSize > 0 ? this.#heapTime[0] : undefined;
  }

  /** Runs every event up to and including `untilNs`, then stands at `untilNs`. */
  run(untilNs: number): void {
    if (!(untilNs >= this.#nowNs && untilNs <= MAX_TIME_NS)) {
      throw new KernelTimeError(`run until ${untilNs} ns (now ${this.#nowNs} ns), expected a time from now on`);
    }
    while (this.#runNext(untilNs)) {
      // each turn runs one event
    }
    this.#nowNs = untilNs;
  }

  /** Runs until nothing is pending or `maxEvents` have run; returns how many ran. The clock stays at the last event. */
  drain(maxEvents = Number.POSITIVE_INFINITY): number {
    let count = 0;
    while (count < maxEvents && this.#runNext(MAX_TIME_NS)) count += 1;
    return count;
  }

  /** Runs the next event, if there is one. */
  step(): boolean {
    return this.#runNext(MAX_TIME_NS);
  }

  /**
   * Reports a mistake of ours from a place that must not throw (an observer: RxJS would move the exception to
   * a host timer). The event that is running ends, then `run` throws it.
   */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** The name of the room that a handler belongs to. */
  roomOf(handler: HandlerId): string {
    return this.#rooms[handler] ?? `handler ${handler}`;
  }

  /** Throws if the queue is not what it should be. For tests: costs O(pending). */
  checkInvariants(): void {
    let live = 0;
    for (let index = 0; index < this.#heapSize; index += 1) {
      if (index > 0 && this.#before(index, (index - 1) >> 2)) throw new Error(`heap order broken at ${index}`);
      if ((this.#slotHandler[this.#heapSlot[index] ?? 0] ?? FREE) >= 0) live += 1;
    }
    for (let index = 0; index < this.#ringCount; index += 1) {
      const slot = this.#ring[(this.#ringHead + index) & (this.#ring.length - 1)] ?? 0;
      if ((this.#slotHandler[slot] ?? FREE) >= 0) live += 1;
    }
    if (live !== this.#live) throw new Error(`${this.#live} events counted, ${live} found`);
    if (this.#heapSize + this.#ringCount + this.#freeCount !== this.#slotHandler.length) {
      throw new Error('a slot is lost');
    }
  }

  #runNext(untilNs: number): boolean {
    for (;;) {
      let slot: number;
      // What the heap holds for this instant was scheduled before this instant, so it goes before the ring.
      if (this.#ringCount > 0 && !(this.#heapSize > 0 && this.#heapTime[0] === this.#nowNs)) {
        slot = this.#ring[this.#ringHead] ?? 0;
        this.#ringHead = (this.#ringHead + 1) & (this.#ring.length - 1);
        this.#ringCount -= 1;
      } else if (this.#heapSize > 0) {
        const timeNs = this.#heapTime[0] ?? 0;
        if (timeNs > untilNs) return false;
        slot = this.#heapSlot[0] ?? 0;
        this.#pop();
        if (this.#slotHandler[slot] !== CANCELLED) this.#nowNs = timeNs;
      } else {
        return false;
      }
      const handler = this.#slotHandler[slot] ?? FREE;
      this.#slotHandler[slot] = FREE;
      this.#freeSlots[this.#freeCount] = slot;
      this.#freeCount += 1;
      if (handler === CANCELLED) continue;

      this.#live -= 1;
      this.#executed += 1;
      const run = this.#handlers[handler];
      if (run === undefined) throw new Error(`event for handler ${handler}, which is not registered`);
      run(this.#slotA[slot] ?? 0, this.#slotB[slot] ?? 0);
      if (this.#failure !== undefined) this.#throwFailure();
      return true;
    }
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  #dropCancelled(): void {
    while (this.#ringCount > 0 && this.#slotHandler[this.#ring[this.#ringHead] ?? 0] === CANCELLED) {
      this.#releaseSlot(this.#ring[this.#ringHead] ?? 0);
      this.#ringHead = (this.#ringHead + 1) & (this.#ring.length - 1);
      this.#ringCount -= 1;
    }
    while (this.#heapSize > 0 && this.#slotHandler[this.#heapSlot[0] ?? 0] === CANCELLED) {
      this.#releaseSlot(this.#heapSlot[0] ?? 0);
      this.#pop();
    }
  }

  #releaseSlot(slot: number): void {
    this.#slotHandler[slot] = FREE;
    this.#freeSlots[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  #handleOf(slot: number): EventHandle {
    return (this.#slotGeneration[slot] ?? 0) * MAX_SLOTS + slot;
  }

  #takeSlot(handler: HandlerId, a: number, b: number): number {
    if (this.#freeCount === 0) this.#grow();
    this.#freeCount -= 1;
    const slot = this.#freeSlots[this.#freeCount] ?? 0;
    this.#slotHandler[slot] = handler;
    this.#slotGeneration[slot] = ((this.#slotGeneration[slot] ?? 0) + 1) & 0x7fffffff;
    this.#slotA[slot] = a;
    this.#slotB[slot] = b;
    this.#live += 1;
    return slot;
  }

  #before(left: number, right: number): boolean {
    const leftTime = this.#heapTime[left] ?? 0;
    const rightTime = this.#heapTime[right] ?? 0;
    if (leftTime !== rightTime) return leftTime < rightTime;
    return (this.#heapSequence[left] ?? 0) < (this.#heapSequence[right] ?? 0);
  }

  #push(timeNs: number, slot: number): void {
    const times = this.#heapTime;
    const sequences = this.#heapSequence;
    const slots = this.#heapSlot;
    this.#sequence += 1;
    const sequence = this.#sequence;
    let hole = this.#heapSize;
    this.#heapSize += 1;
    // The newcomer has the highest sequence, so it rises only past strictly later times.
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      const parentTime = times[parent] ?? 0;
      if (parentTime <= timeNs) break;
      times[hole] = parentTime;
      sequences[hole] = sequences[parent] ?? 0;
      slots[hole] = slots[parent] ?? 0;
      hole = parent;
    }
    times[hole] = timeNs;
    sequences[hole] = sequence;
    slots[hole] = slot;
  }

  #pop(): void {
    const times = this.#heapTime;
    const sequences = this.#heapSequence;
    const slots = this.#heapSlot;
    this.#heapSize -= 1;
    const size = this.#heapSize;
    if (size === 0) return;
    const lastTime = times[size] ?? 0;
    const lastSequence = sequences[size] ?? 0;
    let hole = 0;
    for (;;) {
      const first = (hole << 2) + 1;
      if (first >= size) break;
      let least = first;
      let leastTime = times[first] ?? 0;
      let leastSequence = sequences[first] ?? 0;
      const end = first + 4 < size ? first + 4 : size;
      for (let child = first + 1; child < end; child += 1) {
        const time = times[child] ?? 0;
        if (time < leastTime || (time === leastTime && (sequences[child] ?? 0) < leastSequence)) {
          least = child;
          leastTime = time;
          leastSequence = sequences[child] ?? 0;
        }
      }
      if (lastTime < leastTime || (lastTime === leastTime && lastSequence < leastSequence)) break;
      times[hole] = leastTime;
      sequences[hole] = leastSequence;
      slots[hole] = slots[least] ?? 0;
      hole = least;
    }
    times[hole] = lastTime;
    sequences[hole] = lastSequence;
    slots[hole] = slots[size] ?? 0;
  }

  #grow(): void {
    const old = this.#slotHandler.length;
    if (old * 2 > MAX_SLOTS) throw new Error(`more than ${MAX_SLOTS} events pending`);
    const capacity = old * 2;
    const wider = <T extends Int32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#slotHandler = wider(this.#slotHandler, new Int32Array(capacity).fill(FREE));
    this.#slotGeneration = wider(this.#slotGeneration, new Int32Array(capacity));
    this.#slotA = wider(this.#slotA, new Float64Array(capacity));
    this.#slotB = wider(this.#slotB, new Float64Array(capacity));
    this.#heapTime = wider(this.#heapTime, new Float64Array(capacity));
    this.#heapSequence = wider(this.#heapSequence, new Float64Array(capacity));
    this.#heapSlot = wider(this.#heapSlot, new Int32Array(capacity));
    const ring = new Int32Array(capacity);
    for (let index = 0; index < this.#ringCount; index += 1) {
      ring[index] = this.#ring[(this.#ringHead + index) & (old - 1)] ?? 0;
    }
    this.#ring = ring;
    this.#ringHead = 0;
    this.#freeSlots = new Int32Array(capacity);
    for (let index = 0; index < capacity - old; index += 1) this.#freeSlots[index] = capacity - 1 - index;
    this.#freeCount = capacity - old;
  }
}
