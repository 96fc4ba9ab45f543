import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
} from '../../nic/addresses.js';
import { copyBytes, copyShort } from '../../nic/copy-bytes.js';
import { ViewCache } from '../../nic/view-cache.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';
import { floorLog2 } from '../../scheduler/whole-logarithm.js';
import { BufferViews, PIECE_BYTES, PIECES_PER_BYTE, Piece, VIEW_BYTES } from './backing.js';
import { BankTable } from './bank-table.js';
import { ArrayBank, type MemoryBank } from './memory-bank.js';
import { WordWindows } from './word-windows.js';

export { PAGE_BYTES } from '../../nic/addresses.js';

/** A bank begins at a multiple of this, so that a piece of backing lies beside banks or there is none. */
export const BANK_ALIGNMENT = PIECE_BYTES;

/** Up to here a loop over words beats a view that has to be made, from here on a loop over bytes loses to both (measured). */
const WORD_LOOP_BYTES = 512;
const SHORT_BYTES = 16;
/** Log2 of the pages of a piece. */
const PIECE_PAGE_BITS = floorLog2(PIECE_BYTES / PAGE_BYTES);
const PAGE_BITS = floorLog2(PAGE_BYTES);

/**
 * The machine's RAM: little-endian bytes at physical addresses. Ownership is no matter of this class; the
 * northbridge of the older design stops here. A piece of backing is allocated when it is first written;
 * what was never written reads as zero and costs nothing.
 *
 * RAM may also lie in banks: a real guest's memory file, for one. Every method works on banks as it does on
 * pieces, and on ranges that cross from one to the other. Pieces are looked at first, so that a machine without
 * banks pays nothing for them.
 */
export class PhysicalMemory {
  /** Size in pages. */
  readonly pageCount: number;
  readonly #bytes: number;
  readonly #pieces: (Piece | undefined)[];
  readonly #views = new BufferViews();
  /** Of what is written in parts. */
  readonly #sources = new ViewCache();
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
    this.#pieces = new Array<Piece | undefined>(Math.ceil(this.#bytes / PIECE_BYTES)).fill(undefined);
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of backing that have been allocated. */
  get touchedBytes(): number {
    return this.#touched;
  }

  /** Whether `length` bytes at `address` are RAM. */
  contains(address: HostPhysicalAddress, length: number): boolean {
    return address >= 0 && address + length <= this.#bytes;
  }

