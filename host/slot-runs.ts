/** Columns of numbers with a row per slot. */
export interface SlotColumns {
  /** Makes rows as they were at first. */
  clear(first: number, slots: number): void;
}

/** Rows of one ring: `slots` of them from `first` on. */
export interface SlotRun<Columns extends SlotColumns> {
  readonly columns: Columns;
  readonly first: number;
}

/** Rows of the first columns, and of those that are made when there are thousands of rings. */
const LEAST_ROWS = 1024;
const MOST_ROWS = 65_536;

/**
 * Columns that many rings share: each has a run of rows there and no array of its own, which would be four objects on the
 * heap. Rings are powers of two long, so a run that was given back fits one of the same length.
 */
export class SlotRuns<Columns extends SlotColumns> {
  readonly #make: (rows: number) => Columns;
  readonly #free = new Map<number, SlotRun<Columns>[]>();
  #columns: Columns | undefined;
  #rows = LEAST_ROWS / 2;
  #used = 0;

  /** @param make columns of so many rows */
  constructor(make: (rows: number) => Columns) {
    this.#make = make;
  }

  /** Rows for a ring that has so many slots. */
  take(slots: number): SlotRun<Columns> {
    const known = this.#free.get(slots)?.pop();
    if (known !== undefined) return known;
    if (this.#columns === undefined || this.#used + slots > this.#rows) {
      this.#rows = Math.max(slots, Math.min(this.#rows * 2, MOST_ROWS));
      this.#columns = this.#make(this.#rows);
      this.#used = 0;
    }
    const first = this.#used;
    this.#used += slots;
    return { columns: this.#columns, first };
  }

  /** Rows that `take` gave for so many slots are another ring's from now on. */
  giveBack(columns: Columns, first: number, slots: number): void {
    columns.clear(first, slots);
    const known = this.#free.get(slots) ?? [];
    this.#free.set(slots, known);
    known.push({ columns, first });
  }
}
