import type { IoPageNumber, PageNumber } from '../../../../nic/addresses.js';
import type { GuestSpace } from '../guest-space.js';
import type { Reported } from '../iommu-driver.js';
import { IOVA_ERAS } from '../iova-eras.js';
import { type IovaOptions, RangePerBuffer } from './range-per-buffer.js';

/** Kernels whose strict mode differs: 6.1 drops walk caches at each unmap, 6.12 does not. */
export const LINUX_KERNELS = ['6.1', '6.12'] as const;
export type LinuxKernel = (typeof LINUX_KERNELS)[number];

export interface SingleUseOptions extends IovaOptions {
  /** The kernel whose strict mode it is. */
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
export class SingleUse extends RangePerBuffer implements Reported {
  readonly #leafOnly: boolean;
  #leaving = 0;

  constructor(space: GuestSpace, { linuxKernel, iovaAllocator }: SingleUseOptions) {
    super(space, IOVA_ERAS[iovaAllocator].strict);
    this.#leafOnly = linuxKernel === '6.12';
  }

  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.space;
    space.clear(first, pages);
    this.#leaving += 1;
    space.invalidate(first, pages, this.#leafOnly, this, firstPage);
  }

  /** No cache knows the range any more. */
  reported(first: IoPageNumber, pages: number, page: PageNumber): void {
    this.#leaving -= 1;
    this.space.unpin(page, pages);
    this.space.address.iovas.free(first, pages);
  }

  settle(): void {
    this.space.driver.waitCharged();
  }

  counters(): Readonly<Record<string, number>> {
    return { invalidationsUnderWay: this.#leaving };
  }
}
