import type { IoPageNumber, PageNumber } from '../../../../nic/addresses.js';
import type { CostNumber } from '../../../cpu/costs.js';
import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import type { IovaEraName } from '../iova-eras.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

/** Options of strategies that find an address for each buffer. */
export interface IovaOptions {
  /** How the kernel finds addresses, which decides what one costs. */
  readonly iovaAllocator: IovaEraName;
}

/**
 * Strategies that give each buffer its own range of addresses for the time of its transfer. They differ in what
 * `retire` does about the caches of the unit: Linux's strict and lazy modes.
 */
export abstract class RangePerBuffer implements MappingStrategy, Placement, Teardown {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly addressCost: CostNumber;
  protected readonly space: GuestSpace;
  #port: ContextPort | undefined;

  constructor(space: GuestSpace, addressCost: CostNumber) {
    this.space = space;
    this.addressCost = addressCost;
    this.transmit = new PerTransferGate(space, this, this);
    this.receive = new PerTransferGate(space, this, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  place(pages: number): IoPageNumber {
    return this.space.takeAddresses(pages);
  }

  abstract retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void;

  abstract settle(): void;

  abandon(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.space;
    space.clear(first, pages);
    space.whenGone(() => {
      space.unpin(firstPage, pages);
      space.address.iovas.free(first, pages);
    });
  }

  closed(): void {
    if (this.#port === undefined) return;
    this.transmit.close(this.#port.transmit);
    this.receive.close(this.#port.receive);
    this.dropWaiting();
  }

  relinquish(page: PageNumber): boolean {
    return this.space.parts.pages.count(page) === 0;
  }

  abstract counters(): Readonly<Record<string, number>>;

  /** The port is closed: ranges that wait for an invalidation are released when the space has gone. */
  protected dropWaiting(): void {}
}
