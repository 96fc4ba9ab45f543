/** Bytes of a file, in memory or on disk. */
export interface ByteStore {
  readonly length: number;
  /** `length` bytes from `offset`, both within the store. The result is never written to again. */
  read(offset: number, length: number): Uint8Array;
}

/** Bytes that are in memory. */
export class MemoryStore implements ByteStore {
  readonly length: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.length = bytes.byteLength;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length);
  }
}
