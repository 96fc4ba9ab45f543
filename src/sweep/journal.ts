import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { MODEL_VERSION } from '../machine/model-version.js';
import { OutputFileError } from '../report/output-file-error.js';
import { isFinal, type Outcome } from './outcome.js';
import { SweepError } from './sweep-error.js';

const NEWLINE = 0x0a;
const READ_BYTES = 1 << 20;
/** Number of lines after which they are flushed to the disk. */
const SYNC_LINES = 64;

/** Where a line lies in its file. */
interface Place {
  readonly offset: number;
  readonly length: number;
}

interface Line {
  readonly key: string;
  readonly model: number;
  readonly outcome: Outcome;
}

/**
 * What is finished of a study: a file that only grows, a line of JSON per job. A process that is killed leaves whole
 * lines and at most one that is cut, which is dropped when the file is opened again. Only places of lines are held in
 * memory. Lines of another model version are left where they are and not used.
 */
export class Journal {
  readonly path: string;
  readonly #descriptor: number;
  readonly #places = new Map<string, Place>();
  /** Jobs that failed when the journal was written before, and are to be tried again. */
  readonly #unsettled = new Set<string>();
  readonly #lock: string | undefined;
  #end = 0;
  #unsynced = 0;
  #otherVersions = 0;

  private constructor(path: string, descriptor: number, lock: string | undefined) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#lock = lock;
    this.#scan(lock !== undefined);
  }

  /**
   * Opens a journal to add to it, or makes one.
   * @throws SweepError when another process has it open; OutputFileError when it cannot be opened
   */
  static open(path: string): Journal {
    const lock = `${path}.lock`;
    takeLock(lock);
    try {
      return new Journal(path, openSync(path, existsSync(path) ? 'r+' : 'w+'), lock);
    } catch (cause) {
      unlinkSync(lock);
      throw cause instanceof SweepError ? cause : OutputFileError.of(path, cause);
    }
  }

  /** Opens an existing one to read it, whichever process writes to it. */
  static read(path: string): Journal {
    try {
      return new Journal(path, openSync(path, 'r'), undefined);
    } catch (cause) {
      throw OutputFileError.of(path, cause);
    }
  }

  /** Finished jobs of this model version. */
  get count(): number {
    return this.#places.size - this.#unsettled.size;
  }

  /** Finished jobs of other model versions, which are not used. */
  get otherVersions(): number {
    return this.#otherVersions;
  }

  /** Keys of jobs that were done, in the order in which they were finished. */
  keys(): IterableIterator<string> {
    return this.#places.keys();
  }

  /** Whether a job is finished; one that an earlier sweep could not do, and that may succeed now, is not. */
  has(key: string): boolean {
    return this.#places.has(key) && !this.#unsettled.has(key);
  }

  /** What a job came to; undefined if it is not finished. */
  outcome(key: string): Outcome | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    const bytes = Buffer.alloc(place.length);
    let read = 0;
    while (read < place.length) {
      const got = readSync(this.#descriptor, bytes, read, place.length - read, place.offset + read);
      if (got === 0) throw new SweepError(`${this.path} became shorter while it was read`);
      read += got;
    }
    return (JSON.parse(bytes.toString('utf8')) as Line).outcome;
  }

  /** Adds the outcome of a job. A key that is there already keeps what it has. @throws OutputFileError when the disk is full */
  add(key: string, outcome: Outcome): void {
    if (this.has(key)) return;
    const line: Line = { key, model: MODEL_VERSION, outcome };
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(this.#descriptor, bytes, written, bytes.length - written, this.#end + written);
      }
      this.#unsynced += 1;
      if (this.#unsynced >= SYNC_LINES) this.#sync();
    } catch (cause) {
      // What was written of the line is taken back, as far as the disk lets us.
      ftruncateSync(this.#descriptor, this.#end);
      throw OutputFileError.of(this.path, cause);
    }
    this.#places.set(key, { offset: this.#end, length: bytes.length - 1 });
    this.#unsettled.delete(key);
    this.#end += bytes.length;
  }

  close(): void {
    if (this.#lock !== undefined) {
      this.#sync();
      unlinkSync(this.#lock);
    }
    closeSync(this.#descriptor);
  }

  #sync(): void {
    fsyncSync(this.#descriptor);
    this.#unsynced = 0;
  }

  #scan(writable: boolean): void {
    const size = statSync(this.path).size;
    const chunk = Buffer.alloc(READ_BYTES);
    let kept: Buffer = Buffer.alloc(0);
    let lineStart = 0;
    for (let offset = 0; offset < size; ) {
      const got = readSync(this.#descriptor, chunk, 0, READ_BYTES, offset);
      if (got === 0) break;
      offset += got;
      const bytes = Buffer.concat([kept, chunk.subarray(0, got)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        this.#index(bytes.toString('utf8', start, end), lineStart, end - start);
        lineStart += end - start + 1;
        start = end + 1;
      }
      kept = Buffer.from(bytes.subarray(start));
    }
    this.#end = lineStart;
    if (writable && size > lineStart) ftruncateSync(this.#descriptor, lineStart);
  }

  #index(text: string, offset: number, length: number): void {
    let line: Partial<Line>;
    try {
      line = JSON.parse(text) as Partial<Line>;
    } catch {
      throw new SweepError(
        `${this.path}: byte ${offset} begins a line that is not JSON, expected a journal of a sweep`,
      );
    }
    if (typeof line.key !== 'string' || line.outcome === undefined) {
      throw new SweepError(
        `${this.path}: byte ${offset} begins a line without key and outcome, expected a journal of a sweep`,
      );
    }
    if (line.model !== MODEL_VERSION) {
      this.#otherVersions += 1;
      return;
    }
    this.#places.set(line.key, { offset, length });
    if (isFinal(line.outcome)) this.#unsettled.delete(line.key);
    else this.#unsettled.add(line.key);
  }
}

/** One process at a time adds to a journal; a lock of a process that has ended is taken over. */
function takeLock(lock: string): void {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(lock, `${process.pid}\n`, { flag: 'wx' });
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw OutputFileError.of(lock, cause);
      const owner = Number(readFileSync(lock, 'utf8'));
      if (isRunning(owner)) {
        throw new SweepError(
          `${lock} says that process ${owner} is at work on this study, expected one at a time`,
        );
      }
      unlinkSync(lock);
    }
  }
  throw new SweepError(`${lock} cannot be taken: another process took it in the same moment`);
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
