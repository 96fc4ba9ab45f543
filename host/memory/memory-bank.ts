/**
 * RAM that lies somewhere else than in the machine's own backing: in a real guest's memory file, in an ArrayBuffer that
 * something else shares. Offsets count from its beginning. Both methods are only ever called for bytes within it.
 */
export interface MemoryBank {
  /** Size, bytes: a multiple of a page. */
  readonly bytes: number;
  /** Copies `length` bytes at `offset` to `target` from `targetOffset` on. */
  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void;
  /** Copies `length` bytes of `source` from `sourceOffset` on to `offset`. */
  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void;
}

/** A bank in an array of bytes, which may be a view of a buffer that others see too. */
export class ArrayBank implements MemoryBank {
  readonly #array: Uint8Array;

  constructor(array: Uint8Array) {
    this.#array = array;
  }

  get bytes(): number {
    return this.#array.length;
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    target.set(this.#array.subarray(offset, offset + length), targetOffset);
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#array.set(source.subarray(sourceOffset, sourceOffset + length), offset);
  }
}
