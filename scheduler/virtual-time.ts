import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';
import { InvariantViolation } from './errors.js';
import { type EventHandle, type EventKernel, type HandlerId, KernelTimeError } from './event-kernel.js';

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/**
 * RxJS on the kernel's clock: give it to `timer`, `interval`, `delay`, `debounceTime`, `bufferTime`,
 * `observeOn` or `timeout`, and their times are virtual nanoseconds.
 *
 * What differs from RxJS's own VirtualTimeScheduler, and why:
 * - its actions are events of the kernel like all others, so a `timer(500)` and a DMA that ends 500 ns from
 *   now run in the order in which they were scheduled;
 * - an action that throws is unsubscribed and its error is thrown by the kernel's `run`; everything else
 *   that is queued stays queued;
 * - a delay that is negative, NaN or infinite is refused: the first would turn the clock back, and no action
 *   can wait for the other two (a stream that never fires is `NEVER`);
 * - an action that schedules itself again is reused; nothing is allocated for it.
 *
 * A fraction of a nanosecond is rounded up, so a timer may be late by less than one but is never early. An
 * operator that reads the clock when it is called, as debounceTime does, would otherwise find that it is early
 * and schedule itself for the same instant, for ever.
 */
export class KernelScheduler implements SchedulerLike {
  readonly #queue: ActionQueue;
  readonly #kernel: EventKernel;

  /** @param component the name that errors carry, e.g. `guest3.traffic`. */
  constructor(kernel: EventKernel, component = 'rxjs') {
    this.#kernel = kernel;
    this.#queue = new ActionQueue(kernel, component);
  }

  /** Virtual time, ns. */
  now(): number {
    return this.#kernel.nowNs;
  }

  /** Number of pending actions. */
  get pending(): number {
    return this.#queue.pending;
  }

  /**
   * Runs `work` with `state` after `delayNs`. Inside it, `this.schedule(state, delayNs)` runs it once more.
   * @returns a subscription that cancels the action, in the kernel's queue as well.
   * @throws KernelTimeError for a delay that is negative or not finite.
   */
  schedule<T>(work: Work<T>, delayNs = 0, state?: T): Subscription {
    return new KernelAction<T>(this.#queue, work).schedule(state, delayNs);
  }

  checkInvariants(): void {
    this.#queue.checkInvariants();
  }
}

/** An action as the queue sees it. */
interface Waiting {
  /** Index in the queue's table, or -1 while the action does not wait. */
  line: number;
  event: EventHandle;
  readonly closed: boolean;
  execute(): void;
}

/** One piece of work and its place in virtual time. RxJS hands it to the work as `this`. */
class KernelAction<T> extends Subscription implements SchedulerAction<T>, Waiting {
  readonly #queue: ActionQueue;
  #work: Work<T> | undefined;
  #state: T | undefined;
  line = -1;
  event: EventHandle = 0;

  constructor(queue: ActionQueue, work: Work<T>) {
    super();
    this.#queue = queue;
    this.#work = work;
  }

  /** Waits for `delayNs` from now. An action waits at most once: a wait that has not ended yet is replaced. */
  schedule(state?: T, delayNs = 0): Subscription {
    if (this.closed) return this;
    this.#queue.enqueue(this, delayNs);
    this.#state = state;
    return this;
  }

  /** It is due. The queue has removed it from the table, so it may schedule itself again. */
  execute(): void {
    try {
      this.#work?.(this.#state);
    } catch (error) {
      this.unsubscribe();
      throw error;
    }
  }

  override unsubscribe(): void {
    if (this.closed) return;
    this.#queue.remove(this);
    this.#work = undefined;
    this.#state = undefined;
    super.unsubscribe();
  }
}

/** The pending actions. A kernel event carries numbers: the line of this table that is due. */
class ActionQueue {
  readonly #kernel: EventKernel;
  readonly #component: string;
  readonly #due: HandlerId;
  readonly #lines: (Waiting | undefined)[] = [];
  readonly #freeLines: number[] = [];

  constructor(kernel: EventKernel, component: string) {
    this.#kernel = kernel;
    this.#component = component;
    this.#due = kernel.register(component, (line) => this.#onDue(line));
  }

  get pending(): number {
    return this.#lines.length - this.#freeLines.length;
  }

  enqueue(action: Waiting, delayNs: number): void {
    if (!(delayNs >= 0 && delayNs < Number.POSITIVE_INFINITY)) {
      throw new KernelTimeError(
        `${this.#component}: RxJS asked for a delay of ${delayNs} ns at ${this.#kernel.nowNs} ns, ` +
          'expected a finite number >= 0',
      );
    }
    const line = action.line >= 0 ? action.line : (this.#freeLines.at(-1) ?? this.#lines.length);
    // The kernel may still refuse (past the end of its time), so nothing is changed before this call.
    const event = this.#kernel.schedule(Math.ceil(delayNs), this.#due, line);
    if (action.line >= 0) {
      this.#kernel.cancel(action.event);
    } else {
      this.#freeLines.pop();
      this.#lines[line] = action;
      action.line = line;
    }
    action.event = event;
  }

  remove(action: Waiting): void {
    if (action.line < 0) return;
    this.#kernel.cancel(action.event);
    this.#release(action);
  }

  checkInvariants(): void {
    let waiting = 0;
    for (const [line, action] of this.#lines.entries()) {
      if (action === undefined) continue;
      waiting += 1;
      if (action.closed)
        throw new InvariantViolation(`${this.#component}: the action on line ${line} is closed`);
      if (action.line !== line)
        throw new InvariantViolation(`${this.#component}: the action on line ${line} is not there`);
    }
    if (waiting !== this.pending)
      throw new InvariantViolation(`${this.#component}: ${this.pending} actions counted, ${waiting} found`);
  }

  #onDue(line: number): void {
    const action = this.#lines[line];
    if (action === undefined)
      throw new InvariantViolation(`${this.#component}: line ${line} is due and empty`);
    this.#release(action);
    action.execute();
  }

  #release(action: Waiting): void {
    this.#lines[action.line] = undefined;
    this.#freeLines.push(action.line);
    action.line = -1;
  }
}
