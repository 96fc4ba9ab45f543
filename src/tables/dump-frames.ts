import type { TableMemory } from '../../host/iommu/table-walker.js';
import { hex } from './address.js';

/** The frames of physical memory that a dump holds. What is not in it reads as an error, never as zeroes. */
export class DumpFrames implements TableMemory {
  readonly #frames = new Map<number, DataView>();

  get count(): number {
    return this.#frames.size;
  }

  /** Adds a frame of 4096 bytes; false if the dump has it already. */
  add(page: number, bytes: Uint8Array): boolean {
    if (this.#frames.has(page)) return false;
    this.#frames.set(page, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return true;
  }

  /** The frame at a 4 KB aligned address, or undefined if the dump lacks it. */
  frameAt(address: number): DataView | undefined {
    return this.#frames.get(address / 4096);
  }

  readonly has = (address: number): boolean => this.#frames.has(Math.floor(address / 4096));

  readU32(address: number): number {
    const frame = this.#frames.get(Math.floor(address / 4096));
    if (frame === undefined) throw new RangeError(`no frame at ${hex(address)}`);
    return frame.getUint32(address % 4096, true);
  }

  writeU32(): never {
    throw new Error('a dump cannot be written to');
  }
}
