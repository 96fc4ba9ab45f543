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

  /** Pages that were given back, and are taken before any of the machine's. */
  get spare(): number {
    return this.#free.length;
  }

  /** @throws ParameterError when the machine has no page left. */
  allocate(): HostPhysicalAddress {
    const page = this.#free.pop() ?? this.#hypervisor.allocateOwn('io-table', PAGE_BYTES);
    this.#used += 1;
    return page;
  }

  release(address: HostPhysicalAddress): void {
    this.#used -= 1;
    this.#free.push(address);
  }
}
