import { COST, type CostNumber } from '../../cpu/costs.js';

/** A way in which kernels find I/O virtual addresses, and what it costs per buffer. */
export interface IovaEra {
  /** The cost (host/cpu/costs.ts, with source and certainty) where each unmap invalidates, and where that is deferred. */
  readonly strict: CostNumber;
  readonly deferred: CostNumber;
}

/**
 * How kernels find I/O virtual addresses, in the order of their eras. What an address from the red-black tree costs
 * depends on the order of frees, because its search begins where the last one ended and passes over what is taken.
 */
export const IOVA_ERAS = {
  /** Calgary in Linux 2.6 (iommu_range_alloc in pci-calgary.c). */
  bitmap: {
    strict: COST.iovaBitmap,
    deferred: COST.iovaBitmap,
  },
  /** Intel and AMD units in Linux until 4.6. */
  rbtree: {
    strict: COST.iovaTreeStrict,
    deferred: COST.iovaTreeDeferred,
  },
  /** Linux from 4.7 on: caches of ranges per size and CPU (iova_rcache). */
  rcache: {
    strict: COST.iovaAllocate,
    deferred: COST.iovaAllocate,
  },
} as const satisfies Record<string, IovaEra>;

export type IovaEraName = keyof typeof IOVA_ERAS;

/** Their names, oldest first. */
export const IOVA_ERA_NAMES = Object.keys(IOVA_ERAS) as IovaEraName[];
