import { PAGE_BYTES } from '../../nic/addresses.js';
import { copyBytes, copyShort } from '../../nic/copy-bytes.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { WordWindows } from './word-windows.js';

export { PAGE_BYTES } from '../../nic/addresses.js';

/** Host memory is given out in pieces of this size when first written, bytes: 16 pages. */
const CHUNK_BYTES = 65_536;
/** A power of two, so that the product is exact. */
const CHUNKS_A_BYTE = 1 / CHUNK_BYTES;

/** Up to here a loop over words beats a view that has to be made, from here on a loop over bytes loses to both (measured). */
const WORD_LOOP_BYTES = 512;
const SHORT_BYTES = 16;

/** Buffers start at multiples of this, as a rule; each such place remembers the last view of it. */
const VIEW_BYTES = 2048;
const VIEWS_PER_CHUNK = CHUNK_BYTES / VIEW_BYTES;

/** A piece of backing, as bytes and as words, with the views of it that were used last. */
class Chunk {
  readonly bytes = new Uint8Array(CHUNK_BYTES);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly #views = new Array<Uint8Array | undefined>(VIEWS_PER_CHUNK).fill(undefined);

  /** A view of `length` bytes at `offset`. The same buffers are used again and again, so it mostly is there already. */
  view(offset: number, length: number): Uint8Array {
    const place = (offset / VIEW_BYTES) | 0;
    const known = this.#views[place];
    if (known !== undefined && known.byteOffset === offset && known.length === length) return known;
    const fresh = this.bytes.subarray(offset, offset + length);
    this.#views[place] = fresh;
    return fresh;
  }
}

if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
  throw new InvariantViolation(
    'this emulator needs a little-endian machine: its memory is read as bytes and as words',
  );
}

/**
 * The machine's RAM: little-endian bytes at physical addresses. Nothing here knows who owns what; the
 * northbridge of the older design stops here. A piece of backing is allocated when it is first written;
 * what was never written reads as zero and costs nothing.
 */
export class PhysicalMemory {
  /** Size in pages. */
  readonly pageCount: number;
  readonly #bytes: number;
  readonly #chunks: (Chunk | undefined)[];
  readonly #windows = new WordWindows();
  #touched = 0;

  /** @param pages size in 4 KB pages, 1 to 2^26 (256 GB). */
  constructor(pages: number) {
    if (!Number.isInteger(pages) || pages < 1 || pages > 2 ** 26) {
      throw new ParameterError(`memory.pages is ${pages}, expected a whole number from 1 to ${2 ** 26}`);
    }
    this.pageCount = pages;
    this.#bytes = pages * PAGE_BYTES;
    this.#chunks = new Array<Chunk | undefined>(Math.ceil((pages * PAGE_BYTES) / CHUNK_BYTES)).fill(
      undefined,
    );
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of backing that have been allocated. */
  get touchedBytes(): number {
    return this.#touched * CHUNK_BYTES;
  }

  /** Whether `length` bytes at `address` are RAM. */
  contains(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.#bytes;
  }

