import type { Observable, Subscription } from 'rxjs';
import type { EventKernel } from './event-kernel.js';

/**
 * How one room of the house listens to another. What `next` throws is a mistake of ours and leaves through the
 * kernel's `run` when the event has ended; so does an error of the stream. With a plain `subscribe` RxJS would
 * throw it from a timer of the host, after the run and with nobody to catch it.
 */
export function listen<T>(
  stream$: Observable<T>,
  kernel: EventKernel,
  next: (value: T) => void,
): Subscription {
  return stream$.subscribe({
    next: (value) => {
      try {
        next(value);
      } catch (error) {
        kernel.fail(error);
      }
    },
    error: (error: unknown) => kernel.fail(error),
  });
}
