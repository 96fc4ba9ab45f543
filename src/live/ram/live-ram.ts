import type { MemoryBank } from '../../../host/memory/memory-bank.js';

/** A guest's RAM as a bank of the machine, with what a bank behind system calls needs besides. */
export interface LiveRam extends MemoryBank {
  /** As `GuestMemory.prefetch`. */
  prefetch(offset: number, length: number): void;
  /** Everything that was written is where the guest sees it. */
  flush(): void;
}

/** Told of every access to a guest's RAM that the machine makes, in order. */
export interface RamObserver {
  /** These bytes were read: an input of the session. Borrowed. */
  read(offset: number, bytes: Uint8Array, at: number, length: number): void;
  /** These bytes were written: an output. Borrowed. */
  wrote(offset: number, bytes: Uint8Array, at: number, length: number): void;
}

/** RAM that tells an observer of what is read from it and written to it. */
export class ObservedRam implements LiveRam {
  readonly #inner: LiveRam;
  readonly #observer: RamObserver;

  constructor(inner: LiveRam, observer: RamObserver) {
    this.#inner = inner;
    this.#observer = observer;
  }

  get bytes(): number {
    return this.#inner.bytes;
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#inner.read(offset, length, target, targetOffset);
    this.#observer.read(offset, target, targetOffset, length);
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#inner.write(offset, length, source, sourceOffset);
    this.#observer.wrote(offset, source, sourceOffset, length);
  }

  prefetch(offset: number, length: number): void {
    this.#inner.prefetch(offset, length);
  }

  flush(): void {
    this.#inner.flush();
  }
}

/** RAM in an array, for tests and benches: no file, no system call. */
export class ArrayRam implements LiveRam {
  readonly array: Uint8Array;

  constructor(array: Uint8Array) {
    this.array = array;
  }

  get bytes(): number {
    return this.array.length;
  }

  read(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    target.set(this.array.subarray(offset, offset + length), targetOffset);
  }

  write(offset: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.array.set(source.subarray(sourceOffset, sourceOffset + length), offset);
  }

  prefetch(): void {}

  flush(): void {}
}
