/** Bytes of a frame, and of every page in this house. */
export const FRAME_BYTES = 4096;

/** Host memory is given out in pieces of this size when first written, bytes: 16 frames. */
const CHUNK_BYTES = 65_536;

/**
 * The machine's RAM: little-endian bytes at physical addresses. Nothing here knows who owns what; the
 * northbridge of the older design stops here. A piece of backing is allocated when it is first written;
 * what was never written reads as zero and costs nothing.
 */
export class PhysicalMemory {
  /** Size in frames. */
  readonly frames: number;
  readonly #chunks: (Uint8Array | undefined)[];
  #touched = 0;

  /** @param frames size in 4 KB frames, 1 to 2^26 (256 GB). */
  constructor(frames: number) {
    if (!Number.isInteger(frames) || frames < 1 || frames > 2 ** 26) {
      throw new RangeError(`memory.frames is ${frames}, expected a whole number from 1 to ${2 ** 26}`);
    }
    this.frames = frames;
    this.#chunks = new Array<Uint8Array | undefined>(Math.ceil((frames * FRAME_BYTES) / CHUNK_BYTES)).fill(
      undefined,
    );
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.frames * FRAME_BYTES;
  }

  /** Bytes of backing that have been allocated. */
  get touchedBytes(): number {
    return this.#touched * CHUNK_BYTES;
  }

  /** Whether `length` bytes at `address` are RAM. */
  contains(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.bytes;
  }

  /** Copies out. The range must be RAM. */
  read(address: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#require(address, length);
    let at = address;
    let to = targetOffset;
    let left = length;
    while (left > 0) {
      const within = at % CHUNK_BYTES;
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[(at - within) / CHUNK_BYTES];
      if (chunk === undefined) target.fill(0, to, to + piece);
      else copyBytes(chunk, within, target, to, piece);
      at += piece;
      to += piece;
      left -= piece;
    }
  }

  /** Copies in. The range must be RAM. */
  write(address: number, length: number, source: Uint8Array, sourceOffset: number): void {
    this.#require(address, length);
    let at = address;
    let from = sourceOffset;
    let left = length;
    while (left > 0) {
      const within = at % CHUNK_BYTES;
      const piece = Math.min(left, CHUNK_BYTES - within);
      copyBytes(source, from, this.#chunk((at - within) / CHUNK_BYTES), within, piece);
      at += piece;
      from += piece;
      left -= piece;
    }
  }

  /** Copies within memory. The two ranges must not overlap. */
  copy(fromAddress: number, toAddress: number, length: number): void {
    this.#require(fromAddress, length);
    let from = fromAddress;
    let to = toAddress;
    let left = length;
    while (left > 0) {
      const within = from % CHUNK_BYTES;
      const piece = Math.min(left, CHUNK_BYTES - within);
      const chunk = this.#chunks[(from - within) / CHUNK_BYTES];
      if (chunk === undefined) this.fill(to, piece, 0);
      else this.write(to, piece, chunk, within);
      from += piece;
      to += piece;
      left -= piece;
    }
  }

  fill(address: number, length: number, value: number): void {
    this.#require(address, length);
    let at = address;
    let left = length;
    while (left > 0) {
      const within = at % CHUNK_BYTES;
      const piece = Math.min(left, CHUNK_BYTES - within);
      const number = (at - within) / CHUNK_BYTES;
      if (value !== 0 || this.#chunks[number] !== undefined)
        this.#chunk(number).fill(value, within, within + piece);
      at += piece;
      left -= piece;
    }
  }

  /** The 32-bit word at an address that is a multiple of 4. */
  readU32(address: number): number {
    this.#require(address, 4);
    const within = address % CHUNK_BYTES;
    const chunk = this.#chunks[(address - within) / CHUNK_BYTES];
    if (chunk === undefined) return 0;
    return (
      ((chunk[within] ?? 0) |
        ((chunk[within + 1] ?? 0) << 8) |
        ((chunk[within + 2] ?? 0) << 16) |
        ((chunk[within + 3] ?? 0) << 24)) >>>
      0
    );
  }

  writeU32(address: number, value: number): void {
    this.#require(address, 4);
    const within = address % CHUNK_BYTES;
    const chunk = this.#chunk((address - within) / CHUNK_BYTES);
    chunk[within] = value;
    chunk[within + 1] = value >>> 8;
    chunk[within + 2] = value >>> 16;
    chunk[within + 3] = value >>> 24;
  }

  readU64(address: number): bigint {
    return (BigInt(this.readU32(address + 4)) << 32n) | BigInt(this.readU32(address));
  }

  writeU64(address: number, value: bigint): void {
    this.writeU32(address, Number(value & 0xffffffffn));
    this.writeU32(address + 4, Number((value >> 32n) & 0xffffffffn));
  }

  #chunk(number: number): Uint8Array {
    let chunk = this.#chunks[number];
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_BYTES);
      this.#chunks[number] = chunk;
      this.#touched += 1;
    }
    return chunk;
  }

  #require(address: number, length: number): void {
    if (!this.contains(address, length)) {
      throw new RangeError(
        `physical access of ${length} bytes at 0x${address.toString(16)}, expected an address below 0x${this.bytes.toString(16)}`,
      );
    }
  }
}

/** Copies short runs by hand: below about a cache line a native call costs more than the bytes. */
function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  if (length <= 64) {
    for (let index = 0; index < length; index += 1) to[toOffset + index] = from[fromOffset + index] ?? 0;
    return;
  }
  to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}
