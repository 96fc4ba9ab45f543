import { closeSync, openSync, readSync } from 'node:fs';
import { present } from '../../../scheduler/present.js';
import {
  LOG_EDITION,
  LOG_ENTRIES,
  LOG_MARK,
  type SessionHeader,
  SessionLogError,
  sessionHeader,
} from './log-format.js';

const WINDOW_BYTES = 1 << 20;
const MOST_HEADER_BYTES = 1 << 22;
/** What came from a socket at once, or was read from memory at once, is far below this. */
const MOST_DATA_BYTES = 1 << 24;
/** No number in a log is larger. */
const MOST_NUMBER = Number.MAX_SAFE_INTEGER;

/** One entry of a log. `data` is borrowed: it holds until the next entry is read. */
export interface LogEntry {
  kind: number;
  /** Guest, for `run` the step in ns, for `policy` its number. */
  first: number;
  /** Offset of a read, or a weight, limit or priority. */
  second: number;
  data: Uint8Array;
}

const NO_DATA = new Uint8Array(0);
/** Numbers that each kind has, and whether data follow. */
const SHAPES: Readonly<Record<number, readonly [numbers: number, data: boolean]>> = {
  [LOG_ENTRIES.run]: [1, false],
  [LOG_ENTRIES.attach]: [1, false],
  [LOG_ENTRIES.receive]: [1, true],
  [LOG_ENTRIES.detach]: [1, false],
  [LOG_ENTRIES.slow]: [1, false],
  [LOG_ENTRIES.uplink]: [0, true],
  [LOG_ENTRIES.weight]: [2, false],
  [LOG_ENTRIES.read]: [2, true],
  [LOG_ENTRIES.end]: [0, true],
  [LOG_ENTRIES.descriptors]: [1, true],
  [LOG_ENTRIES.limit]: [2, false],
  [LOG_ENTRIES.priority]: [2, false],
  [LOG_ENTRIES.policy]: [1, false],
};

/** Reads the log of a session from its beginning, however long it is. */
export class SessionReader {
  readonly header: SessionHeader;
  readonly #path: string;
  readonly #fd: number;
  #window: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #entry: LogEntry = { kind: 0, first: 0, second: 0, data: NO_DATA };
  #peeked = false;

  /** @throws SessionLogError when it is no log. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      throw new SessionLogError(
        `${path}: cannot be read (${code === 'ENOENT' ? 'no such file' : (error as Error).message}), expected the log of a session`,
      );
    }
    try {
      this.header = this.#readHeader();
    } catch (error) {
      this.close();
      if (error instanceof SessionLogError) throw error;
      throw new SessionLogError(
        `${path}: is not the log of a session, expected a file that serve --record wrote`,
      );
    }
  }

  /** The next entry, which stays the next; undefined at the end of the file, also where the last one is cut off. */
  peek(): LogEntry | undefined {
    if (!this.#peeked) {
      if (!this.#parse()) return undefined;
      this.#peeked = true;
    }
    return this.#entry;
  }

  /** The next entry. */
  next(): LogEntry | undefined {
    const entry = this.peek();
    this.#peeked = false;
    return entry;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** @throws Error when these are not the first lines of a log, SessionLogError when they are of another edition. */
  #readHeader(): SessionHeader {
    const first = this.#line();
    if (!first.startsWith(LOG_MARK)) throw new Error('no log');
    const edition = first.slice(LOG_MARK.length);
    if (edition !== LOG_EDITION)
      throw new SessionLogError(
        `${this.#path}: is a session log of edition "${edition}", expected ${LOG_EDITION}: another version of cdna-nic wrote it`,
      );
    return sessionHeader.parse(JSON.parse(this.#line()));
  }

  #line(): string {
    for (let end = 0; ; end += 1) {
      if (end > MOST_HEADER_BYTES || !this.#have(end + 1)) throw new Error('no line');
      if (this.#window[this.#at + end] !== 10) continue;
      const text = new TextDecoder().decode(this.#window.subarray(this.#at, this.#at + end));
      this.#at += end + 1;
      return text;
    }
  }

  #parse(): boolean {
    if (!this.#have(1)) return false;
    const kind = present(this.#window[this.#at]);
    const shape = SHAPES[kind];
    if (shape === undefined)
      throw new SessionLogError(
        `${this.#path}: an entry of kind ${kind}, expected 1 to ${Math.max(...Object.values(LOG_ENTRIES))}`,
      );
    this.#at += 1;
    const entry = this.#entry;
    entry.kind = kind;
    const [numbers, hasData] = shape;
    const first = numbers > 0 ? this.#number() : 0;
    const second = numbers > 1 ? this.#number() : 0;
    if (first === undefined || second === undefined) return false;
    entry.first = first;
    entry.second = second;
    entry.data = NO_DATA;
    if (!hasData) return true;
    const length = this.#number();
    if (length !== undefined && length > MOST_DATA_BYTES)
      throw new SessionLogError(
        `${this.#path}: an entry of ${length} bytes, expected at most ${MOST_DATA_BYTES}: the file is damaged`,
      );
    if (length === undefined || !this.#have(length)) return false;
    entry.data = this.#window.subarray(this.#at, this.#at + length);
    this.#at += length;
    return true;
  }

  #number(): number | undefined {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (!this.#have(1)) return undefined;
      const byte = present(this.#window[this.#at]);
      this.#at += 1;
      value += (byte & 127) * factor;
      // As digits that are all 0 have no end either, it is the factor that ends them.
      if (value > MOST_NUMBER || factor > MOST_NUMBER)
        throw new SessionLogError(`${this.#path}: a number above ${MOST_NUMBER}: the file is damaged`);
      if (byte < 128) return value;
    }
  }

  /** Sees to it that so many bytes are in the window. */
  #have(bytes: number): boolean {
    if (this.#window.length - this.#at >= bytes) return true;
    const left = this.#window.length - this.#at;
    // Doubled: a line is asked for byte by byte.
    const next = new Uint8Array(Math.max(WINDOW_BYTES, bytes, 2 * left));
    next.set(this.#window.subarray(this.#at));
    let filled = left;
    while (filled < next.length) {
      const got = readSync(this.#fd, next, filled, next.length - filled, null);
      if (got === 0) break;
      filled += got;
    }
    this.#window = next.subarray(0, filled);
    this.#at = 0;
    return filled >= bytes;
  }
}
