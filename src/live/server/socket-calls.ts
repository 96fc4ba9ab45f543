import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { LiveError } from '../live-error.js';
import { EventCounter } from './event-counter.js';

/** The version that this was written for and is tested with. */
export const KOFFI_VERSION = '3.3.4';

/** What is used of koffi, the optional package that calls C functions. */
interface Koffi {
  load(library: string): { func(prototype: string): NativeFunction };
  address(bytes: Uint8Array): bigint;
  errno(): number;
}

interface NativeFunction {
  (...values: readonly unknown[]): number | bigint;
  async(...values: readonly unknown[]): void;
}

/** What one look at a socket has found. */
export type Arrival =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly descriptors: readonly number[] }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'end' };

// Numbers of Linux, the same for every 64-bit machine that Node runs on.
const EAGAIN = 11;
const EINTR = 4;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const POLLIN = 1;
const POLLOUT = 4;
const POLLFD_BYTES = 8;
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

const MOST_BYTES = 65_536;
/** Room for 60 descriptors; the kernel closes those that do not fit. */
const CONTROL_BYTES = 256;
const CONTROL_HEADER_BYTES = 16;
const IOVEC_BYTES = 16;
const MSGHDR = { bytes: 56, iov: 16, iovCount: 24, control: 32, controlBytes: 40 } as const;

/**
 * Calls of Linux that Node has not: a message on a socket with the file descriptors that came along (SCM_RIGHTS), eventfd,
 * and a wait for several descriptors at once.
 */
export class SocketCalls {
  readonly #koffi: Koffi;
  readonly #recvmsg: NativeFunction;
  readonly #poll: NativeFunction;
  readonly #eventfd: NativeFunction;
  readonly #fcntl: NativeFunction;
  readonly #data = Buffer.alloc(MOST_BYTES);
  readonly #control = Buffer.alloc(CONTROL_BYTES);
  readonly #iovec = Buffer.alloc(IOVEC_BYTES);
  readonly #header = Buffer.alloc(MSGHDR.bytes);
  readonly #headerAt: bigint;
  readonly #one = Buffer.alloc(POLLFD_BYTES);
  // Made when it is first needed.
  #counter: EventCounter | undefined;
  #isCounterSought = false;
  #closed = false;

  /**
   * @param purpose what it is for, as the beginning of a message
   * @param load finds koffi
   * @throws LiveError where koffi is not installed, or is not for this machine.
   */
  constructor(purpose: string, load: () => unknown = () => createRequire(import.meta.url)('koffi')) {
    this.#koffi = loadKoffi(purpose, load);
    const libc = this.#koffi.load('libc.so.6');
    this.#recvmsg = libc.func('long recvmsg(int fd, void *message, int flags)');
    this.#poll = libc.func('int poll(void *list, unsigned long count, int timeout)');
    this.#eventfd = libc.func('int eventfd(unsigned int value, int flags)');
    this.#fcntl = libc.func('int fcntl(int fd, int command, int value)');
    this.#headerAt = this.#koffi.address(this.#header);
    this.#iovec.writeBigUInt64LE(this.#koffi.address(this.#data), 0);
    this.#iovec.writeBigUInt64LE(BigInt(MOST_BYTES), 8);
    this.#header.writeBigUInt64LE(this.#koffi.address(this.#iovec), MSGHDR.iov);
    this.#header.writeBigUInt64LE(1n, MSGHDR.iovCount);
    this.#header.writeBigUInt64LE(this.#koffi.address(this.#control), MSGHDR.control);
  }

