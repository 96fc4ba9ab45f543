import type { TableMemory } from '../../host/iommu/table-walker.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { hex } from './address.js';

/** The pages of physical memory that a dump holds. What is not in it reads as an error, never as zeroes. */
export class DumpPages implements TableMemory {
  readonly #pages = new Map<number, DataView>();

  get count(): number {
    return this.#pages.size;
  }

  /** Adds a page of 4096 bytes; false if the dump has it already. */
  add(page: number, bytes: Uint8Array): boolean {
    if (this.#pages.has(page)) return false;
    this.#pages.set(page, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return true;
  }

  /** The page at a 4 KB aligned address, or undefined if the dump lacks it. */
  pageAt(address: number): DataView | undefined {
    return this.#pages.get(address / 4096);
  }

  readonly has = (address: number): boolean => this.#pages.has(Math.floor(address / 4096));

  readU32(address: number): number {
    const page = this.#pages.get(Math.floor(address / 4096));
    if (page === undefined) throw new RangeError(`no page at ${hex(address)}`);
    return page.getUint32(address % 4096, true);
  }

  fill(): never {
    return this.writeU32();
  }

  writeU32(): never {
    throw new InvariantViolation('a dump cannot be written to');
  }
}
