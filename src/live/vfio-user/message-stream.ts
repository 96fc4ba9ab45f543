import { HEADER, HEADER_BYTES, MAX_TRANSFER_BYTES } from './messages.js';

/** Longest message that is taken, bytes: what a client can make us keep of one that it does not finish. */
export const MAX_MESSAGE_BYTES = MAX_TRANSFER_BYTES + 64;

/** Cuts a stream of bytes into messages. Keeps at most one message that has not come whole. */
export class MessageStream {
  // Made when the first message comes in pieces: each byte of it is then copied once, however small the pieces are.
  #kept: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Bytes of a message that has not come whole. */
  get unfinishedBytes(): number {
    return this.#length;
  }

  /**
   * Takes in what came. `each` is told of every whole message, and whether it ends with what came; its bytes are borrowed.
   * @returns false when a message has an impossible size: the stream cannot be followed any more.
   */
  push(bytes: Uint8Array, each: (message: Uint8Array, ends: boolean) => void): boolean {
    let at = 0;
    while (this.#length > 0) {
      const wanted = this.#length < HEADER_BYTES ? HEADER_BYTES : sizeOf(this.#kept, 0);
      if (wanted === undefined) return false;
      const taken = Math.min(wanted - this.#length, bytes.length - at);
      this.#keep(bytes.subarray(at, at + taken));
      at += taken;
      if (this.#length < wanted) return true;
      if (this.#length > HEADER_BYTES || sizeOf(this.#kept, 0) === HEADER_BYTES) {
        this.#length = 0;
        each(this.#kept.subarray(0, wanted), at === bytes.length);
      }
    }
    while (bytes.length - at >= HEADER_BYTES) {
      const size = sizeOf(bytes, at);
      if (size === undefined) return false;
      if (bytes.length - at < size) break;
      each(bytes.subarray(at, at + size), at + size === bytes.length);
      at += size;
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    return true;
  }

  #keep(bytes: Uint8Array): void {
    if (this.#kept.length === 0) this.#kept = new Uint8Array(MAX_MESSAGE_BYTES);
    this.#kept.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}

/** The size that the message at an offset says; undefined when no message has it. */
function sizeOf(bytes: Uint8Array, at: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  const size = view.getUint32(HEADER.SIZE, true);
  return size < HEADER_BYTES || size > MAX_MESSAGE_BYTES ? undefined : size;
}