  /**
   * Takes what has come on a socket, up to 64 KB. Descriptors belong to the last message that begins in the bytes: the kernel
   * ends what it hands over behind a piece that carries some.
   */
  receive(socket: number): Arrival {
    this.#header.writeBigUInt64LE(BigInt(CONTROL_BYTES), MSGHDR.controlBytes);
    const count = Number(this.#recvmsg(socket, this.#headerAt, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    if (count < 0) {
      const errno = this.#koffi.errno();
      return errno === EAGAIN || errno === EINTR ? { kind: 'nothing' } : { kind: 'end' };
    }
    const descriptors = this.#descriptors();
    if (count === 0) return { kind: 'end' };
    return { kind: 'bytes', bytes: new Uint8Array(this.#data.subarray(0, count)), descriptors };
  }

  /** A counter that can be waited for. */
  makeEvent(): number {
    return Number(this.#eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  }

  /** Writes to it return at once from now on, whoever made it: until another of its owners says otherwise. */
  neverBlock(descriptor: number): void {
    this.#fcntl(descriptor, F_SETFL, O_NONBLOCK);
  }

  /** Whether `signal` can never wait, whatever the owner of an eventfd does: where not, a write is tried that could. */
  get neverWaits(): boolean {
    return this.#eventCounter() !== undefined;
  }

  /** Counts an eventfd up by one, unless its counter is full. */
  signal(event: number): void {
    if (this.#closed || this.#eventCounter()?.add(event) === true || !this.isWritable(event)) return;
    try {
      writeSync(event, ONE);
    } catch (error) {
      // The counter has been filled meanwhile: the interrupt is pending as it is.
      if ((error as { code?: unknown }).code !== 'EAGAIN') throw error;
    }
  }

  /** Nothing is signalled any more. */
  close(): void {
    this.#closed = true;
    this.#counter?.close();
    this.#counter = undefined;
  }

  /** Whether a write to it would be taken. */
  isWritable(descriptor: number): boolean {
    this.#one.writeInt32LE(descriptor, 0);
    this.#one.writeInt16LE(POLLOUT, 4);
    return (
      Number(this.#poll(this.#koffi.address(this.#one), 1, 0)) === 1 &&
      (this.#one.readInt16LE(6) & POLLOUT) !== 0
    );
  }

  /** Waits, on a thread, until one of the descriptors can be read or has ended; `ready` gets those. */
  waitForAny(descriptors: readonly number[], ready: (descriptors: readonly number[]) => void): void {
    const list = Buffer.alloc(descriptors.length * POLLFD_BYTES);
    for (const [at, descriptor] of descriptors.entries()) {
      list.writeInt32LE(descriptor, at * POLLFD_BYTES);
      list.writeInt16LE(POLLIN, at * POLLFD_BYTES + 4);
    }
    this.#poll.async(this.#koffi.address(list), descriptors.length, -1, () => {
      ready(descriptors.filter((_descriptor, at) => list.readInt16LE(at * POLLFD_BYTES + 6) !== 0));
    });
  }

  #eventCounter(): EventCounter | undefined {
    if (this.#closed || this.#isCounterSought) return this.#counter;
    this.#isCounterSought = true;
    this.#counter = EventCounter.open(this.#koffi);
    return this.#counter;
  }

  #descriptors(): number[] {
    const end = Number(this.#header.readBigUInt64LE(MSGHDR.controlBytes));
    const found: number[] = [];
    for (let at = 0; at + CONTROL_HEADER_BYTES <= end; ) {
      const bytes = Number(this.#control.readBigUInt64LE(at));
      if (bytes < CONTROL_HEADER_BYTES) break;
      const rights =
        this.#control.readInt32LE(at + 8) === SOL_SOCKET && this.#control.readInt32LE(at + 12) === SCM_RIGHTS;
      if (rights)
        for (let item = at + CONTROL_HEADER_BYTES; item + 4 <= at + bytes; item += 4)
          found.push(this.#control.readInt32LE(item));
      at += (bytes + 7) & ~7;
    }
    return found;
  }
}

function loadKoffi(purpose: string, load: () => unknown): Koffi {
  if (
    process.platform !== 'linux' ||
    endianness() !== 'LE' ||
    !['x64', 'arm64', 'riscv64'].includes(process.arch)
  )
    throw new LiveError(`${purpose}, which needs Linux on a 64-bit machine, expected another approach here`);
  try {
    return load() as Koffi;
  } catch {
    throw new LiveError(
      `${purpose}, which needs koffi to take interrupts' file descriptors; expected it to be installed: npm install koffi@${KOFFI_VERSION}`,
    );
  }
}
