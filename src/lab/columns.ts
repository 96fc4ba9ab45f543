import type { Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import { HYPERVISOR } from '../../host/hypervisor/hypervisor.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';

/** A guest of any machine that is shown: the lab's own, or one of the attack bench. */
export interface ShownGuest {
  readonly domain: Domain;
  readonly port: GuestPort;
}

/** Guests that have a port now: real ones come and go. */
export type GuestList = () => readonly ShownGuest[];

/**
 * Columns of the picture: a domain each, in the hypervisor's order, so the hypervisor is column 0. What happens is told
 * by the column that it belongs to; the card's own transfers belong to the hypervisor.
 */
export class Columns {
  readonly #host: Host;
  readonly #guests: GuestList;

  constructor(host: Host, guests: GuestList) {
    this.#host = host;
    this.#guests = guests;
  }

  /** Column of a context of the card; that of the hypervisor for a context that belongs to no domain. */
  ofContext(context: ContextId): number {
    return (
      this.#host.hypervisor.domainOf(context)?.id ??
      this.#guests().find(({ port }) => port.context === context)?.domain.id ??
      HYPERVISOR
    );
  }

  /** Column of a requester on the bus. */
  ofRequester(requesterId: number): number {
    const context = this.contextOf(requesterId);
    return context === NO_CONTEXT ? HYPERVISOR : this.ofContext(context);
  }

  /** Context of a requester, or NO_CONTEXT for the card itself. */
  contextOf(requesterId: number): ContextId {
    const index = requesterId - this.#host.nic.parameters.requesterBase;
    return this.#host.nic.contexts[index]?.index ?? NO_CONTEXT;
  }
}
