import { FAULT_POLICIES } from '../../host/hypervisor/fault-log.js';
import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../nic/descriptor.js';
import { MOST_LIMIT_BPS, MOST_WEIGHT } from '../../nic/management-page.js';
import { PRIORITY_LEVELS } from '../../scheduler/disciplines/strict-priority.js';
import { present } from '../../scheduler/present.js';
import type { LiveMachine } from './live-machine.js';
import { LOG_ENTRIES, SessionLogError } from './log/log-format.js';
import type { LogEntry, SessionReader } from './log/session-reader.js';
import type { LiveRam } from './ram/live-ram.js';
import { DescriptorNumbers, type ReceivedDescriptor } from './vfio-user/interrupt-descriptors.js';
import type { ClientConnection } from './vfio-user/session.js';

/** How a replay ended. */
export interface ReplayEnd {
  /** What the session recorded as its fingerprint; undefined where the log ends without one (the server was killed). */
  readonly recorded: string | undefined;
  readonly fingerprint: string;
  readonly inputs: number;
  readonly reads: number;
}

/** A session is no longer than this, ns: 52 days. */
const MOST_NS = 4.5e15;

/** A virtual machine that is not there: what is sent to it goes nowhere. */
const NOBODY: ClientConnection = {
  send: () => {},
  close: () => {},
  descriptors: { signal: () => {}, release: () => {} },
};

/** The log ends in the middle of a run: the server was killed. What comes after cannot be known. */
class CutOff extends Error {}

/** A guest's RAM in a replay: reads come from the log, in the order in which they were made; writes go nowhere. */
class ReplayedRam implements LiveRam {
  readonly bytes: number;
  readonly #read: (offset: number, length: number, target: Uint8Array, at: number) => void;

  constructor(bytes: number, read: (offset: number, length: number, target: Uint8Array, at: number) => void) {
    this.bytes = bytes;
    this.#read = read;
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#read(offset, length, target, targetOffset);
  }

  write(): void {}

  prefetch(): void {}

  flush(): void {}
}

/**
 * Plays a recorded session again in virtual time. A machine that does anything else than it did is noticed at its next
 * read of a guest's memory, and at the end by its fingerprint.
 */
export class Replay {
  readonly #reader: SessionReader;
  readonly #path: string;
  #machine: LiveMachine | undefined;
  #inputs = 0;
  #reads = 0;
  #recorded: string | undefined;
  #cutOff = false;
  // Those that come with the next bytes.
  #descriptors: ReceivedDescriptor[] = [];
  readonly #numbers = new DescriptorNumbers();

  constructor(path: string, reader: SessionReader) {
    this.#path = path;
    this.#reader = reader;
  }

  /** RAM for the machine that the session is played on. */
  readonly makeRam = (index: number, _name: string, bytes: number): LiveRam =>
    new ReplayedRam(bytes, (offset, length, target, at) =>
      this.#serveRead(index, offset, length, target, at),
    );

  /** Plays up to `entries` inputs. True while there are more. @throws SessionLogError when the machine departs from the log. */
  advance(machine: LiveMachine, entries: number): boolean {
    try {
      return this.#advance(machine, entries);
    } catch (error) {
      if (!(error instanceof CutOff)) throw error;
      this.#cutOff = true;
      return false;
    }
  }

  /** Whether the log ended in the middle of what the machine was doing: its invariants need not hold then. */
  get cutOff(): boolean {
    return this.#cutOff;
  }

