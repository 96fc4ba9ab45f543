import type { Domain } from '../host/hypervisor/domain.js';
import type { GuestPort, PortQueue } from '../host/protection/guest-port.js';
import type { Direction } from '../nic/context.js';
import { ParameterError } from '../scheduler/errors.js';

/** Names of the domains whose drivers use ports. A port has one user. */
const USERS = new WeakMap<GuestPort, string>();

/** A driver begins to use a port. @throws ParameterError when another one has not closed yet. */
export function takePort(port: GuestPort, user: string): void {
  const current = USERS.get(port);
  if (current !== undefined) {
    throw new ParameterError(
      `port of context ${port.context} is used by the driver of ${current}, expected one that is not used by another: ` +
        `the driver of ${user} is its second user`,
    );
  }
  USERS.set(port, user);
}

/** A driver has closed: another one may use the port. */
export function leavePort(port: GuestPort): void {
  USERS.delete(port);
}

/**
 * Watches that a driver is the only user of a queue: the producer index is where the driver left it. A buffer that another
 * one posts shifts every slot that the driver believes to be its own.
 */
export class SoleUser {
  readonly #queue: PortQueue;
  readonly #direction: Direction;
  readonly #domain: Domain;
  #producer: number | undefined;

  /** @param direction of the queue, and `domain` whose port it is of, as messages name them. */
  constructor(queue: PortQueue, direction: Direction, domain: Domain) {
    this.#queue = queue;
    this.#direction = direction;
    this.#domain = domain;
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
      `port.${this.#direction} of ${this.#domain.name}: the producer index is ${this.#queue.producer}, expected ${this.#producer} as the driver left it: ` +
        'a second user has posted to the port, which has one (close its driver first)',
    );
  }
}
