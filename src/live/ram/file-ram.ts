import { closeSync, fchmodSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { present } from '../../../scheduler/present.js';
import { LiveError } from '../live-error.js';
import type { LiveRam } from './live-ram.js';
import { WriteBuffer } from './write-buffer.js';

/** Bytes that are fetched ahead, at most. */
const MOST_PREFETCHED = 8192;

/**
 * RAM in a file that a virtual machine has mapped. Only its owner may open the file, and it is removed at the end. Reads and
 * writes are system calls, so both are put together where they lie together; nothing is kept back once `flush` returns.
 */
export class FileRam implements LiveRam {
  readonly path: string;
  readonly bytes: number;
  readonly #fd: number;
  readonly #writes: WriteBuffer;
  readonly #ahead = new Uint8Array(MOST_PREFETCHED);
  #aheadOffset = 0;
  #aheadLength = 0;
  #reads = 0;
  #writeCalls = 0;

  /** Makes the file; one that is there is refused. @throws the error of the file system. */
  constructor(path: string, bytes: number) {
    this.path = path;
    this.bytes = bytes;
    this.#fd = openSync(path, 'wx+', 0o600);
    fchmodSync(this.#fd, 0o600);
    ftruncateSync(this.#fd, bytes);
    this.#writes = new WriteBuffer((source, at, length, offset) =>
      this.#writeFile(source, at, length, offset),
    );
  }

  /** System calls made so far. */
  get calls(): { readonly reads: number; readonly writes: number } {
    return { reads: this.#reads, writes: this.#writeCalls };
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    const within = offset - this.#aheadOffset;
    if (within >= 0 && within + length <= this.#aheadLength) {
      const from = this.#ahead;
      // A descriptor is 16 bytes: a loop is faster than a view.
      for (let at = 0; at < length; at += 1) target[targetOffset + at] = present(from[within + at]);
      return;
    }
    this.#writes.settle(offset, length);
    this.#readFile(target, targetOffset, length, offset);
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    if (offset < this.#aheadOffset + this.#aheadLength && this.#aheadOffset < offset + length)
      this.#aheadLength = 0;
    this.#writes.write(offset, length, source, sourceOffset);
  }

  prefetch(offset: number, length: number): void {
    const wanted = Math.min(length, MOST_PREFETCHED, this.bytes - offset);
    this.#writes.settle(offset, wanted);
    this.#readFile(this.#ahead, 0, wanted, offset);
    this.#aheadOffset = offset;
    this.#aheadLength = wanted;
  }

  flush(): void {
    this.#aheadLength = 0;
    this.#writes.flush();
  }

  /** Closes the file and removes it. */
  remove(): void {
    closeSync(this.#fd);
    rmSync(this.path, { force: true });
  }

  /** Reads from the file; where a client has shortened it there is nothing, as on a bus on which no one answers. */
  #readFile(target: Uint8Array, at: number, length: number, offset: number): void {
    this.#reads += 1;
    const read = readSync(this.#fd, target, at, length, offset);
    if (read < length) target.fill(0xff, at + read, at + length);
  }

  /** @throws LiveError when the host has no room for what its guests write */
  #writeFile(source: Uint8Array, at: number, length: number, offset: number): void {
    this.#writeCalls += 1;
    try {
      for (let done = 0; done < length; )
        done += writeSync(this.#fd, source, at + done, length - done, offset + done);
    } catch (error) {
      throw new LiveError(
        `${this.path}: cannot be written (${(error as Error).message}), expected room for the RAM of every guest`,
      );
    }
  }
}
