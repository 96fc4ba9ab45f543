import type { IoVirtualAddress, PageNumber } from '../../../../nic/addresses.js';
import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import type { WhenReported } from '../iommu-driver.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

/** Kernels whose strict mode differs: 6.1 drops walk caches at each unmap, 6.12 does not. */
export const LINUX_KERNELS = ['6.1', '6.12'] as const;
export type LinuxKernel = (typeof LINUX_KERNELS)[number];

export interface SingleUseOptions {
  /** Whose strict mode. @defaultValue '6.1' */
  readonly linuxKernel: LinuxKernel;
}

/**
 * Single use: a mapping for each buffer, made when it is posted and taken away when it is done, with an
 * invalidation that is waited for, even if the page is mapped for something else already (Willmann et al., ATC 2008;
 * Linux's strict mode). The device reaches only what is in flight, at the highest cost.
 *
 * Linux 6.1 drops the walk caches with every strict unmap, whether a table page was freed or not; Linux 6.12 keeps
 * them unless one was (leaf only). Both were recorded (test/host/protection/iommu/linux-traces.test.ts).
 */
export class SingleUse implements MappingStrategy, Placement, Teardown {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly #space: GuestSpace;
  readonly #forgotten: WhenReported;
  readonly #leafOnly: boolean;
  #port: ContextPort | undefined;
  #leaving = 0;

  constructor(space: GuestSpace, { linuxKernel }: SingleUseOptions = { linuxKernel: '6.1' }) {
    this.#space = space;
    this.#leafOnly = linuxKernel === '6.12';
    this.#forgotten = (iova, pages, page) => {
      this.#leaving -= 1;
      space.unpin(page, pages);
      space.address.iovas.free(iova, pages);
    };
    this.transmit = new PerTransferGate(space, this, this);
    this.receive = new PerTransferGate(space, this, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  place(pages: number): IoVirtualAddress {
    return this.#space.address.iovas.allocate(pages);
  }

  retire(iova: IoVirtualAddress, pages: number, firstPage: PageNumber): void {
    const space = this.#space;
    space.clear(iova, pages);
    this.#leaving += 1;
    space.invalidate(iova, pages, this.#leafOnly, this.#forgotten, firstPage);
  }

  settle(): void {
    this.#space.driver.waitCharged();
  }

  abandon(iova: IoVirtualAddress, pages: number, firstPage: PageNumber): void {
    const space = this.#space;
    space.clear(iova, pages);
    space.whenGone(() => {
      space.unpin(firstPage, pages);
      space.address.iovas.free(iova, pages);
    });
  }

  closed(): void {
    if (this.#port === undefined) return;
    this.transmit.close(this.#port.transmit);
    this.receive.close(this.#port.receive);
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return { invalidationsUnderWay: this.#leaving };
  }
}
