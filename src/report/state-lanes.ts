import { present } from '../../scheduler/present.js';

/** No lane. */
export const NO_LANE = -1;

/** Cells at first, and at most: what collides there is kept in a map. */
const LEAST_CELLS = 64;
const MOST_CELLS = 1024;

/**
 * What is in a state at one time on a track, each on a lane: a track of its own that a viewer draws among the others.
 * Descriptors that are under way follow each other, so the lower bits of their numbers tell them apart, and a cell for
 * each is enough.
 */
export class StateLanes {
  #ids = new Uint32Array(LEAST_CELLS);
  #lanes = new Int32Array(LEAST_CELLS).fill(NO_LANE);
  #others: Map<number, number> | undefined;
  readonly #free: number[] = [];

  /** The lane of something, or NO_LANE. */
  of(id: number): number {
    const cell = id & (this.#ids.length - 1);
    if (this.#ids[cell] === id) {
      const lane = present(this.#lanes[cell]);
      if (lane !== NO_LANE) return lane;
    }
    return this.#others?.get(id) ?? NO_LANE;
  }

  /** A lane that nothing is on, and was before; NO_LANE when there is none. */
  takeFree(): number {
    return this.#free.pop() ?? NO_LANE;
  }

  /** Something is on a lane from now on, which was on none. */
  put(id: number, lane: number): void {
    // A cell holds 32 bits.
    if (id >>> 0 !== id || !this.#hasCell(id)) {
      this.#others ??= new Map();
      this.#others.set(id, lane);
      return;
    }
    const cell = id & (this.#ids.length - 1);
    this.#ids[cell] = id;
    this.#lanes[cell] = lane;
  }

  /** It is on that lane no longer. */
  leave(id: number, lane: number): void {
    this.#free.push(lane);
    if (this.#others?.delete(id) === true) return;
    this.#lanes[id & (this.#ids.length - 1)] = NO_LANE;
  }

  /** Whether the cell of a number is free, in a table that grows for it. */
  #hasCell(id: number): boolean {
    while (this.#lanes[id & (this.#ids.length - 1)] !== NO_LANE) {
      if (this.#ids.length === MOST_CELLS) return false;
      this.#grow();
    }
    return true;
  }

  /** Twice the cells: what had cells of its own before has one now. */
  #grow(): void {
    const ids = this.#ids;
    const lanes = this.#lanes;
    this.#ids = new Uint32Array(2 * ids.length);
    this.#lanes = new Int32Array(2 * ids.length).fill(NO_LANE);
    for (let cell = 0; cell < ids.length; cell += 1) {
      if (lanes[cell] === NO_LANE) continue;
      const id = present(ids[cell]);
      const to = id & (this.#ids.length - 1);
      this.#ids[to] = id;
      this.#lanes[to] = present(lanes[cell]);
    }
  }
}
