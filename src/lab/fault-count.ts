import type { Subscription } from 'rxjs';
import type { Host } from '../../host/host.js';
import type { FaultReason } from '../../nic/counters.js';

/** Why the card stops a context when a gate has denied it an access: the fault is that access, which has been counted. */
const AFTER_DENIAL: readonly string[] = [
  'descriptor-fetch-abort',
  'payload-abort',
  'write-back-abort',
] satisfies readonly FaultReason[];

/**
 * Counts what went wrong in a machine, each thing once: a request that the set-up gate refused, an access that the access
 * gate denied, a context that the card or the IOMMU's driver stopped. A context that is stopped because its access was
 * denied is no second fault.
 */
export class FaultCount {
  readonly #host: Host;
  readonly #subscription: Subscription;
  #afterDenial = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#subscription = host.hypervisor.faults$.subscribe(({ caughtBy, reason }) => {
      if (caughtBy === 'nic' && AFTER_DENIAL.includes(reason)) this.#afterDenial += 1;
    });
  }

  get count(): number {
    const { hypervisor, bus } = this.#host;
    return hypervisor.faultCount + bus.denied - this.#afterDenial;
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}
