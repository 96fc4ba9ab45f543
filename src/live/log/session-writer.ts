import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { FAULT_POLICIES, type FaultPolicy } from '../../../host/hypervisor/fault-log.js';
import { LOG_EDITION, LOG_ENTRIES, LOG_MARK, type SessionHeader, SessionLogError } from './log-format.js';

/** Bytes that are kept before they are written. */
const BUFFER_BYTES = 1 << 20;
/** Kind, guest, offset, length: each number at most 8 bytes long. */
const MOST_HEADER_BYTES = 32;

/**
 * Writes the log of a session: what came in, at which moment, and every byte that the machine read from guests' memory, in
 * order. A log holds what guests sent, so only its owner may read it.
 */
export class SessionWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;
  #bytes = 0;
  #loggedNs = 0;
  #runNs = 0;
  // The disk takes no more: that was told once, and nothing is logged any more.
  #full = false;

  /** @throws SessionLogError when the file cannot be made. */
  constructor(path: string, header: SessionHeader) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'w', 0o600);
      // A device is not ours to close to others.
      if (fstatSync(this.#fd).isFile()) fchmodSync(this.#fd, 0o600);
    } catch (error) {
      throw new SessionLogError(
        `--record is "${path}", which cannot be written (${(error as Error).message}); expected a file`,
      );
    }
    this.#append(new TextEncoder().encode(`${LOG_MARK}${LOG_EDITION}\n${JSON.stringify(header)}\n`));
  }

  /** Bytes logged so far. */
  get bytes(): number {
    return this.#bytes + this.#used;
  }

  /** Virtual time is about to run to a moment. Logged with the first thing that happens then. */
  run(untilNs: number): void {
    this.#runNs = untilNs;
  }

  attach(guest: number): void {
    this.#begin(LOG_ENTRIES.attach, 0);
    this.#number(guest);
  }

  receive(guest: number, bytes: Uint8Array): void {
    this.#begin(LOG_ENTRIES.receive, bytes.length);
    this.#number(guest);
    this.#data(bytes, 0, bytes.length);
  }

  /** Descriptors came with the bytes that are logged next: for each, whether it is of the RAM file. */
  descriptors(guest: number, ram: readonly boolean[]): void {
    this.#begin(LOG_ENTRIES.descriptors, ram.length);
    this.#number(guest);
    this.#data(Uint8Array.from(ram, Number), 0, ram.length);
  }

  detach(guest: number): void {
    this.#begin(LOG_ENTRIES.detach, 0);
    this.#number(guest);
  }

  slow(guest: number): void {
    this.#begin(LOG_ENTRIES.slow, 0);
    this.#number(guest);
  }

  uplink(frame: Uint8Array): void {
    this.#begin(LOG_ENTRIES.uplink, frame.length);
    this.#data(frame, 0, frame.length);
  }

  weight(guest: number, weight: number): void {
    this.#begin(LOG_ENTRIES.weight, 0);
    this.#number(guest);
    this.#number(weight);
  }

  /** @param limitBps bits per second, or none */
  limit(guest: number, limitBps: number | undefined): void {
    this.#begin(LOG_ENTRIES.limit, 0);
    this.#number(guest);
    this.#number(limitBps === undefined ? 0 : limitBps);
  }

  priority(guest: number, priority: number): void {
    this.#begin(LOG_ENTRIES.priority, 0);
    this.#number(guest);
    this.#number(priority);
  }

  policy(policy: FaultPolicy): void {
    this.#begin(LOG_ENTRIES.policy, 0);
    this.#number(FAULT_POLICIES.indexOf(policy));
  }

  read(guest: number, offset: number, bytes: Uint8Array, at: number, length: number): void {
    this.#begin(LOG_ENTRIES.read, length);
    this.#number(guest);
    this.#number(offset);
    this.#data(bytes, at, length);
  }

  /** The session is over. */
  end(fingerprint: string): void {
    this.#begin(LOG_ENTRIES.end, fingerprint.length);
    const text = new TextEncoder().encode(fingerprint);
    this.#data(text, 0, text.length);
    this.close();
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#fd);
    }
  }

  #begin(kind: number, data: number): void {
    if (this.#runNs > this.#loggedNs) {
      const step = this.#runNs - this.#loggedNs;
      this.#loggedNs = this.#runNs;
      this.#begin(LOG_ENTRIES.run, 0);
      this.#number(step);
    }
    if (this.#used + data + MOST_HEADER_BYTES > BUFFER_BYTES) this.#flush();
    this.#buffer[this.#used] = kind;
    this.#used += 1;
  }

  /** Seven bits per byte, the lowest first; the highest bit says that more follow. */
  #number(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) {
      this.#buffer[this.#used] = (rest % 128) + 128;
      this.#used += 1;
    }
    this.#buffer[this.#used] = rest;
    this.#used += 1;
  }

  #data(bytes: Uint8Array, at: number, length: number): void {
    this.#number(length);
    this.#append(bytes.subarray(at, at + length));
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES - this.#used) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#bytes += bytes.length;
      this.#write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    this.#bytes += this.#used;
    const used = this.#used;
    this.#used = 0;
    this.#write(this.#buffer.subarray(0, used));
  }

  #write(bytes: Uint8Array): void {
    if (this.#full) return;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.#full = true;
      throw new SessionLogError(
        `${this.path}: cannot be written (${(error as Error).message}); what was logged before is kept`,
      );
    }
  }
}
