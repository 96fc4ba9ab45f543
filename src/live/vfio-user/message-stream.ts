import { joined } from '../joined.js';
import { HEADER_BYTES } from './messages.js';

/** Longest message that is taken, bytes: what a client can make us keep of one that it does not finish. */
export const MAX_MESSAGE_BYTES = 65_536 + 64;

/** Cuts a stream of bytes into messages. Keeps at most one message that has not come whole. */
export class MessageStream {
  #rest: Uint8Array = new Uint8Array(0);

  /** Bytes of a message that has not come whole. */
  get unfinishedBytes(): number {
    return this.#rest.length;
  }

  /**
   * Takes in what came. `each` is told of every whole message, and whether it ends with what came; its bytes are borrowed.
   * @returns false when a message has an impossible size: the stream cannot be followed any more.
   */
  push(bytes: Uint8Array, each: (message: Uint8Array, ends: boolean) => void): boolean {
    const all = joined(this.#rest, bytes);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const size = view.getUint32(at + 4, true);
      if (size < HEADER_BYTES || size > MAX_MESSAGE_BYTES) return false;
      if (all.length - at < size) break;
      each(all.subarray(at, at + size), at + size === all.length);
      at += size;
    }
    this.#rest = at === all.length ? new Uint8Array(0) : all.slice(at);
    return true;
  }
}
