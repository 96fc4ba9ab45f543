import { pageSize } from '../../iommu/page-arithmetic.js';
import { PAGE_BYTES } from '../../memory/physical-memory.js';
import { orderOf } from './page-order.js';

/**
 * Gives out ranges of I/O virtual addresses to one guest. Sizes are rounded up to a power of two and come back
 * through a free list of their size, as Linux rounds the sizes that it caches (iommu_dma_alloc_iova). Ranges
 * start far above all physical addresses, so that none is mistaken for one.
 */
export class IovaAllocator {
  readonly #free: number[][] = [];
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

  /** A range of at least `pages` pages, aligned to its size; -1 when there is none left. */
  allocate(pages: number): number {
    const order = orderOf(pages);
    const reused = this.#free[order]?.pop();
    if (reused !== undefined) {
      this.#live += 1;
      return reused;
    }
    const bytes = pageSize(order) * PAGE_BYTES;
    const at = Math.ceil(this.#next / bytes) * bytes;
    if (at + bytes > this.#end) return -1;
    this.#next = at + bytes;
    this.#live += 1;
    return at;
  }

  /** Takes a range of `pages` pages back. */
  free(iova: number, pages: number): void {
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