  #advance(machine: LiveMachine, entries: number): boolean {
    this.#machine = machine;
    for (let done = 0; done < entries; done += 1) {
      const entry = this.#reader.next();
      if (entry === undefined || entry.kind === LOG_ENTRIES.end) {
        if (entry !== undefined) this.#recorded = new TextDecoder().decode(entry.data);
        return false;
      }
      this.#inputs += 1;
      this.#check(machine, entry);
      switch (entry.kind) {
        case LOG_ENTRIES.run:
          machine.run(machine.kernel.nowNs + entry.first);
          break;
        case LOG_ENTRIES.attach:
          machine.attach(entry.first, NOBODY);
          break;
        case LOG_ENTRIES.descriptors:
          this.#descriptors = this.#numbers.next(entry.first, Array.from(entry.data, Boolean));
          break;
        case LOG_ENTRIES.receive:
          machine.receive(entry.first, entry.data.slice(), this.#descriptors.splice(0));
          break;
        case LOG_ENTRIES.detach:
          machine.detach(entry.first);
          break;
        case LOG_ENTRIES.slow:
          machine.slowReader(entry.first);
          break;
        case LOG_ENTRIES.uplink:
          machine.uplinkFrame(entry.data.slice());
          break;
        case LOG_ENTRIES.weight:
          machine.setWeight(entry.first, entry.second);
          break;
        case LOG_ENTRIES.limit:
          machine.setLimit(entry.first, entry.second === 0 ? undefined : entry.second);
          break;
        case LOG_ENTRIES.priority:
          machine.setPriority(entry.first, entry.second);
          break;
        case LOG_ENTRIES.policy:
          machine.setPolicy(present(FAULT_POLICIES[entry.first]));
          break;
        default:
          throw this.#departure('does nothing', 'a read of memory');
      }
    }
    return true;
  }

  /** A file that was damaged, or made up, asks for what no session can hold. @throws SessionLogError */
  #check(machine: LiveMachine, { kind, first, second, data }: LogEntry): void {
    const refuse = (what: string, expected: string): SessionLogError =>
      new SessionLogError(`${this.#path}: ${what}, expected ${expected}: the file is damaged`);
    if (kind === LOG_ENTRIES.uplink) {
      if (data.length < MIN_FRAME_BYTES || data.length > MAX_FRAME_BYTES)
        throw refuse(`a frame of ${data.length} bytes`, `${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES}`);
    } else if (kind === LOG_ENTRIES.run) {
      if (machine.kernel.nowNs + first > MOST_NS)
        throw refuse(`a step of ${first} ns`, `a session of at most ${MOST_NS} ns`);
    } else if (kind === LOG_ENTRIES.policy) {
      if (first >= FAULT_POLICIES.length)
        throw refuse(`policy ${first}`, `one below ${FAULT_POLICIES.length}`);
    } else if (first >= machine.guests.length)
      throw refuse(`guest ${first}`, `one below ${machine.guests.length}`);
    if (kind === LOG_ENTRIES.weight && (second < 1 || second > MOST_WEIGHT))
      throw refuse(`a weight of ${second}`, `1 to ${MOST_WEIGHT}`);
    if (kind === LOG_ENTRIES.limit && second > MOST_LIMIT_BPS)
      throw refuse(`a limit of ${second} bit/s`, `0 to ${MOST_LIMIT_BPS}`);
    if (kind === LOG_ENTRIES.priority && second >= PRIORITY_LEVELS)
      throw refuse(`a priority of ${second}`, `0 to ${PRIORITY_LEVELS - 1}`);
  }

  /** What came of it; call when `advance` has said that there is no more. */
  end(machine: LiveMachine): ReplayEnd {
    return {
      recorded: this.#recorded,
      fingerprint: machine.fingerprint.toString(),
      inputs: this.#inputs,
      reads: this.#reads,
    };
  }

  #serveRead(guest: number, offset: number, length: number, target: Uint8Array, at: number): void {
    const entry = this.#reader.next();
    if (entry === undefined) throw new CutOff();
    const fits = entry.kind === LOG_ENTRIES.read && entry.first === guest && entry.second === offset;
    if (!fits || entry.data.length !== length) {
      throw this.#departure(
        `reads ${length} bytes at ${offset} of guest ${guest}`,
        entry.kind === LOG_ENTRIES.read
          ? `a read of ${entry.data.length} bytes at ${entry.second} of guest ${entry.first}`
          : `an entry of kind ${entry.kind}`,
      );
    }
    this.#reads += 1;
    target.set(entry.data, at);
  }

  #departure(machine: string, log: string): SessionLogError {
    const atNs = this.#machine?.kernel.nowNs ?? 0;
    return new SessionLogError(
      `${this.#path}: the replay departs from the session at ${atNs} ns: the machine ${machine}, expected ${log} (was it recorded by another version?)`,
    );
  }
}