  /**
   * Puts a bank in the place of RAM from `address` on. What was there before is lost. The rest of its last megabyte
   * stays RAM, zeroed.
   * @throws InvariantViolation unless the address is a multiple of `BANK_ALIGNMENT`, the size one of a page, and
   *   the place RAM without a bank.
   */
  attachBank(address: HostPhysicalAddress, bank: MemoryBank): void {
    const { bytes } = bank;
    if (address % BANK_ALIGNMENT !== 0 || bytes % PAGE_BYTES !== 0 || bytes <= 0)
      throw new InvariantViolation(
        `a memory bank of ${bytes} bytes at 0x${address.toString(16)}, expected whole pages at a multiple of 0x${BANK_ALIGNMENT.toString(16)}`,
      );
    this.#require(address, bytes);
    const end = Math.min(this.#bytes, Math.ceil((address + bytes) * PIECES_PER_BYTE) * PIECE_BYTES);
    this.#banks.attach(address, bank);
    const rest = end - address - bytes;
    if (rest > 0) this.#banks.attach(addressAfter(address, bytes), new ArrayBank(new Uint8Array(rest)));
    this.#dropPieces(address, end);
  }

  /** Takes a bank away. Its place is RAM again, zeroed. @throws InvariantViolation when none begins there. */
  detachBank(address: HostPhysicalAddress): void {
    const { end } = this.#banks.detach(address);
    if (end % BANK_ALIGNMENT !== 0 && end < this.#bytes) this.#banks.detach(end);
  }

  /** Copies out. The range must be RAM. */
  read(address: HostPhysicalAddress, length: number, target: Uint8Array, targetOffset: number): void {
    this.#require(address, length);
    const number = Math.floor(address * PIECES_PER_BYTE);
    const within = (address - number * PIECE_BYTES) | 0;
    const backing = this.#pieces[number];
    if (backing !== undefined && within + length <= PIECE_BYTES)
      this.#readBacking(backing, number, within, length, target, targetOffset);
    else this.#readPieces(address, length, target, targetOffset);
  }

  /** Copies in. The range must be RAM. */
  write(address: HostPhysicalAddress, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#require(address, length);
    const number = Math.floor(address * PIECES_PER_BYTE);
    const within = (address - number * PIECE_BYTES) | 0;
    const backing = this.#pieces[number];
    if (backing !== undefined && within + length <= PIECE_BYTES)
      copyBytes(source, sourceOffset, backing.bytes, within, length);
    else this.#writePieces(address, length, source, sourceOffset);
  }

  /** As `read`, `offset` bytes into a page and not beyond it: numbers that the engine hands on without allocating them. */
  readPage(page: PageNumber, offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    const backing = this.#pieces[page >>> PIECE_PAGE_BITS];
    if (backing === undefined)
      this.read(addressAfter(pageAddress(page), offset), length, target, targetOffset);
    else
      this.#readBacking(
        backing,
        page >>> PIECE_PAGE_BITS,
        withinPiece(page, offset),
        length,
        target,
        targetOffset,
      );
  }

  /** As `write`, likewise. */
  writePage(
    page: PageNumber,
    offset: number,
    length: number,
    source: Uint8Array,
    sourceOffset: number,
  ): void {
    const backing = this.#pieces[page >>> PIECE_PAGE_BITS];
    if (backing === undefined)
      this.write(addressAfter(pageAddress(page), offset), length, source, sourceOffset);
    else copyBytes(source, sourceOffset, backing.bytes, withinPiece(page, offset), length, this.#sources);
  }

  /** Copies within memory. The two ranges must not overlap. */
  copy(fromAddress: HostPhysicalAddress, toAddress: HostPhysicalAddress, length: number): void {
    this.#require(fromAddress, length);
    this.#require(toAddress, length);
    let number = Math.floor(fromAddress * PIECES_PER_BYTE);
    let within = (fromAddress - number * PIECE_BYTES) | 0;
    const toNumber = Math.floor(toAddress * PIECES_PER_BYTE);
    const toWithin = (toAddress - toNumber * PIECE_BYTES) | 0;
    const source = this.#pieces[number];
    const target = this.#pieces[toNumber];
    if (
      source !== undefined &&
      target !== undefined &&
      within + length <= PIECE_BYTES &&
      toWithin + length <= PIECE_BYTES
    ) {
      this.#copyBacked(source, number, within, target, toWithin, length);
      return;
    }
    let to = toAddress;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, PIECE_BYTES - within);
      const backing = this.#pieces[number];
      if (backing === undefined)
        this.#copyUnbacked(addressAfter(hostPhysicalAddress(number * PIECE_BYTES), within), to, piece);
      else this.write(to, piece, backing.bytes, within);
      to = addressAfter(to, piece);
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  fill(address: HostPhysicalAddress, length: number, value: number): void {
    this.#require(address, length);
    let number = Math.floor(address * PIECES_PER_BYTE);
    let within = address - number * PIECE_BYTES;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, PIECE_BYTES - within);
      const backing = this.#pieces[number];
      if (backing !== undefined) backing.bytes.fill(value, within, within + piece);
      else this.#fillUnbacked(addressAfter(hostPhysicalAddress(number * PIECE_BYTES), within), piece, value);
      left -= piece;
      number += 1;
      within = 0;
    }
  }

