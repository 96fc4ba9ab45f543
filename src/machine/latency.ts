import { present } from '../../scheduler/present.js';

/** A latency distribution in nanoseconds, three digits of precision. */
export interface LatencySummary {
  readonly count: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
}

/** A point of a distribution: so many percent took at most so long. */
export interface LatencyPoint {
  readonly percent: number;
  readonly ns: number;
}

/** Where a curve is looked at: evenly at first, then where the tail is. */
const CURVE_PERCENTS = [
  0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97.5, 98, 99, 99.25, 99.5, 99.75, 99.9,
  99.95, 99.99, 100,
];

/** Cells of a block; a recorder has only the blocks in which values lie. */
const BLOCK_BITS = 7;
const BLOCK_CELLS = 2 ** BLOCK_BITS;
/** An HDR histogram of three digits: 1,024 cells for each power of two, and values below 2,048 exactly. */
const CELL_BITS = 10;
const WORD_VALUES = 2 ** 31;
/** Latencies beyond this are refused: it is longer than a run. */
const MAX_LATENCY_NS = 2 ** 53 - 1;

/**
 * Records latencies, ns. Values are counted in the cells of an HDR histogram, which are found without a logarithm and
 * allocated in blocks as they are needed. Percentiles and mean are those of hdr-histogram-js, which the tests compare
 * them with; it walks over all cells for each of them, and took a tenth of the time of `compare`.
 */
export class LatencyRecorder {
  readonly #blocks: (Uint32Array | undefined)[] = [];
  #count = 0;
  #maxNs = 0;

  /** @param latencyNs a whole number >= 0. @throws RangeError for any other. */
  record(latencyNs: number): void {
    if (!(latencyNs >= 0 && latencyNs <= MAX_LATENCY_NS))
      throw new RangeError(`latency is ${latencyNs} ns, expected a whole number from 0 to ${MAX_LATENCY_NS}`);
    const cell = latencyNs < WORD_VALUES ? cellOf(latencyNs | 0) : cellOfLong(latencyNs);
    let block = this.#blocks[cell >>> BLOCK_BITS];
    if (block === undefined) {
      block = new Uint32Array(BLOCK_CELLS);
      // No holes: an array with holes is looked up like a map.
      while (this.#blocks.length <= cell >>> BLOCK_BITS) this.#blocks.push(undefined);
      this.#blocks[cell >>> BLOCK_BITS] = block;
    }
    const at = cell & (BLOCK_CELLS - 1);
    block[at] = present(block[at]) + 1;
    this.#count += 1;
    if (latencyNs > this.#maxNs) this.#maxNs = latencyNs;
  }

  /** Undefined when nothing was recorded. */
  summary(): LatencySummary | undefined {
    if (this.#count === 0) return undefined;
    const [p50Ns, p99Ns, p999Ns] = this.#percentiles([50, 99, 99.9]);
    return {
      count: this.#count,
      meanNs: Math.round(this.#sumOfMedians() / this.#count),
      p50Ns: present(p50Ns),
      p99Ns: present(p99Ns),
      p999Ns: present(p999Ns),
      maxNs: this.#maxNs,
    };
  }

  /** The whole distribution as a curve that never falls; empty when nothing was recorded. */
  curve(): LatencyPoint[] {
    if (this.#count === 0) return [];
    const values = this.#percentiles(CURVE_PERCENTS);
    return CURVE_PERCENTS.map((percent, index) => ({ percent, ns: present(values[index]) }));
  }

  /**
   * Values that so many percent do not exceed: the largest of the cell in which they lie, or for 0 % the least of the first.
   * The last cell may go beyond the largest value that was recorded.
   * @param percents ascending, with two decimals at most
   */
  #percentiles(percents: readonly number[]): number[] {
    const values: number[] = [];
    let counted = 0;
    for (const [number, block] of this.#blocks.entries()) {
      if (block === undefined) continue;
      for (let at = 0; at < BLOCK_CELLS; at += 1) {
        const count = present(block[at]);
        if (count === 0) continue;
        counted += count;
        const cell = number * BLOCK_CELLS + at;
        while (values.length < percents.length) {
          const percent = present(percents[values.length]);
          if (counted < rankOf(percent, this.#count)) break;
          const value = percent === 0 ? firstOf(cell) : firstOf(cell + 1) - 1;
          values.push(Math.min(value, this.#maxNs));
        }
      }
    }
    return values;
  }

  /** Every value as the middle of its cell, summed. */
  #sumOfMedians(): number {
    let sum = 0;
    for (const [number, block] of this.#blocks.entries()) {
      if (block === undefined) continue;
      for (let at = 0; at < BLOCK_CELLS; at += 1) {
        const count = present(block[at]);
        if (count === 0) continue;
        const cell = number * BLOCK_CELLS + at;
        const first = firstOf(cell);
        sum += (first + Math.floor((firstOf(cell + 1) - first) / 2)) * count;
      }
    }
    return sum;
  }
}

/** How many values a percentile has below it or in its cell, at least one. In hundredths of a percent, which are whole. */
function rankOf(percent: number, count: number): number {
  return Math.max(1, Math.ceil((count * Math.round(percent * 100)) / 10_000));
}

/** The cell of a value below 2^31. */
function cellOf(value: number): number {
  const shift = Math.max(0, 31 - Math.clz32(value) - CELL_BITS);
  return (shift << CELL_BITS) + (value >>> shift);
}

function cellOfLong(value: number): number {
  // The 32 bits from 2^21 on say which power of two it is.
  const shift = 31 - Math.clz32(Math.floor(value / 2 ** 21)) + 21 - CELL_BITS;
  return shift * 2 ** CELL_BITS + Math.floor(value / 2 ** shift);
}

/** The least value of a cell. */
function firstOf(cell: number): number {
  const shift = Math.max(0, (cell >>> CELL_BITS) - 1);
  return (cell - shift * 2 ** CELL_BITS) * 2 ** shift;
}
