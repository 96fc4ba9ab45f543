import { UserError } from '../../scheduler/errors.js';

/**
 * A frame that a source lends: its bytes are the source's own, which uses them again. A reader that wants to keep the
 * frame takes a `copy()`; reading it after it was given back is refused. One object serves all frames of a source,
 * so nothing is allocated per frame.
 */
export class BorrowedFrame {
  readonly #source: string;
  #bytes: Uint8Array | undefined;

  /** @param source name of the source, for errors. */
  constructor(source: string) {
    this.#source = source;
  }

  /** The bytes themselves. @throws UserError after the frame was given back. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      throw new UserError(
        `${this.#source}: the frame was given back when the observer returned, expected copy() before that`,
      );
    }
    return this.#bytes;
  }

  /** Bytes of the frame. @throws UserError after the frame was given back. */
  get length(): number {
    return this.bytes.length;
  }

  /** A copy, the caller's to keep. @throws UserError after the frame was given back. */
  copy(): Uint8Array {
    return this.bytes.slice();
  }

  /** For the source: lends these bytes from now on, or none. */
  lend(bytes: Uint8Array | undefined): this {
    this.#bytes = bytes;
    return this;
  }
}
