import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';

/** Block sizes of the receive buffer, bytes: most frames are small or full, a few are jumbo. */
const BLOCK_BYTES = [256, 2048, 9216] as const;
const SLAB_BLOCKS = 32;
const CLASS_BITS = 2;

/**
 * The NIC's receive memory: frames of any size, kept and released in any order. Blocks of three sizes are
 * cut from slabs that are allocated when first needed, so contexts that receive nothing cost nothing.
 */
export class ReceiveBuffer {
  readonly #slabs: Uint8Array[][] = [[], [], []];
  readonly #free: Int32Array[] = [new Int32Array(0), new Int32Array(0), new Int32Array(0)];
  readonly #freeCount = [0, 0, 0];
  // The view of each block that was used last: blocks and lengths come again and again.
  readonly #views: Uint8Array[][] = [[], [], []];
  #used = 0;

  /** Blocks in use. */
  get used(): number {
    return this.#used;
  }

  /** Takes a block that holds `length` bytes; returns its number. */
  allocate(length: number): number {
    const size = length <= 256 ? 0 : length <= 2048 ? 1 : 2;
    if (length > BLOCK_BYTES[2])
      throw new RangeError(`frame of ${length} bytes, expected at most ${BLOCK_BYTES[2]}`);
    if (this.#freeCount[size] === 0) this.#addSlab(size);
    const count = present(this.#freeCount[size]) - 1;
    this.#freeCount[size] = count;
    this.#used += 1;
    return (present(present(this.#free[size])[count]) << CLASS_BITS) | size;
  }

  /** The memory in which a block lies. */
  bytes(block: number): Uint8Array {
    const slab = this.#slabs[block & 3]?.[((block >> CLASS_BITS) / SLAB_BLOCKS) | 0];
    if (slab === undefined) throw new InvariantViolation(`receive block ${block} does not exist`);
    return slab;
  }

  /** Where in that memory it begins. */
  offset(block: number): number {
    return ((block >> CLASS_BITS) % SLAB_BLOCKS) * present(BLOCK_BYTES[(block & 3) as 0 | 1 | 2]);
  }

  /** The first `length` bytes of a block, as a view that is made once for as long as the length stays the same. */
  view(block: number, length: number): Uint8Array {
    const views = this.#views[block & 3];
    const number = block >> CLASS_BITS;
    const known = views?.[number];
    if (known !== undefined && known.length === length) return known;
    const at = this.offset(block);
    const fresh = this.bytes(block).subarray(at, at + length);
    if (views !== undefined) views[number] = fresh;
    return fresh;
  }

  release(block: number): void {
    const size = block & 3;
    const free = this.#free[size];
    const count = present(this.#freeCount[size]);
    if (free === undefined || count >= free.length)
      throw new InvariantViolation(`receive block ${block} released twice`);
    free[count] = block >> CLASS_BITS;
    this.#freeCount[size] = count + 1;
    this.#used -= 1;
  }

  checkInvariants(): void {
    let blocks = 0;
    let free = 0;
    this.#slabs.forEach((slabs, size) => {
      const count = present(this.#freeCount[size]);
      blocks += slabs.length * SLAB_BLOCKS;
      free += count;
      if (new Set(this.#free[size]?.subarray(0, count)).size !== count)
        throw new InvariantViolation('a receive block is free twice');
    });
    if (blocks - free !== this.#used)
      throw new InvariantViolation(`${this.#used} receive blocks counted, ${blocks - free} used`);
  }

  #addSlab(size: number): void {
    const slabs = this.#slabs[size];
    if (slabs === undefined) throw new InvariantViolation(`no block class ${size}`);
    const first = slabs.length * SLAB_BLOCKS;
    slabs.push(new Uint8Array(SLAB_BLOCKS * present(BLOCK_BYTES[size as 0 | 1 | 2])));
    const free = new Int32Array(slabs.length * SLAB_BLOCKS);
    for (let index = 0; index < SLAB_BLOCKS; index += 1) free[index] = first + SLAB_BLOCKS - 1 - index;
    this.#free[size] = free;
    this.#freeCount[size] = SLAB_BLOCKS;
  }
}
