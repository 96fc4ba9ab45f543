import { PAGE_BYTES } from '../../nic/addresses.js';
import { copyBytes, copyShort } from '../../nic/copy-bytes.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { BankTable } from './bank-table.js';
import { ArrayBank, type MemoryBank } from './memory-bank.js';
import { WordWindows } from './word-windows.js';

export { PAGE_BYTES } from '../../nic/addresses.js';

/** Host memory is given out in pieces of this size when first written, bytes: 16 pages. */
const CHUNK_BYTES = 65_536;
/** A power of two, so that the product is exact. */
const CHUNKS_PER_BYTE = 1 / CHUNK_BYTES;

/** A bank begins at a multiple of this, so that a chunk belongs to banks or to none. */
export const BANK_ALIGNMENT = CHUNK_BYTES;

/** Up to here a loop over words beats a view that has to be made, from here on a loop over bytes loses to both (measured). */
const WORD_LOOP_BYTES = 512;
const SHORT_BYTES = 16;

/** Buffers start at multiples of this, as a rule; each such place remembers the last view of it. */
const VIEW_BYTES = 2048;
const VIEWS_PER_CHUNK = CHUNK_BYTES / VIEW_BYTES;

/** A chunk of backing, as bytes and as words, with the views of it that were used last. */
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
 * The machine's RAM: little-endian bytes at physical addresses. Ownership is no matter of this class; the
 * northbridge of the older design stops here. A chunk of backing is allocated when it is first written;
 * what was never written reads as zero and costs nothing.
 *
 * RAM may also lie in banks: a real guest's memory file, for one. Every method works on banks as it does on
 * chunks, and on ranges that cross from one to the other. Chunks are looked at first, so that a machine without
 * banks pays nothing for them.
 */
export class PhysicalMemory {
  /** Size in pages. */
  readonly pageCount: number;
  readonly #bytes: number;
  readonly #chunks: (Chunk | undefined)[];
  readonly #windows = new WordWindows();
  readonly #banks = new BankTable();
  // One word on its way to or from a bank, as bytes and as a word.
  readonly #word = new Uint32Array(1);
  readonly #wordBytes = new Uint8Array(this.#word.buffer);
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

