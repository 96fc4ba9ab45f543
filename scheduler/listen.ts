import { type Observable, Subscriber, type Subscription } from 'rxjs';
import type { EventKernel } from './event-kernel.js';

/**
 * Subscribes one component to another. What `next` throws is a defect and is thrown unchanged by the kernel's
 * `run` when the event has ended; so is an error of the stream. With a plain `subscribe` RxJS
 * would throw it from a timer of the host, after the run, where no caller can catch it.
 */
export function listen<T>(
  stream$: Observable<T>,
  kernel: EventKernel,
  next: (value: T) => void,
): Subscription {
  return stream$.subscribe(new Listener(kernel, next));
}

/**
 * The subscriber itself is the listener: a plain observer costs three more calls of RxJS per frame of a source.
 */
class Listener<T> extends Subscriber<T> {
  readonly #kernel: EventKernel;
  readonly #next: (value: T) => void;

  constructor(kernel: EventKernel, next: (value: T) => void) {
    super();
    this.#kernel = kernel;
    this.#next = next;
  }

  override next(value: T): void {
    if (this.closed) return;
    try {
      this.#next(value);
    } catch (error) {
      this.#kernel.fail(error);
    }
  }

  override error(error: unknown): void {
    if (this.closed) return;
    this.unsubscribe();
    this.#kernel.fail(error);
  }
}
