import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';
import { ObserverError } from './errors.js';
import type { EventKernel } from './event-kernel.js';

type Next<T> = (value: T) => void;

/**
 * The Observable that a component offers. It differs from RxJS's own in how it treats an observer that throws:
 * RxJS reports the error from a timer of the host, long after the run. Here the running event ends, and
 * then `run` throws an ObserverError with the name of the stream. Streams derived by `pipe` do the same.
 */
export class GuardedStream<T> extends Observable<T> {
  readonly #name: string;
  readonly #kernel: EventKernel;

  /** @param name its name in errors, e.g. `nic.frames$`. */
  constructor(
    name: string,
    kernel: EventKernel,
    subscribe?: (this: Observable<T>, subscriber: Subscriber<T>) => (() => void) | undefined,
  ) {
    super(subscribe);
    this.#name = name;
    this.#kernel = kernel;
  }

  /** How RxJS's operators derive a stream from this one. */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const derived = new GuardedStream<R>(this.#name, this.#kernel);
    derived.source = this;
    derived.operator = operator;
    return derived;
  }

  override subscribe(observerOrNext?: Partial<Observer<T>> | Next<T>): Subscription;
  override subscribe(
    next?: Next<T> | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription;
  override subscribe(
    observerOrNext?: Partial<Observer<T>> | Next<T> | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // The subscriber of an operator, or one of ours: it forwards errors by itself.
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const observer =
      typeof observerOrNext === 'function' || !observerOrNext
        ? withoutAbsent(observerOrNext, error, complete)
        : observerOrNext;
    return super.subscribe(new GuardedObserver(this.#name, this.#kernel, observer));
  }
}

/** Forwards to an observer of the user, and fails the run when it throws. */
class GuardedObserver<T> extends Subscriber<T> {
  readonly #name: string;
  readonly #kernel: EventKernel;
  readonly #observer: Partial<Observer<T>>;

  constructor(name: string, kernel: EventKernel, observer: Partial<Observer<T>>) {
    super();
    this.#name = name;
    this.#kernel = kernel;
    this.#observer = observer;
  }

  override next(value: T): void {
    if (this.isStopped) return;
    try {
      this.#observer.next?.(value);
    } catch (error) {
      this.#fail(error);
    }
  }

  protected override _error(error: unknown): void {
    try {
      if (this.#observer.error === undefined) this.#fail(error);
      else this.#observer.error(error);
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.unsubscribe();
    }
  }

  protected override _complete(): void {
    try {
      this.#observer.complete?.();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.unsubscribe();
    }
  }

  #fail(error: unknown): void {
    this.#kernel.fail(new ObserverError(this.#name, this.#kernel.nowNs, error));
  }
}

function withoutAbsent<T>(
  next: Next<T> | null | undefined,
  error: ((error: unknown) => void) | null | undefined,
  complete: (() => void) | null | undefined,
): Partial<Observer<T>> {
  return { ...(next && { next }), ...(error && { error }), ...(complete && { complete }) };
}
