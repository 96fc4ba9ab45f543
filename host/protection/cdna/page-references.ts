import type { PageNumber } from '../../../nic/addresses.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';

/** Keeps the pages of a validated descriptor in place while the device may use them. */
export interface PageReferences {
  /** One more descriptor uses the page. */
  take(page: PageNumber): void;
  /** One less. */
  drop(page: PageNumber): void;
  /** A series of `take` or `drop` has ended. */
  settle(): void;
}

/** CDNA's own: the page's reference count, which Xen looks at before it gives a page away. */
export class PinnedPages implements PageReferences {
  readonly #parts: HostParts;
  readonly #payer: number;
  #taken = 0;
  #dropped = 0;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#payer = parts.hypervisor.account;
  }

  take(page: PageNumber): void {
    this.#taken += 1;
    this.#parts.pages.pin(page);
  }

  drop(page: PageNumber): void {
    this.#dropped += 1;
    this.#parts.pages.unpin(page);
  }

  /** Charges the pages of the series together: one look-up of a price for many. */
  settle(): void {
    const { processor } = this.#parts;
    if (this.#taken > 0) processor.chargeAccount(this.#payer, COST.pinPage, this.#taken);
    if (this.#dropped > 0) processor.chargeAccount(this.#payer, COST.unpinPage, this.#dropped);
    this.#taken = 0;
    this.#dropped = 0;
  }
}
