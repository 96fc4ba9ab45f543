import { closeSync, openSync, realpathSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { OutputFile, SealedPaths } from './output-file.js';
import { OutputFileError } from './output-file-error.js';
import { clearStalePartials, partialName } from './partial-files.js';
import { SealedFile } from './sealed-file.js';

export { OutputFileError } from './output-file-error.js';

const DEFAULT_BUFFER_BYTES = 1 << 20;
/** UTF-8 takes at most three bytes for each unit of a JavaScript string. */
const MAX_BYTES_A_CHARACTER = 3;

let filesOpened = 0;

/**
 * A file that is complete or absent: it is written under another name in the same folder and renamed when it
 * is complete. Writes are buffered.
 *
 * When the disk takes no more, nothing is thrown where bytes are put in: that may be inside of an observer, from where no
 * error reaches the run. The file discards bytes from then on, `failure` says why, and `seal` throws it.
 *
 * To write bytes: `offset = reserve(n)`, put up to n bytes into `buffer` from there, `advance(count)`.
 */
export class AtomicFile implements OutputFile {
  readonly path: string;
  /** Where bytes are put in. */
  readonly buffer: Uint8Array;
  readonly view: DataView;
  /** The same bytes, as Node writes text into them. */
  readonly #text: Buffer;
  readonly #target: string;
  readonly #temporary: string;
  #descriptor: number | undefined;
  /** Whole, under its other name or in its place. */
  #sealed: SealedFile | undefined;
  #used = 0;
  #failure: OutputFileError | undefined;

  /** @throws OutputFileError when the folder is missing or closed to us, or `path` is something else than a file. */
  constructor(path: string, bufferBytes: number = DEFAULT_BUFFER_BYTES) {
    this.path = path;
    this.#text = Buffer.alloc(bufferBytes);
    this.buffer = this.#text;
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
    this.#target = this.#resolve();
    filesOpened += 1;
    clearStalePartials(this.#target);
    this.#temporary = join(dirname(this.#target), partialName(this.#target, filesOpened));
    this.#descriptor = this.#orReport(() => openSync(this.#temporary, 'w'));
  }

  /** Its names: for what puts it in its place when it is sealed here. */
  get paths(): SealedPaths {
    return { path: this.path, target: this.#target, partial: this.#temporary };
  }

  /** Why it will never be whole; undefined while all is well. */
  get failure(): OutputFileError | undefined {
    return this.#failure;
  }

  /** Whether it still takes bytes: neither sealed nor aborted. */
  get isOpen(): boolean {
    return this.#descriptor !== undefined && this.#failure === undefined;
  }

  /** Reserves `bytes` bytes and says where in `buffer`. */
  reserve(bytes: number): number {
    if (this.#descriptor === undefined && this.#failure === undefined)
      throw new InvariantViolation(`${this.path}: written to after its end`);
    if (this.#used + bytes > this.buffer.length) this.#flush();
    if (bytes > this.buffer.length)
      throw new InvariantViolation(`${this.path}: ${bytes} bytes do not fit the buffer`);
    return this.#used;
  }

  /** Takes `bytes` bytes behind what is there; they were put into `buffer` where `reserve` said. */
  advance(bytes: number): void {
    this.#used += bytes;
  }

  /** Writes text as UTF-8. */
  text(text: string): void {
    const most = Math.floor(this.buffer.length / MAX_BYTES_A_CHARACTER);
    if (text.length > most) {
      // A pair of surrogates is one character and stays together.
      const isPair = (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
      const cut = isPair ? most - 1 : most;
      this.text(text.slice(0, cut));
      this.text(text.slice(cut));
      return;
    }
    const offset = this.reserve(text.length * MAX_BYTES_A_CHARACTER);
    this.advance(this.#text.write(text, offset, 'utf8'));
  }

  /** Ends the file, still under its other name: what may fail for want of space has then not failed. @throws OutputFileError */
  seal(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#descriptor === undefined) throw new InvariantViolation(`${this.path}: ended twice`);
    this.#flush();
    if (this.#failure !== undefined) throw this.#failure;
    this.#orReport(() => this.#close());
    this.#sealed = new SealedFile(this.paths);
  }

  /** Ends the file, if it is not sealed, and puts it in its place, over what may have been there. @throws OutputFileError */
  commit(): void {
    if (this.#sealed === undefined) this.seal();
    this.#sealed?.commit();
  }

  /** Leaves nothing behind. Does nothing after `commit` or another `abort`. */
  abort(): void {
    this.#sealed?.remove();
    if (this.#descriptor === undefined) return;
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  /** Removes a committed file again, if nothing was in its place before. */
  withdraw(): void {
    this.#sealed?.withdraw();
  }

  #flush(): void {
    const descriptor = this.#descriptor;
    const used = this.#used;
    this.#used = 0;
    if (descriptor === undefined) return;
    try {
      let written = 0;
      while (written < used) written += writeSync(descriptor, this.buffer, written, used - written);
    } catch (cause) {
      this.#failure = OutputFileError.of(this.path, cause);
      this.#close();
      this.#remove();
    }
  }

  #close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  /** Removes the partial file. The first failure is the one to report, not that this fails too. */
  #remove(): void {
    try {
      rmSync(this.#temporary, { force: true });
    } catch {
      // Below a file, or in a folder that is closed to us: there is nothing, or nothing to be done.
    }
  }

  /** The file that is meant, behind links. Renaming onto a device or a pipe would replace it, so those are refused. */
  #resolve(): string {
    let target: string;
    try {
      target = realpathSync(this.path);
    } catch {
      return this.path;
    }
    // A pipe has a name in /proc that leads nowhere.
    if (statSync(target, { throwIfNoEntry: false })?.isFile() !== true)
      throw new OutputFileError(this.path, 'it is there and not a regular file');
    return target;
  }

  #orReport<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      this.#close();
      this.#remove();
      throw OutputFileError.of(this.path, cause);
    }
  }
}
