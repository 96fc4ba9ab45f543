import type { GuestPort, PortQueue } from '../host/protection/guest-port.js';
import { ParameterError } from '../scheduler/errors.js';

/** A driver begins to use a port. @throws ParameterError when another one has not closed yet. */
export function takePort(port: GuestPort, user: string): void {
  if (port.user !== undefined) {
    throw new ParameterError(
      `port of context ${port.context} is used by the driver of ${port.user}, expected one that is not used by another: ` +
        `the driver of ${user} is its second user`,
    );
  }
  port.user = user;
}

/** A driver has closed: another one may use the port. */
export function leavePort(port: GuestPort): void {
  port.user = undefined;
}

/**
 * Watches that a driver is the only user of a queue: the producer index is where the driver left it. A buffer that another
 * one posts shifts every slot that the driver believes to be its own.
 */
export class SoleUser {
  readonly #queue: PortQueue;
  readonly #what: string;
  #producer: number | undefined;

  /** @param what the queue, as messages name it. */
  constructor(queue: PortQueue, what: string) {
    this.#queue = queue;
    this.#what = what;
    this.#producer = queue.producer;
  }

  /** The driver itself has posted. */
  posted(): void {
    if (this.#producer !== undefined) this.#producer = this.#queue.producer;
  }

  /** The driver leaves the queue to another user. */
  leave(): void {
    this.#producer = undefined;
  }

  /** @throws ParameterError when another user has posted. */
  check(): void {
    if (this.#producer === undefined || this.#producer === this.#queue.producer) return;
    throw new ParameterError(
      `${this.#what}: the producer index is ${this.#queue.producer}, expected ${this.#producer} as the driver left it: ` +
        'a second user has posted to the port, which has one (close its driver first)',
    );
  }
}
