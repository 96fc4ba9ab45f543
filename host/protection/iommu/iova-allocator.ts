import { type IoVirtualAddress, ioVirtualAddress, PAGE_BYTES } from '../../../nic/addresses.js';
import { pageSize } from '../../iommu/page-arithmetic.js';
import { orderOf } from './page-order.js';

/** No range of I/O virtual addresses is left. */
export const NO_RANGE = ioVirtualAddress(-1);

/**
 * Gives out ranges of I/O virtual addresses to one guest. Sizes are rounded up to a power of two and come back
 * through a free list of their size, as Linux rounds the sizes that it caches (iommu_dma_alloc_iova). Ranges
 * start far above all physical addresses, so that none is mistaken for one.
 */
export class IovaAllocator {
  readonly #free: IoVirtualAddress[][] = [];
  #next: number;
  readonly #end: number;
  #live = 0;

  /** @param base first address; @param end first address beyond. Both multiples of 4,096. */
  constructor(base: number, end: number) {
    this.#next = base;
    this.#end = end;
  }

  /** Ranges that are out. */
  get live(): number {
    return this.#live;
  }

  /** A range of at least `pages` pages, aligned to its size; NO_RANGE, which is below 0, when there is none left. */
  allocate(pages: number): IoVirtualAddress {
    const order = orderOf(pages);
    const reused = this.#free[order]?.pop();
    if (reused !== undefined) {
      this.#live += 1;
      return reused;
    }
    const bytes = pageSize(order) * PAGE_BYTES;
    const at = Math.ceil(this.#next / bytes) * bytes;
    if (at + bytes > this.#end) return NO_RANGE;
    this.#next = at + bytes;
    this.#live += 1;
    return ioVirtualAddress(at);
  }

  /** Takes a range of `pages` pages back. */
  free(iova: IoVirtualAddress, pages: number): void {
    const order = orderOf(pages);
    let list = this.#free[order];
    if (list === undefined) {
      list = [];
      this.#free[order] = list;
    }
    list.push(iova);
    this.#live -= 1;
  }
}
