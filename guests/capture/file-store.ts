import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { ByteStore } from './byte-store.js';

/** An open file, of any size: bytes are read on demand. */
export class FileStore implements ByteStore {
  readonly length: number;
  readonly #descriptor: number;

  /** @throws Error of the system when the file cannot be opened, or is not a regular file. */
  constructor(path: string) {
    const stats = statSync(path);
    // A device or a pipe may never end.
    if (!stats.isFile()) throw new Error('not a regular file');
    this.length = stats.size;
    this.#descriptor = openSync(path, 'r');
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#descriptor, bytes, done, length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
