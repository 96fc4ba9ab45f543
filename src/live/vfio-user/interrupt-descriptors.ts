import { INTERRUPT_KINDS } from '../../../guests/pci/pci-function.js';
import { countOf } from '../../../scheduler/tally.js';
import { Payload, SET_ACTION_TRIGGER, SET_DATA_EVENTFD, SET_DATA_NONE } from './messages.js';

/** A file descriptor that came with a message: the connection's number for it. */
export interface ReceivedDescriptor {
  readonly number: number;
  /** Whether it is of the guest's RAM file. */
  readonly ram: boolean;
}

/** What can be done with descriptors that a connection has received. */
export interface DescriptorPort {
  /** Counts an eventfd up: the interrupt that it stands for. */
  signal(descriptor: number): void;
  /** It is not needed any more. */
  release(descriptor: number): void;
}

/** Numbers for the descriptors of each guest, in the order in which they come: the same in a session and in its replay. */
export class DescriptorNumbers {
  readonly #next = new Map<number, number>();

  /** @param ram for each descriptor that has come, whether it is of the guest's RAM file. */
  next(guest: number, ram: readonly boolean[]): ReceivedDescriptor[] {
    const first = countOf(this.#next, guest);
    this.#next.set(guest, first + ram.length);
    return ram.map((of, at) => ({ number: first + at, ram: of }));
  }
}

const MSIX = INTERRUPT_KINDS.indexOf('msix');

/** Which descriptor stands for each MSI-X vector, and the vectors that wait for one. */
export class InterruptDescriptors {
  readonly #descriptors: (number | undefined)[];
  readonly #pending: Uint8Array;
  readonly #port: DescriptorPort | undefined;

  /** @param port none for a connection that carries no descriptors: then every vector waits. */
  constructor(vectors: number, port: DescriptorPort | undefined) {
    this.#descriptors = new Array<number | undefined>(vectors).fill(undefined);
    this.#pending = new Uint8Array(vectors);
    this.#port = port;
  }

  /**
   * What SET_IRQS says, with the descriptors that came along: one for each of its vectors, or none to take theirs away.
   * @returns how many of them are kept; undefined when it says what cannot be.
   */
  set(payload: Uint8Array, descriptors: readonly ReceivedDescriptor[]): number | undefined {
    const fields = new Payload('DEVICE_SET_IRQS', payload);
    const flags = fields.number('flags');
    const start = fields.number('start');
    const count = fields.number('count');
    if (fields.number('index') !== MSIX || (flags & SET_ACTION_TRIGGER) === 0) return 0;
    if ((flags & SET_DATA_NONE) !== 0 && count === 0) this.clear();
    if ((flags & SET_DATA_EVENTFD) === 0) return 0;
    if (start + count > this.#descriptors.length) return undefined;
    if (descriptors.length !== 0 && descriptors.length !== count) return undefined;
    for (let at = 0; at < count; at += 1) this.#assign(start + at, descriptors[at]?.number);
    return descriptors.length;
  }

  /** No vector has one. */
  clear(): void {
    for (const vector of this.#descriptors.keys()) this.#assign(vector, undefined);
  }

  /** Interrupts, or remembers to. */
  raise(vector: number): void {
    if (!(vector >= 0 && vector < this.#descriptors.length)) return;
    const descriptor = this.#descriptors[vector];
    if (descriptor === undefined) this.#pending[vector] = 1;
    else this.#port?.signal(descriptor);
  }

  #assign(vector: number, descriptor: number | undefined): void {
    const before = this.#descriptors[vector];
    if (before !== undefined) this.#port?.release(before);
    this.#descriptors[vector] = descriptor;
    if (descriptor === undefined || this.#pending[vector] === 0) return;
    this.#pending[vector] = 0;
    this.#port?.signal(descriptor);
  }
}
