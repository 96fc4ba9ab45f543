import { closeSync, fstatSync, readlinkSync, statSync } from 'node:fs';
import { present } from '../../../scheduler/present.js';
import type {
  DescriptorNumbers,
  DescriptorPort,
  ReceivedDescriptor,
} from '../vfio-user/interrupt-descriptors.js';
import type { SocketCalls } from './socket-calls.js';

const EVENT = 'anon_inode:[eventfd]';

interface Open {
  readonly descriptor: number;
  readonly isEvent: boolean;
}

/** The file descriptors that one guest's virtual machine has sent, by the numbers that the session has for them. */
export class ReceivedDescriptors implements DescriptorPort {
  readonly #calls: SocketCalls;
  readonly #guest: number;
  readonly #numbers: DescriptorNumbers;
  readonly #ram: { readonly dev: number; readonly ino: number };
  readonly #open = new Map<number, Open>();

  /** @param ramPath file of the guest's RAM. */
  constructor(calls: SocketCalls, guest: number, numbers: DescriptorNumbers, ramPath: string) {
    this.#calls = calls;
    this.#guest = guest;
    this.#numbers = numbers;
    this.#ram = statSync(ramPath);
  }

  /** Takes descriptors in; they stay open until they are released. */
  take(descriptors: readonly number[]): ReceivedDescriptor[] {
    const ram = descriptors.map((descriptor) => this.#isRam(descriptor));
    const taken = this.#numbers.next(this.#guest, ram);
    for (const [at, descriptor] of descriptors.entries()) {
      const isEvent = isEventDescriptor(descriptor);
      if (isEvent) this.#calls.neverBlock(descriptor);
      this.#open.set(present(taken[at]).number, { descriptor, isEvent });
    }
    return taken;
  }

  signal(number: number): void {
    const open = this.#open.get(number);
    // A file of another kind could make a write wait for ever.
    if (open?.isEvent === true) this.#calls.signal(open.descriptor);
  }

  release(number: number): void {
    const open = this.#open.get(number);
    this.#open.delete(number);
    if (open !== undefined) closeSync(open.descriptor);
  }

  /** The connection is gone. */
  releaseAll(): void {
    for (const number of [...this.#open.keys()]) this.release(number);
  }

  #isRam(descriptor: number): boolean {
    try {
      const { dev, ino } = fstatSync(descriptor);
      return dev === this.#ram.dev && ino === this.#ram.ino;
    } catch {
      // The file system that it is on refuses to say: ours does not.
      return false;
    }
  }
}

function isEventDescriptor(descriptor: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === EVENT;
  } catch {
    return false;
  }
}
