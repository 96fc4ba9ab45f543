import type { WirePort, WireTimes } from '../../nic/host-port.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { GuestRun } from '../machine/guest-run.js';

/** A guest's frame has left: from its driver's store to its last bit on the wire, ns, and its length. */
export type OnSent = (guest: GuestRun, waitNs: number, lengthBytes: number) => void;

/** Observes every frame that leaves, and reports its guest and how long it took. */
export class WireWaits implements WirePort {
  readonly #guestOf: GuestRun[] = [];
  readonly #onSent: OnSent;

  constructor(onSent: OnSent) {
    this.#onSent = onSent;
  }

  /** Frames of others are not reported. */
  attach(guests: readonly GuestRun[]): void {
    for (const guest of guests) this.#guestOf[guest.port.context] = guest;
  }

  transmitted(
    _bytes: Uint8Array,
    _offset: number,
    length: number,
    context: ContextId,
    index: number,
    { endNs }: WireTimes,
  ): void {
    const guest = this.#guestOf[context];
    if (guest !== undefined) this.#onSent(guest, endNs - guest.driver.createdNs(index), length);
  }
}
