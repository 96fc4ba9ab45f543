interface Range {
  readonly start: number;
  readonly end: number;
}

/** Ranges that are kept apart; beyond that they become one, from the first to the last: it costs the guest memory, not us. */
const MOST_RANGES = 1024;

/** Parts of a guest's RAM that its machine has taken away from the device: disjoint and in order. */
export class WithdrawnRanges {
  #ranges: readonly Range[] = [];

  get empty(): boolean {
    return this.#ranges.length === 0;
  }

  add(start: number, end: number): void {
    const near = this.#ranges.filter((range) => range.start <= end && start <= range.end);
    const joined = {
      start: Math.min(start, ...near.map((range) => range.start)),
      end: Math.max(end, ...near.map((range) => range.end)),
    };
    const others = this.#ranges.filter((range) => !near.includes(range));
    const all = [...others, joined].sort((left, right) => left.start - right.start);
    const last = all.at(-1);
    this.#ranges =
      all.length > MOST_RANGES && last !== undefined
        ? [{ start: all[0]?.start ?? start, end: last.end }]
        : all;
  }

  remove(start: number, end: number): void {
    this.#ranges = this.#ranges.flatMap((range) =>
      [
        { start: range.start, end: Math.min(range.end, start) },
        { start: Math.max(range.start, end), end: range.end },
      ].filter((rest) => rest.start < rest.end),
    );
  }

  clear(): void {
    this.#ranges = [];
  }

  /** Whether any byte of the range is withdrawn. */
  overlaps(start: number, end: number): boolean {
    return this.#ranges.some((range) => range.start < end && start < range.end);
  }
}