  /** The 32-bit word at an address that is a multiple of 4. @throws RangeError when it is none, or not RAM. */
  readU32(address: HostPhysicalAddress): number {
    const number = Math.floor(address * PIECES_PER_BYTE);
    const backing = this.#pieces[number];
    if (backing === undefined || !this.#isWord(address)) return this.#readUntouched(address);
    return backing.words[(address - number * PIECE_BYTES) >>> 2] ?? absent();
  }

  /** As `readU32`. */
  writeU32(address: HostPhysicalAddress, value: number): void {
    const number = Math.floor(address * PIECES_PER_BYTE);
    const backing = this.#pieces[number];
    if (backing === undefined || !this.#isWord(address)) this.#writeUntouched(address, value);
    else backing.words[(address - number * PIECE_BYTES) >>> 2] = value;
  }

  /** Two words, the lower one first, at an address that is a multiple of 4. */
  readU64(address: HostPhysicalAddress): bigint {
    return (BigInt(this.readU32(addressAfter(address, 4))) << 32n) | BigInt(this.readU32(address));
  }

  /** As `readU64`. */
  writeU64(address: HostPhysicalAddress, value: bigint): void {
    this.writeU32(address, Number(value & 0xffffffffn));
    this.writeU32(addressAfter(address, 4), Number((value >> 32n) & 0xffffffffn));
  }

  /** Throws an InvariantViolation when a piece has backing where banks are, or banks overlap. */
  checkInvariants(): void {
    this.#banks.checkInvariants();
    if (this.#banks.size === 0) return;
    for (const [number, backing] of this.#pieces.entries()) {
      if (backing !== undefined && this.#banks.at(hostPhysicalAddress(number * PIECE_BYTES)) !== undefined)
        throw new InvariantViolation(`piece ${number} of memory lies in a bank and beside it`);
    }
  }

  /** Bytes of a range that lie in the piece of backing in which it begins. */
  #untilPieceEnds(address: HostPhysicalAddress, length: number): number {
    const number = Math.floor(address * PIECES_PER_BYTE);
    return Math.min(length, (number + 1) * PIECE_BYTES - address);
  }

  /** Reads what lies in several pieces of backing, or in none. */
  #readPieces(address: HostPhysicalAddress, length: number, target: Uint8Array, to: number): void {
    let piece = 0;
    for (let done = 0; done < length; done += piece) {
      const at = addressAfter(address, done);
      const number = Math.floor(at * PIECES_PER_BYTE);
      const backing = this.#pieces[number];
      piece = this.#untilPieceEnds(at, length - done);
      if (backing === undefined) this.#readUnbacked(at, piece, target, to + done);
      else this.#readBacking(backing, number, (at - number * PIECE_BYTES) | 0, piece, target, to + done);
    }
  }

  /** Writes likewise. */
  #writePieces(address: HostPhysicalAddress, length: number, source: Uint8Array, from: number): void {
    let piece = 0;
    for (let done = 0; done < length; done += piece) {
      const at = addressAfter(address, done);
      const number = Math.floor(at * PIECES_PER_BYTE);
      const backing = this.#pieces[number];
      piece = this.#untilPieceEnds(at, length - done);
      if (backing === undefined) this.#writeUnbacked(at, piece, source, from + done);
      else copyBytes(source, from + done, backing.bytes, (at - number * PIECE_BYTES) | 0, piece);
    }
  }

  #readBacking(
    backing: Piece,
    pieceNumber: number,
    within: number,
    length: number,
    target: Uint8Array,
    to: number,
  ): void {
    if (length > SHORT_BYTES && (within & (VIEW_BYTES - 1)) === 0)
      target.set(this.#views.of(backing, pieceNumber, within, length), to);
    else this.#readElsewhere(backing, within, length, target, to);
  }

  /** Copies between two pieces, or within one. */
  #copyBacked(
    source: Piece,
    pieceNumber: number,
    from: number,
    target: Piece,
    to: number,
    length: number,
  ): void {
    if (length > WORD_LOOP_BYTES) {
      if ((from & (VIEW_BYTES - 1)) === 0)
        target.bytes.set(this.#views.of(source, pieceNumber, from, length), to);
      else copyBytes(source.bytes, from, target.bytes, to, length);
      return;
    }
    let done = 0;
    if (((from | to) & 3) === 0) {
      const { words } = source;
      const into = target.words;
      const first = from >>> 2;
      const at = to >>> 2;
      const count = length >>> 2;
      for (let word = 0; word < count; word += 1) into[at + word] = words[first + word] ?? absent();
      done = count << 2;
    }
    copyShort(source.bytes, from + done, target.bytes, to + done, length - done);
  }

  /** What does not begin where buffers do: descriptors, status words, buffers of drivers that place them otherwise. */
  #readElsewhere(backing: Piece, within: number, length: number, target: Uint8Array, to: number): void {
    if (length > WORD_LOOP_BYTES) {
      target.set(backing.bytes.subarray(within, within + length), to);
      return;
    }
    if (length < SHORT_BYTES || ((within | to | length | target.byteOffset) & 3) !== 0) {
      copyShort(backing.bytes, within, target, to, length);
      return;
    }
    const words = this.#windows.of(target);
    const from = within >>> 2;
    const at = to >>> 2;
    const count = length >>> 2;
    for (let word = 0; word < count; word += 1) words[at + word] = backing.words[from + word] ?? absent();
  }