  /** Copies out. The range must be RAM. */
  read(address: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#require(address, length);
    let number = Math.floor(address * CHUNKS_A_BYTE);
    let within = address - number * CHUNK_BYTES;
    let to = targetOffset;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk === undefined) target.fill(0, to, to + piece);
      else if (piece > SHORT_BYTES && within % VIEW_BYTES === 0) target.set(chunk.view(within, piece), to);
      else this.#readElsewhere(chunk, within, piece, target, to);
      to += piece;
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** Copies in. The range must be RAM. */
  write(address: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#require(address, length);
    let number = Math.floor(address * CHUNKS_A_BYTE);
    let within = address - number * CHUNK_BYTES;
    let from = sourceOffset;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      copyBytes(source, from, this.#chunk(number).bytes, within, piece);
      from += piece;
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** Copies within memory. The two ranges must not overlap. */
  copy(fromAddress: number, toAddress: number, length: number): void {
    this.#require(fromAddress, length);
    let number = Math.floor(fromAddress * CHUNKS_A_BYTE);
    let within = fromAddress - number * CHUNK_BYTES;
    let to = toAddress;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk === undefined) this.fill(to, piece, 0);
      else this.write(to, piece, chunk.view(within, piece), 0);
      to += piece;
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  fill(address: number, length: number, value: number): void {
    this.#require(address, length);
    let number = Math.floor(address * CHUNKS_A_BYTE);
    let within = address - number * CHUNK_BYTES;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      if (value !== 0 || this.#chunks[number] !== undefined)
        this.#chunk(number).bytes.fill(value, within, within + piece);
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** The 32-bit word at an address that is a multiple of 4. @throws RangeError when it is none, or not RAM. */
  readU32(address: number): number {
    const number = Math.floor(address * CHUNKS_A_BYTE);
    const chunk = this.#chunks[number];
    if (chunk === undefined || !this.#isWord(address)) return this.#readUntouched(address);
    return chunk.words[(address - number * CHUNK_BYTES) >>> 2] ?? 0;
  }

  /** As `readU32`. */
  writeU32(address: number, value: number): void {
    const number = Math.floor(address * CHUNKS_A_BYTE);
    const chunk = this.#chunks[number];
    if (chunk === undefined || !this.#isWord(address)) this.#writeUntouched(address, value);
    else chunk.words[(address - number * CHUNK_BYTES) >>> 2] = value;
  }

  /** Two words, the lower one first, at an address that is a multiple of 4. */
  readU64(address: number): bigint {
    return (BigInt(this.readU32(address + 4)) << 32n) | BigInt(this.readU32(address));
  }

  /** As `readU64`. */
  writeU64(address: number, value: bigint): void {
    this.writeU32(address, Number(value & 0xffffffffn));
    this.writeU32(address + 4, Number((value >> 32n) & 0xffffffffn));
  }

  /** What does not begin where buffers do: descriptors, status words, buffers of drivers that place them otherwise. */
  #readElsewhere(chunk: Chunk, within: number, length: number, target: Uint8Array, to: number): void {
    if (length > WORD_LOOP_BYTES) {
      target.set(chunk.view(within, length), to);
      return;
    }
    if (length < SHORT_BYTES || ((within | to | length | target.byteOffset) & 3) !== 0) {
      copyShort(chunk.bytes, within, target, to, length);
      return;
    }
    const words = this.#windows.of(target);
    const from = within >>> 2;
    const at = to >>> 2;
    const count = length >>> 2;
    for (let word = 0; word < count; word += 1) words[at + word] = chunk.words[from + word] ?? 0;
  }

  #chunk(number: number): Chunk {
    let chunk = this.#chunks[number];
    if (chunk === undefined) {
      chunk = new Chunk();
      this.#chunks[number] = chunk;
      this.#touched += 1;
    }
    return chunk;
  }

  #isWord(address: number): boolean {
    return (address & 3) === 0 && address < this.#bytes;
  }

  #readUntouched(address: number): number {
    this.#requireWord(address);
    return 0;
  }

  #writeUntouched(address: number, value: number): void {
    this.#requireWord(address);
    const number = Math.floor(address * CHUNKS_A_BYTE);
    this.#chunk(number).words[(address - number * CHUNK_BYTES) >>> 2] = value;
  }

  #requireWord(address: number): void {
    if ((address & 3) !== 0)
      throw new RangeError(`word at 0x${address.toString(16)}, expected an address that is a multiple of 4`);
    this.#require(address, 4);
  }

  #require(address: number, length: number): void {
    if (!this.contains(address, length)) {
      throw new RangeError(
        `physical access of ${length} bytes at 0x${address.toString(16)}, expected an address below 0x${this.bytes.toString(16)}`,
      );
    }
  }
}
