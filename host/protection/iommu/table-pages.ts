import { type HostPhysicalAddress, PAGE_BYTES } from '../../../nic/addresses.js';
import type { Hypervisor } from '../../hypervisor/hypervisor.js';
import type { PageAllocator } from '../../iommu/entry-format.js';

/** Pages for translation tables: the hypervisor's own, kept for the next table when one is given back. */
export class TablePages implements PageAllocator {
  readonly #hypervisor: Hypervisor;
  readonly #free: HostPhysicalAddress[] = [];
  #used = 0;

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor;
  }

  /** Pages in use. */
  get used(): number {
    return this.#used;
  }

  allocate(): HostPhysicalAddress {
    this.#used += 1;
    return this.#free.pop() ?? this.#hypervisor.allocateOwn('io-table', PAGE_BYTES);
  }

  release(address: HostPhysicalAddress): void {
    this.#used -= 1;
    this.#free.push(address);
  }
}
