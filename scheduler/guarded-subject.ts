import type { Observable, Subscriber } from 'rxjs';
import { ReentryError } from './errors.js';
import type { EventKernel } from './event-kernel.js';
import { GuardedStream } from './guarded-stream.js';

export { ReentryError } from './errors.js';

/**
 * The source of a component's stream: an Observable that only its owner can feed.
 *
 * Unlike a Subject it refuses a `next` from inside one of its own observers, because later observers would
 * see the two values in the wrong order (RxJS does so by design; see docs/virtual-time.md). The cause
 * of the next event belongs in the kernel's queue, at delay zero if need be. The refusal surfaces as an
 * exception from the kernel's `run`, with the name of the stream.
 *
 * An observer that throws does not affect the others; the running event ends, and then the kernel's `run`
 * throws an ObserverError (see GuardedStream). Components that listen to each other use `listen`.
 *
 * It completes when the run ends (`EventKernel.end`), if it has not completed before.
 *
 * With no observers `next` is one comparison. Test `observed` before building a value that costs anything.
 */
export class GuardedSubject<T> {
  /** The stream for subscribers. Hot: an observer sees what happens after it subscribes. */
  readonly stream$: Observable<T>;
  readonly name: string;
  readonly kernel: EventKernel;
  #subscribers: readonly Subscriber<T>[] = [];
  #emitting = false;
  #completed = false;

  /** @param name its name in errors, e.g. `nic.frames$`. */
  constructor(name: string, kernel: EventKernel) {
    this.name = name;
    this.kernel = kernel;
    this.stream$ = new GuardedStream<T>(name, kernel, (subscriber) => {
      if (this.#completed) {
        subscriber.complete();
        return;
      }
      // A new list each time, so that an observer that unsubscribes during an emission does not shift the others.
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

  /** Delivers to every observer. @throws ReentryError (from the kernel's `run`) when called from one of them. */
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

  /** Completes the stream, for current and later observers. */
  complete(): void {
    if (this.#completed) return;
    this.#completed = true;
    for (const subscriber of this.#subscribers) subscriber.complete();
  }
}
