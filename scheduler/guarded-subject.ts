import type { Observable, Subscriber } from 'rxjs';
import { ReentryError } from './errors.js';
import type { EventKernel } from './event-kernel.js';
import { GuardedStream } from './guarded-stream.js';

export { ReentryError } from './errors.js';

/**
 * Where a component offers what happens in it: an Observable that only its owner can feed.
 *
 * Unlike a Subject it refuses a `next` from inside one of its own observers, because later observers would
 * see the two values in the wrong order (RxJS keeps that as intended; see docs/virtual-time.md). The cause
 * of the next event belongs in the kernel's queue, at delay zero if need be. The refusal surfaces as an
 * exception from the kernel's `run`, with the name of the stream.
 *
 * An observer that throws does not disturb the others; the event that is running ends, and then the kernel's `run`
 * throws an ObserverError (see GuardedStream). Components that listen to each other use `listen`.
 *
 * It completes when the run ends (`EventKernel.end`), if it has not completed before.
 *
 * With no observers `next` is one comparison. Test `observed` before building a value that costs anything.
 */
export class GuardedSubject<T> {
  /** What others may subscribe to. Hot; an observer sees what happens from then on. */
  readonly stream$: Observable<T>;
  readonly name: string;
  readonly kernel: EventKernel;
  #subscribers: readonly Subscriber<T>[] = [];
  #emitting = false;
  #completed = false;

  /** @param name what errors call it, e.g. `nic.frames$`. */
  constructor(name: string, kernel: EventKernel) {
    this.name = name;
    this.kernel = kernel;
    this.stream$ = new GuardedStream<T>(name, kernel, (subscriber) => {
      if (this.#completed) {
        subscriber.complete();
        return;
      }
      // A new list each time, so that one that leaves during an emission does not shift the others.
      this.#subscribers = [...this.#subscribers, subscriber];
      return () => {
        this.#subscribers = this.#subscribers.filter((other) => other !== subscriber);
      };
    });
    kernel.onEnd(() => this.complete());
  }

  /** Whether there is an observer. */
  get observed(): boolean {
    return this.#subscribers.length > 0;
  }

  /** Tells every observer. @throws ReentryError (from the kernel's `run`) when called from one of them. */
  next(value: T): void {
    const subscribers = this.#subscribers;
    if (subscribers.length === 0) return;
    if (this.#emitting) {
      const error = new ReentryError(
        `${this.name}: next() from inside its own observer at ${this.kernel.nowNs} ns; ` +
          'schedule the effect on the kernel instead',
      );
      this.kernel.fail(error);
      return;
    }
    this.#emitting = true;
    try {
      for (let index = 0; index < subscribers.length; index += 1) subscribers[index]?.next(value);
    } finally {
      this.#emitting = false;
    }
  }

  /** Ends the stream, for its observers and for those that come later. */
  complete(): void {
    if (this.#completed) return;
    this.#completed = true;
    for (const subscriber of this.#subscribers) subscriber.complete();
  }
}