  #piece(number: number): Piece {
    let backing = this.#pieces[number];
    if (backing === undefined) {
      const bytes = Math.min(PIECE_BYTES, this.#bytes - number * PIECE_BYTES);
      backing = new Piece(bytes);
      this.#pieces[number] = backing;
      this.#touched += bytes;
    }
    return backing;
  }

  #isWord(address: HostPhysicalAddress): boolean {
    return (address & 3) === 0 && address < this.#bytes;
  }

  #readUntouched(address: HostPhysicalAddress): number {
    this.#requireWord(address);
    const at = this.#banks.at(address);
    if (at === undefined) return 0;
    at.bank.read(address - at.first, 4, this.#wordBytes, 0);
    return this.#word[0] ?? absent();
  }

  #writeUntouched(address: HostPhysicalAddress, value: number): void {
    this.#requireWord(address);
    const at = this.#banks.at(address);
    if (at === undefined) {
      const number = Math.floor(address * PIECES_PER_BYTE);
      this.#piece(number).words[(address - number * PIECE_BYTES) >>> 2] = value;
      return;
    }
    this.#word[0] = value;
    at.bank.write(address - at.first, 4, this.#wordBytes, 0);
  }

  /** Reads a range in one piece that has no backing: from the banks in its place, or zeros. */
  #readUnbacked(
    address: HostPhysicalAddress,
    length: number,
    target: Uint8Array,
    targetOffset: number,
  ): void {
    for (let done = 0; done < length; ) {
      const at = this.#banks.at(addressAfter(address, done));
      if (at === undefined) {
        target.fill(0, targetOffset + done, targetOffset + length);
        return;
      }
      const part = Math.min(length - done, at.end - address - done);
      at.bank.read(address + done - at.first, part, target, targetOffset + done);
      done += part;
    }
  }

  /** Writes a range in one piece that has no backing: to the banks in its place, or to backing that is made for it. */
  #writeUnbacked(
    address: HostPhysicalAddress,
    length: number,
    source: Uint8Array,
    sourceOffset: number,
  ): void {
    for (let done = 0; done < length; ) {
      const at = this.#banks.at(addressAfter(address, done));
      if (at === undefined) {
        const number = Math.floor(address * PIECES_PER_BYTE);
        const within = address + done - number * PIECE_BYTES;
        copyBytes(source, sourceOffset + done, this.#piece(number).bytes, within, length - done);
        return;
      }
      const part = Math.min(length - done, at.end - address - done);
      at.bank.write(address + done - at.first, part, source, sourceOffset + done);
      done += part;
    }
  }

  #copyUnbacked(from: HostPhysicalAddress, to: HostPhysicalAddress, length: number): void {
    if (this.#banks.at(from) === undefined) {
      this.fill(to, length, 0);
      return;
    }
    const bytes = new Uint8Array(length);
    this.#readUnbacked(from, length, bytes, 0);
    this.write(to, length, bytes, 0);
  }

  /** Zeros need no backing where there is none. */
  #fillUnbacked(address: HostPhysicalAddress, length: number, value: number): void {
    if (value === 0 && this.#banks.at(address) === undefined) return;
    this.#writeUnbacked(address, length, new Uint8Array(length).fill(value), 0);
  }

  #dropPieces(address: number, end: number): void {
    this.#views.clear();
    for (let number = address / PIECE_BYTES; number * PIECE_BYTES < end; number += 1) {
      // 0: a piece that was never written has no bytes.
      this.#touched -= this.#pieces[number]?.bytes.length ?? 0;
      this.#pieces[number] = undefined;
    }
  }

  #requireWord(address: HostPhysicalAddress): void {
    if ((address & 3) !== 0)
      throw new RangeError(`word at 0x${address.toString(16)}, expected an address that is a multiple of 4`);
    this.#require(address, 4);
  }

  #require(address: HostPhysicalAddress, length: number): void {
    if (!this.contains(address, length)) {
      throw new RangeError(
        `physical access of ${length} bytes at 0x${address.toString(16)}, expected an address below 0x${this.bytes.toString(16)}`,
      );
    }
  }
}

/** Where in its piece of backing lies what is `offset` bytes into a page. */
function withinPiece(page: PageNumber, offset: number): number {
  return ((page & ((1 << PIECE_PAGE_BITS) - 1)) << PAGE_BITS) | offset;
}
