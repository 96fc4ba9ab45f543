import { InvariantViolation } from '../../scheduler/errors.js';
import type { OutputFile } from './output-file.js';

const DEFAULT_BUFFER_BYTES = 1 << 20;

/** A file in memory, for where there is no disk. It grows by whole buffers. */
export class MemoryFile implements OutputFile {
  readonly path: string;
  readonly buffer: Uint8Array;
  readonly view: DataView;
  readonly failure = undefined;
  readonly paths = undefined;
  readonly #parts: Uint8Array[] = [];
  #used = 0;

  /** @param path what messages call it */
  constructor(path: string, bufferBytes: number = DEFAULT_BUFFER_BYTES) {
    this.path = path;
    this.buffer = new Uint8Array(bufferBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  reserve(bytes: number): number {
    if (this.#used + bytes > this.buffer.length) this.#flush();
    if (bytes > this.buffer.length)
      throw new InvariantViolation(`${this.path}: ${bytes} bytes do not fit the buffer`);
    return this.#used;
  }

  advance(bytes: number): void {
    this.#used += bytes;
  }

  seal(): void {
    this.#flush();
  }

  commit(): void {
    this.#flush();
  }

  abort(): void {
    this.#parts.length = 0;
    this.#used = 0;
  }

  /** What has been written, in one piece. */
  bytes(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const whole = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #flush(): void {
    if (this.#used > 0) this.#parts.push(this.buffer.slice(0, this.#used));
    this.#used = 0;
  }
}
