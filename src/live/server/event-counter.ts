import { closeSync, openSync } from 'node:fs';

/** What is used of koffi here. */
interface NativeLibrary {
  readonly load: (library: string) => {
    func(prototype: string): (...values: readonly unknown[]) => number | bigint;
  };
  readonly address: (bytes: Uint8Array) => bigint;
}

/** Numbers of the system calls io_setup, io_destroy, io_submit and io_getevents. */
const CALLS: Readonly<Record<string, readonly [number, number, number, number]>> = {
  x64: [206, 207, 209, 208],
  // The table that Linux has for all newer machines (asm-generic/unistd.h).
  arm64: [0, 1, 2, 4],
  riscv64: [0, 1, 2, 4],
};

/** struct iocb and struct io_event of Linux, little-endian. */
const IOCB = { bytes: 64, file: 20, buffer: 24, flags: 56, eventFile: 60 } as const;
const IOCB_FLAG_RESFD = 1;
const IO_EVENT_BYTES = 32;
const MOST_AT_ONCE = 8;

/**
 * Counts eventfds up that belong to others, and never waits. A write can: whoever shares an eventfd may fill its counter and
 * take O_NONBLOCK off it at any moment, and it cannot be opened anew with flags of our own. The kernel itself never waits
 * when it counts one up, as it does at the end of an asynchronous read (io_submit, IOCB_FLAG_RESFD): here of nothing.
 */
export class EventCounter {
  readonly #submit: (context: bigint, count: number, list: bigint) => number;
  readonly #reap: () => void;
  readonly #destroy: () => void;
  readonly #request = Buffer.alloc(IOCB.bytes);
  readonly #list = Buffer.alloc(8);
  readonly #listAt: bigint;
  readonly #context: bigint;
  readonly #nothing: number;

  private constructor(koffi: NativeLibrary, [, destroy, submit, reap]: readonly number[], context: bigint) {
    const libc = koffi.load('libc.so.6');
    const submitCall = libc.func('long syscall(long number, unsigned long context, long count, void *list)');
    const reapCall = libc.func(
      'long syscall(long number, unsigned long context, long least, long most, void *events, void *timeout)',
    );
    const destroyCall = libc.func('long syscall(long number, unsigned long context)');
    const events = Buffer.alloc(MOST_AT_ONCE * IO_EVENT_BYTES);
    const eventsAt = koffi.address(events);
    this.#context = context;
    this.#submit = (of, count, list) => Number(submitCall(submit, of, count, list));
    this.#reap = () => {
      // Named here so that it lives as long as its address is used.
      if (events.length > 0) reapCall(reap, context, 0, MOST_AT_ONCE, eventsAt, 0n);
    };
    this.#destroy = () => void destroyCall(destroy, context);
    this.#nothing = openSync('/dev/null', 'r');
    this.#request.writeUInt32LE(this.#nothing, IOCB.file);
    this.#request.writeBigUInt64LE(eventsAt, IOCB.buffer);
    this.#request.writeUInt32LE(IOCB_FLAG_RESFD, IOCB.flags);
    this.#list.writeBigUInt64LE(koffi.address(this.#request), 0);
    this.#listAt = koffi.address(this.#list);
  }

  /** Undefined where the kernel has no asynchronous reads for us. */
  static open(koffi: NativeLibrary): EventCounter | undefined {
    const numbers = CALLS[process.arch];
    if (numbers === undefined) return undefined;
    const context = Buffer.alloc(8);
    const setup = koffi.load('libc.so.6').func('long syscall(long number, long most, void *context)');
    if (Number(setup(numbers[0], MOST_AT_ONCE, koffi.address(context))) !== 0) return undefined;
    return new EventCounter(koffi, numbers, context.readBigUInt64LE());
  }

  /** Counts an eventfd up by one. A counter that is full stays so. False when it is none. */
  add(descriptor: number): boolean {
    this.#request.writeUInt32LE(descriptor, IOCB.eventFile);
    const taken = this.#submit(this.#context, 1, this.#listAt) === 1;
    this.#reap();
    return taken;
  }

  close(): void {
    this.#destroy();
    closeSync(this.#nothing);
  }
}
