/**
 * Byte arrays seen as 32-bit words. The card reads into few arrays (its FIFO, its descriptor buffers), so the views
 * of the last two are kept and none is made per transfer.
 */
export class WordWindows {
  #bytes: Uint8Array = new Uint8Array(0);
  #words: Uint32Array = new Uint32Array(0);
  #olderBytes: Uint8Array = new Uint8Array(0);
  #olderWords: Uint32Array = new Uint32Array(0);

  /** The words of `bytes`, whose own offset must be a multiple of 4. */
  of(bytes: Uint8Array): Uint32Array {
    if (bytes === this.#bytes) return this.#words;
    const words =
      bytes === this.#olderBytes
        ? this.#olderWords
        : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#olderBytes = this.#bytes;
    this.#olderWords = this.#words;
    this.#bytes = bytes;
    this.#words = words;
    return words;
  }
}
