import { type HostPhysicalAddress, hostPhysicalAddress } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';
/** ro: writes are ignored. rw: read and write. wo: reads give zero. A register may also have bits that a written 1 clears. */
export type RegisterAccess = 'ro' | 'rw' | 'wo';

/** One line of the datasheet. */
export interface RegisterDefinition<Name extends string = string> {
  readonly name: Name;
  /** Bytes from the start of the window, aligned to the width. */
  readonly offset: number;
  /** Bytes. */
  readonly width: 4 | 8;
  readonly access: RegisterAccess;
  readonly reset: bigint;
  /** Bits that software can write; all, if left out. */
  readonly writable?: bigint;
  /** Bits that read as they are, the others as 0; all, if left out. */
  readonly readable?: bigint;
  /** Bits that software clears by writing 1. */
  readonly clearedByOne?: bigint;
  /** What it is for, in one line. */
  readonly meaning: string;
}

/**
 * Called after software has written 32 bits of a register.
 *
 * @param value the word that was written, whatever became of it
 * @param high true for the upper half of a 64-bit register
 */
export type WriteHandler<Name extends string> = (name: Name, value: number, high: boolean) => void;

const MASK_32 = 0xffff_ffffn;

/**
 * The memory-mapped registers of a unit, in 32-bit words. Decoding comes from the table alone: where nothing is
 * defined, reads give zero and writes are ignored. A 64-bit access is two 32-bit ones, the lower half first, which
 * is also how 32-bit software sets off commands: with the half that holds the command bit, last.
 */
export class RegisterFile<Name extends string> {
  readonly definitions: readonly RegisterDefinition<Name>[];
  readonly bytes: number;
  readonly #words: Uint32Array;
  readonly #writable: Uint32Array;
  readonly #clearedByOne: Uint32Array;
  readonly #readable: Uint32Array;
  /** Which definition a word belongs to, or -1. */
  readonly #owner: Int16Array;
  readonly #wordOf = new Map<Name, number>();
  readonly #onWrite: WriteHandler<Name>;

  constructor(definitions: readonly RegisterDefinition<Name>[], bytes: number, onWrite: WriteHandler<Name>) {
    this.definitions = definitions;
    this.bytes = bytes;
    this.#onWrite = onWrite;
    const words = bytes / 4;
    this.#words = new Uint32Array(words);
    this.#writable = new Uint32Array(words);
    this.#clearedByOne = new Uint32Array(words);
    this.#readable = new Uint32Array(words);
    this.#owner = new Int16Array(words).fill(-1);
    for (const [index, definition] of definitions.entries()) this.#place(index, definition);
    this.reset();
  }

  /** Gives every register its reset value. */
  reset(): void {
    for (const { name, reset } of this.definitions) {
      this.set(name, Number(reset & MASK_32), Number(reset >> 32n));
    }
  }

  /** What software reads: 32 bits at a multiple of 4. */
  read32(offset: number): number {
    const word = this.#word(offset, 4);
    return ((this.#words[word] ?? absent()) & (this.#readable[word] ?? absent())) >>> 0;
  }

  read64(offset: number): bigint {
    this.#word(offset, 8);
    return BigInt(this.read32(offset)) | (BigInt(this.read32(offset + 4)) << 32n);
  }

  /** What software writes: 32 bits at a multiple of 4. */
  write32(offset: number, value: number): void {
    const word = this.#word(offset, 4);
    const definition = this.definitions[this.#owner[word] ?? absent()];
    if (definition === undefined || definition.access === 'ro') return;
    const writable = this.#writable[word] ?? absent();
    const kept =
      (this.#words[word] ?? absent()) & ~writable & ~(value & (this.#clearedByOne[word] ?? absent()));
    this.#words[word] = kept | (value & writable);
    this.#onWrite(definition.name, value >>> 0, offset !== definition.offset);
  }

  write64(offset: number, value: bigint): void {
    this.#word(offset, 8);
    this.write32(offset, Number(value & MASK_32));
    this.write32(offset + 4, Number((value >> 32n) & MASK_32));
  }

  /** The unit's own view: the lower 32 bits of a register. */
  low(name: Name): number {
    return this.#words[this.#indexOf(name)] ?? absent();
  }

  /** The upper 32 bits of a 64-bit register. */
  high(name: Name): number {
    return this.#words[this.#indexOf(name) + 1] ?? absent();
  }

  /** The physical address in bits 51:12 of a 64-bit register, with the lower bits in `lowMask` kept. */
  address(name: Name, lowMask = 0xffff_f000): HostPhysicalAddress {
    return hostPhysicalAddress(((this.low(name) & lowMask) >>> 0) + (this.high(name) & 0xf_ffff) * 2 ** 32);
  }

  /**
   * The word at which a register starts, to be kept by a part that looks at it often: `lowAt` and `setLowAt` take it.
   * Looking a name up for each step of a queue was a tenth of the queue's time.
   */
  wordOf(name: Name): number {
    return this.#indexOf(name);
  }

  /** As `low`. */
  lowAt(word: number): number {
    return this.#words[word] ?? absent();
  }

  /** Sets the lower 32 bits; no handler is called. */
  setLowAt(word: number, value: number): void {
    this.#words[word] = value;
  }

  /** Sets a register; no handler is called. `high` is for 64-bit registers only. */
  set(name: Name, low: number, high?: number): void {
    const word = this.#indexOf(name);
    this.#words[word] = low;
    if (high !== undefined && this.#owner[word + 1] === this.#owner[word]) this.#words[word + 1] = high;
  }

  #place(index: number, definition: RegisterDefinition<Name>): void {
    const { name, offset, width, access } = definition;
    if (offset % width !== 0 || offset + width > this.bytes)
      throw new InvariantViolation(`register ${name} at ${offset}`);
    if (this.#wordOf.has(name)) throw new InvariantViolation(`register ${name} is there twice`);
    this.#wordOf.set(name, offset / 4);
    const cleared = definition.clearedByOne ?? 0n;
    const writable = access === 'rw' ? (definition.writable ?? ~0n) & ~cleared : 0n;
    for (let half = 0; half < width / 4; half += 1) {
      const word = offset / 4 + half;
      if (this.#owner[word] !== -1) throw new InvariantViolation(`register ${name} overlaps another`);
      this.#owner[word] = index;
      this.#writable[word] = Number((writable >> BigInt(32 * half)) & MASK_32);
      this.#clearedByOne[word] = Number((cleared >> BigInt(32 * half)) & MASK_32);
      const readable = access === 'wo' ? 0n : (definition.readable ?? ~0n);
      this.#readable[word] = Number((readable >> BigInt(32 * half)) & MASK_32);
    }
  }

  #indexOf(name: Name): number {
    const word = this.#wordOf.get(name);
    if (word === undefined) throw new InvariantViolation(`no register ${name}`);
    return word;
  }

  #word(offset: number, width: number): number {
    if (!(offset >= 0 && offset + width <= this.bytes) || offset % width !== 0) {
      throw new RangeError(
        `register access of ${width} bytes at ${offset}, expected a multiple of ${width} below ${this.bytes}`,
      );
    }
    return offset / 4;
  }
}
