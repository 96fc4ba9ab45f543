import type { PageAllocator } from '../../../../host/iommu/entry-format.js';
import type { TableMemory } from '../../../../host/iommu/table-walker.js';
import { type HostPhysicalAddress, hostPhysicalAddress } from '../../../../nic/addresses.js';

/** Memory of 4 KB pages that exist once they are written. Reading elsewhere throws: a walker must have asked first. */
export class SparseMemory implements TableMemory {
  readonly pages = new Map<number, DataView>();
  reads = 0;

  readonly reachable = (address: number): boolean => this.pages.has(Math.floor(address / 4096));

  readU32(address: number): number {
    this.reads += 1;
    return this.#page(address).getUint32(address % 4096, true);
  }

  writeU32(address: number, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new Error(`word ${value}`);
    this.add(address);
    this.#page(address).setUint32(address % 4096, value, true);
  }

  fill(address: number, length: number, value: number): void {
    for (let at = address; at < address + length; ) {
      const within = at % 4096;
      const piece = Math.min(4096 - within, address + length - at);
      this.add(at);
      const { buffer, byteOffset } = this.#page(at);
      new Uint8Array(buffer, byteOffset + within, piece).fill(value);
      at += piece;
    }
  }

  readU64(address: number): bigint {
    return this.#page(address).getBigUint64(address % 4096, true);
  }

  writeU64(address: number, value: bigint): void {
    this.add(address);
    this.#page(address).setBigUint64(address % 4096, value, true);
  }

  /** Makes the page that holds `address` exist. */
  add(address: number): void {
    const page = Math.floor(address / 4096);
    if (!this.pages.has(page)) this.pages.set(page, new DataView(new ArrayBuffer(4096)));
  }

  #page(address: number): DataView {
    const view = this.pages.get(Math.floor(address / 4096));
    if (view === undefined) throw new Error(`no memory at 0x${address.toString(16)}`);
    return view;
  }
}

/** Pages from `first` upwards, lowest free one first; counts what is out. */
export class CountingPages implements PageAllocator {
  readonly out = new Set<number>();
  #next: number;
  #left: number;
  readonly #free: number[] = [];

  constructor(first = 0x10_0000, limit = Number.POSITIVE_INFINITY) {
    this.#next = first;
    this.#left = limit;
  }

  allocate(): HostPhysicalAddress {
    if (this.#left === 0) return hostPhysicalAddress(-1);
    this.#left -= 1;
    const address = this.#free.pop() ?? this.#next;
    if (address === this.#next) this.#next += 4096;
    this.out.add(address);
    return hostPhysicalAddress(address);
  }

  release(address: number): void {
    if (!this.out.delete(address)) throw new Error(`0x${address.toString(16)} was not out`);
    this.#left += 1;
    this.#free.push(address);
  }
}