  /**
   * Puts a bank in the place of RAM from `address` on. What was there before is lost. The rest of its last 64 KB
   * stays RAM, zeroed.
   * @throws InvariantViolation unless the address is a multiple of `BANK_ALIGNMENT`, the size one of a page, and
   *   the place RAM without a bank.
   */
  attachBank(address: number, bank: MemoryBank): void {
    const { bytes } = bank;
    if (address % CHUNK_BYTES !== 0 || bytes % PAGE_BYTES !== 0 || bytes <= 0)
      throw new InvariantViolation(
        `a memory bank of ${bytes} bytes at 0x${address.toString(16)}, expected whole pages at a multiple of 0x${CHUNK_BYTES.toString(16)}`,
      );
    const end = Math.min(this.#bytes, roundUp(address + bytes));
    this.#require(address, bytes);
    this.#banks.attach(address, bank);
    const rest = end - address - bytes;
    if (rest > 0) this.#banks.attach(address + bytes, new ArrayBank(new Uint8Array(rest)));
    this.#dropChunks(address, end);
  }

  /** Takes a bank away. Its place is RAM again, zeroed. @throws InvariantViolation when none begins there. */
  detachBank(address: number): void {
    const { end } = this.#banks.detach(address);
    if (end % CHUNK_BYTES !== 0 && end < this.#bytes) this.#banks.detach(end);
  }

  /** Copies out. The range must be RAM. */
  read(address: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#require(address, length);
    let number = Math.floor(address * CHUNKS_PER_BYTE);
    let within = address - number * CHUNK_BYTES;
    let to = targetOffset;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk === undefined) this.#readUnbacked(number * CHUNK_BYTES + within, piece, target, to);
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
    let number = Math.floor(address * CHUNKS_PER_BYTE);
    let within = address - number * CHUNK_BYTES;
    let from = sourceOffset;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk !== undefined) copyBytes(source, from, chunk.bytes, within, piece);
      else this.#writeUnbacked(number * CHUNK_BYTES + within, piece, source, from);
      from += piece;
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** Copies within memory. The two ranges must not overlap. */
  copy(fromAddress: number, toAddress: number, length: number): void {
    this.#require(fromAddress, length);
    let number = Math.floor(fromAddress * CHUNKS_PER_BYTE);
    let within = fromAddress - number * CHUNK_BYTES;
    let to = toAddress;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk === undefined) this.#copyUnbacked(number * CHUNK_BYTES + within, to, piece);
      else this.write(to, piece, chunk.view(within, piece), 0);
      to += piece;
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  fill(address: number, length: number, value: number): void {
    this.#require(address, length);
    let number = Math.floor(address * CHUNKS_PER_BYTE);
    let within = address - number * CHUNK_BYTES;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[number];
      if (chunk !== undefined) chunk.bytes.fill(value, within, within + piece);
      else this.#fillUnbacked(number * CHUNK_BYTES + within, piece, value);
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** The 32-bit word at an address that is a multiple of 4. @throws RangeError when it is none, or not RAM. */
  readU32(address: number): number {
    const number = Math.floor(address * CHUNKS_PER_BYTE);
    const chunk = this.#chunks[number];
    if (chunk === undefined || !this.#isWord(address)) return this.#readUntouched(address);
    return chunk.words[(address - number * CHUNK_BYTES) >>> 2] ?? 0;
  }

  /** As `readU32`. */
  writeU32(address: number, value: number): void {
    const number = Math.floor(address * CHUNKS_PER_BYTE);
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

  /** Throws an InvariantViolation when a chunk has backing where banks are, or banks overlap. */
  checkInvariants(): void {
    this.#banks.checkInvariants();
    if (this.#banks.size === 0) return;
    for (const [number, chunk] of this.#chunks.entries()) {
      if (chunk !== undefined && this.#banks.at(number * CHUNK_BYTES) !== undefined)
        throw new InvariantViolation(`chunk ${number} of memory lies in a bank and beside it`);
    }
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
    const at = this.#banks.at(address);
    if (at === undefined) return 0;
    at.bank.read(address - at.first, 4, this.#wordBytes, 0);
    return present(this.#word[0]);
  }

  #writeUntouched(address: number, value: number): void {
    this.#requireWord(address);
    const at = this.#banks.at(address);
    if (at === undefined) {
      const number = Math.floor(address * CHUNKS_PER_BYTE);
      this.#chunk(number).words[(address - number * CHUNK_BYTES) >>> 2] = value;
      return;
    }
    this.#word[0] = value;
    at.bank.write(address - at.first, 4, this.#wordBytes, 0);
  }

  /** Reads bytes of one chunk that has no backing: from the banks in its place, or zeros. */
  #readUnbacked(address: number, length: number, target: Uint8Array, targetOffset: number): void {
    for (let done = 0; done < length; ) {
      const at = this.#banks.at(address + done);
      if (at === undefined) {
        target.fill(0, targetOffset + done, targetOffset + length);
        return;
      }
      const piece = Math.min(length - done, at.end - address - done);
      at.bank.read(address + done - at.first, piece, target, targetOffset + done);
      done += piece;
    }
  }

  /** Writes bytes of one chunk that has no backing: to the banks in its place, or to a chunk that is made for it. */
  #writeUnbacked(address: number, length: number, source: Uint8Array, sourceOffset: number): void {
    for (let done = 0; done < length; ) {
      const at = this.#banks.at(address + done);
      if (at === undefined) {
        const number = Math.floor(address * CHUNKS_PER_BYTE);
        const within = address + done - number * CHUNK_BYTES;
        copyBytes(source, sourceOffset + done, this.#chunk(number).bytes, within, length - done);
        return;
      }
      const piece = Math.min(length - done, at.end - address - done);
      at.bank.write(address + done - at.first, piece, source, sourceOffset + done);
      done += piece;
    }
  }

  #copyUnbacked(from: number, to: number, length: number): void {
    if (this.#banks.at(from) === undefined) {
      this.fill(to, length, 0);
      return;
    }
    const bytes = new Uint8Array(length);
    this.#readUnbacked(from, length, bytes, 0);
    this.write(to, length, bytes, 0);
  }

  /** Zeros need no chunk where there is none. */
  #fillUnbacked(address: number, length: number, value: number): void {
    if (value === 0 && this.#banks.at(address) === undefined) return;
    this.#writeUnbacked(address, length, new Uint8Array(length).fill(value), 0);
  }

  #dropChunks(address: number, end: number): void {
    for (let number = address / CHUNK_BYTES; number * CHUNK_BYTES < end; number += 1) {
      if (this.#chunks[number] === undefined) continue;
      this.#chunks[number] = undefined;
      this.#touched -= 1;
    }
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

function roundUp(address: number): number {
  return Math.ceil(address * CHUNKS_PER_BYTE) * CHUNK_BYTES;
}
