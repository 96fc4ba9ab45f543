import type { SchedulerAction, Subscription } from 'rxjs';
import { Subscription as RxSubscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { ParameterError } from './errors.js';
import type { EventKernel } from './event-kernel.js';
import { KernelScheduler } from './virtual-time.js';

type Hot<T> = ReturnType<typeof TestScheduler.prototype.createHotObservable<T>>;
type Cold<T> = ReturnType<typeof TestScheduler.prototype.createColdObservable<T>>;
type ValuesOf<T> = { [marble: string]: T };

const NS_PER_UNIT: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9 };

/**
 * Marble tests over virtual time: RxJS's TestScheduler with frames of one nanosecond of an event kernel. The marbles
 * and the components under test schedule events in one queue, ordered by (time, sequence).
 *
 * ```ts
 * new KernelTestScheduler(kernel, (actual, expected) => expect(actual).toEqual(expected)).run(
 *   ({ hot, expectObservable }) => {
 *     const grants$ = hot('a 500ns b').pipe(fairShare({ kernel, discipline, heads, linkReady$: hot('r') }));
 *     expectObservable(grants$).toBe('a 500ns b');
 *   },
 * );
 * ```
 *
 * What differs from RxJS's own:
 * - a character of a diagram is 1 ns, and `10ns`, `1.5us`, `3ms`, `2s` (followed by a space) are exact;
 * - frame 0 is the kernel's time at construction; the part of a hot diagram before its `^` lies before that and is
 *   not emitted;
 * - `flush`, and `run` at its end, run the kernel until nothing is pending, or to `untilNs`.
 */
export class KernelTestScheduler extends TestScheduler {
  readonly #kernel: EventKernel;
  readonly #rxjs: KernelScheduler;
  readonly #untilNs: number | undefined;

  /**
   * @param assertDeepEqual throws when the observed values differ from the marbles.
   * @param options `untilNs`: the kernel's time at which a flush stops, for machines that never come to rest.
   */
  constructor(
    kernel: EventKernel,
    assertDeepEqual: (actual: unknown, expected: unknown) => void,
    options: { readonly untilNs?: number } = {},
  ) {
    super(assertDeepEqual);
    this.#kernel = kernel;
    this.#rxjs = new KernelScheduler(kernel, 'marbles');
    this.#untilNs = options.untilNs;
    const startNs = kernel.nowNs;
    // A field of RxJS's, which its own flush would set: here it is the kernel's clock.
    Object.defineProperty(this, 'frame', { get: () => kernel.nowNs - startNs, set: () => {} });
  }

  override schedule<T>(
    work: (this: SchedulerAction<T>, state?: T) => void,
    delayNs = 0,
    state?: T,
  ): Subscription {
    return delayNs < 0 ? RxSubscription.EMPTY : this.#rxjs.schedule(work, delayNs, state);
  }

  override createTime(marbles: string): number {
    const end = marbles.trim();
    const lone = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m)\s*\|?$/u.exec(end);
    if (lone !== null) return nsOf(lone[1] ?? '', lone[2] ?? '');
    // RxJS counts the characters before the bar, so that `10ns` would be four of them.
    const messages = TestScheduler.parseMarbles(inFrames(end), undefined, undefined, false, true);
    return messages.find(({ notification }) => notification.kind === 'C')?.frame ?? super.createTime(marbles);
  }

  override createHotObservable<T = string>(marbles: string, values?: ValuesOf<T>, error?: unknown): Hot<T> {
    return super.createHotObservable(inFrames(marbles), values, error);
  }

  override createColdObservable<T = string>(marbles: string, values?: ValuesOf<T>, error?: unknown): Cold<T> {
    return super.createColdObservable(inFrames(marbles), values, error);
  }

  override expectObservable(
    ...[observable, subscriptionMarbles]: Parameters<TestScheduler['expectObservable']>
  ): ReturnType<TestScheduler['expectObservable']> {
    const expectation = super.expectObservable(
      observable,
      typeof subscriptionMarbles === 'string' ? inFrames(subscriptionMarbles) : null,
    );
    return {
      toBe: (marbles, values, error) => expectation.toBe(inFrames(marbles), values, error),
      toEqual: (other) => expectation.toEqual(other),
    };
  }

  override expectSubscriptions(
    ...[logs]: Parameters<TestScheduler['expectSubscriptions']>
  ): ReturnType<TestScheduler['expectSubscriptions']> {
    const expectation = super.expectSubscriptions(logs);
    return {
      toBe: (marbles) =>
        expectation.toBe(typeof marbles === 'string' ? inFrames(marbles) : marbles.map(inFrames)),
    };
  }

  override flush(): void {
    for (let hot = this.hotObservables.shift(); hot !== undefined; hot = this.hotObservables.shift())
      hot.setup();
    if (this.#untilNs === undefined) this.#kernel.drain();
    else this.#kernel.run(this.#untilNs);
    super.flush();
  }
}

/** Times as RxJS counts them: its `ms` is one frame, which is 1 ns here. */
function inFrames(marbles: string): string {
  return marbles.replaceAll(
    /(^| )(\d+(?:\.\d+)?)(ns|us|ms|s|m)(?= )/gu,
    (_all, before: string, amount: string, unit: string) => `${before}${nsOf(amount, unit)}ms`,
  );
}

function nsOf(amount: string, unit: string): number {
  const ns = Math.round(Number(amount) * (NS_PER_UNIT[unit] ?? 1) * 1e6) / 1e6;
  if (!Number.isSafeInteger(ns)) {
    throw new ParameterError(`marbles: ${amount}${unit} is ${ns} ns, expected a whole number of nanoseconds`);
  }
  return ns;
}
