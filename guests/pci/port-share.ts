import type { Hypervisor } from '../../host/hypervisor/hypervisor.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { Share } from '../../scheduler/discipline.js';

/** What a real guest has of the wire: kept while its ports come and go, and changed for the one that is open. */
export class PortShare {
  readonly #hypervisor: Hypervisor;
  readonly #port: () => GuestPort | undefined;
  #now: Share;

  /** @param port the port that is open now */
  constructor(hypervisor: Hypervisor, share: Share, port: () => GuestPort | undefined) {
    this.#hypervisor = hypervisor;
    this.#now = share;
    this.#port = port;
  }

  /** What the next port is opened with. */
  get now(): Share {
    return this.#now;
  }

  /** Another weight: for the port that is open, and for those that will be. */
  setWeight(weight: number): void {
    this.#now = { ...this.#now, weight };
    const port = this.#port();
    if (port !== undefined) this.#hypervisor.setWeight(port.context, weight);
  }

  /** Another upper limit, bits per second, or none; likewise. */
  setLimit(limitBps: number | undefined): void {
    const { limitBps: _before, ...rest } = this.#now;
    this.#now = limitBps === undefined ? rest : { ...rest, limitBps };
    const port = this.#port();
    if (port !== undefined) this.#hypervisor.setLimit(port.context, limitBps);
  }

  /** Another priority; likewise. */
  setPriority(priority: number): void {
    this.#now = { ...this.#now, priority };
    const port = this.#port();
    if (port !== undefined) this.#hypervisor.setPriority(port.context, priority);
  }
}
