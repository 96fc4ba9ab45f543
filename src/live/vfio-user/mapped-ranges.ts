import { InvariantViolation } from '../../../scheduler/errors.js';

/** A range that the client has mapped: addresses of the device to an offset in the guest's memory file. */
export interface MappedRange {
  readonly address: bigint;
  readonly size: bigint;
  readonly offset: bigint;
  readonly flags: number;
  /** Whether the client said that memory of the guest's RAM file stands behind it. */
  readonly backed: boolean;
}

/** The ranges of one client, in order of address, none over another. */
export class MappedRanges {
  readonly #ranges: MappedRange[] = [];
  readonly #most: number;

  /** @param most ranges that are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#ranges.length;
  }

  [Symbol.iterator](): Iterator<MappedRange> {
    return this.#ranges[Symbol.iterator]();
  }

  /** The range that an address lies in. */
  at(address: number): MappedRange | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range === undefined) return undefined;
      if (range.address > address) high = middle;
      else if (range.address + range.size > address) return range;
      else low = middle + 1;
    }
    return undefined;
  }

  add(range: MappedRange): 'added' | 'overlaps' | 'full' {
    const at = this.#firstFrom(range.address);
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    if (before !== undefined && before.address + before.size > range.address) return 'overlaps';
    if (after !== undefined && range.address + range.size > after.address) return 'overlaps';
    if (this.#ranges.length === this.#most) return 'full';
    this.#ranges.splice(at, 0, range);
    return 'added';
  }

  /** Takes out every range that lies within; undefined when one lies across the border, and nothing is taken out. */
  remove(address: bigint, size: bigint): MappedRange[] | undefined {
    const first = this.#firstFrom(address);
    const before = this.#ranges[first - 1];
    if (before !== undefined && before.address + before.size > address) return undefined;
    let end = first;
    for (; end < this.#ranges.length; end += 1) {
      const range = this.#ranges[end];
      if (range === undefined || range.address >= address + size) break;
      if (range.address + range.size > address + size) return undefined;
    }
    return this.#ranges.splice(first, end - first);
  }

  clear(): MappedRange[] {
    return this.#ranges.splice(0);
  }

  checkInvariants(): void {
    if (this.#ranges.length > this.#most)
      throw new InvariantViolation(`${this.#ranges.length} ranges are kept, at most ${this.#most}`);
    for (const [index, range] of this.#ranges.entries()) {
      const next = this.#ranges[index + 1];
      if (next !== undefined && range.address + range.size > next.address)
        throw new InvariantViolation(`mapped ranges overlap at 0x${next.address.toString(16)}`);
    }
  }

  /** Index of the first range at or behind an address. */
  #firstFrom(address: bigint): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.address ?? 0n) < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
