import { type IoPageNumber, ioPageNumber, PAGE_BYTES } from '../../../nic/addresses.js';
import { pageSize } from '../../iommu/page-arithmetic.js';
import { orderOf } from './page-order.js';

/** No range of I/O virtual addresses is left. */
export const NO_RANGE = ioPageNumber(-1);

/**
 * Gives out ranges of I/O virtual addresses to one guest, each by its first page. Sizes are rounded up to a power of two
 * and come back through a free list of their size, as Linux rounds the sizes that it caches (iommu_dma_alloc_iova). Ranges
 * start far above all physical addresses, so that none is mistaken for one.
 */
export class IovaAllocator {
  readonly #free: IoPageNumber[][] = [];
  /** In pages, as all that is given out. */
  #next: number;
  readonly #end: number;

  /** @param base first address; @param end first address beyond. Both multiples of 4,096. */
  constructor(base: number, end: number) {
    this.#next = base / PAGE_BYTES;
    this.#end = end / PAGE_BYTES;
  }

  /** The first page of a range of at least `pages`, aligned to its size; NO_RANGE, which is below 0, when there is none left. */
  allocate(pages: number): IoPageNumber {
    const order = orderOf(pages);
    const reused = this.#free[order]?.pop();
    if (reused !== undefined) return reused;
    const size = pageSize(order);
    const at = Math.ceil(this.#next / size) * size;
    if (at + size > this.#end) return NO_RANGE;
    this.#next = at + size;
    return ioPageNumber(at);
  }

  /** Takes a range of `pages` pages back. */
  free(first: IoPageNumber, pages: number): void {
    const order = orderOf(pages);
    let list = this.#free[order];
    if (list === undefined) {
      list = [];
      this.#free[order] = list;
    }
    list.push(first);
  }
}
