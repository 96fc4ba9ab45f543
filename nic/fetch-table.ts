import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';

/** No fetch, or no ring. */
export const NO_ENTRY = -1;

/**
 * Descriptor fetches that are under way, one queue per ring in the order in which they were requested. They may end in
 * another order; descriptors are accepted in this one. Entries are numbered and reused; there are as many as were
 * ever under way at once.
 */
export class FetchTable {
  /** Ring that the fetch is of, or NO_ENTRY once its context was stopped. */
  ring = new Int32Array(0);
  /** Descriptors that it brings. */
  count = new Int32Array(0);
  /** How far it is: 0 under way, 1 landed, 2 refused by the host. */
  landed = new Uint8Array(0);
  /** The next fetch of the same ring, or the next free entry. */
  #next = new Int32Array(0);
  #free = NO_ENTRY;
  #inUse = 0;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;

  /** @param rings number of rings: two per context. */
  constructor(rings: number) {
    this.#head = new Int32Array(rings).fill(NO_ENTRY);
    this.#tail = new Int32Array(rings).fill(NO_ENTRY);
  }

  /** The oldest fetch of a ring, or NO_ENTRY. */
  oldest(ring: number): number {
    return present(this.#head[ring]);
  }

  /** A fetch of `count` descriptors begins, behind the others of its ring; returns its entry. */
  begin(ring: number, count: number): number {
    if (this.#free === NO_ENTRY) this.#grow();
    const entry = this.#free;
    this.#free = present(this.#next[entry]);
    this.#inUse += 1;
    this.ring[entry] = ring;
    this.count[entry] = count;
    this.landed[entry] = 0;
    this.#next[entry] = NO_ENTRY;
    const tail = present(this.#tail[ring]);
    if (tail === NO_ENTRY) this.#head[ring] = entry;
    else this.#next[tail] = entry;
    this.#tail[ring] = entry;
    return entry;
  }

  /** The oldest fetch of a ring is finished. */
  shift(ring: number): void {
    const entry = this.oldest(ring);
    const next = present(this.#next[entry]);
    this.#head[ring] = next;
    if (next === NO_ENTRY) this.#tail[ring] = NO_ENTRY;
    this.release(entry);
  }

  /** The context of a ring was stopped: entries that have not landed are released when their transfer ends. */
  forget(ring: number): void {
    for (let entry = this.oldest(ring); entry !== NO_ENTRY; ) {
      const next = present(this.#next[entry]);
      this.ring[entry] = NO_ENTRY;
      if (this.landed[entry] !== 0) this.release(entry);
      entry = next;
    }
    this.#head[ring] = NO_ENTRY;
    this.#tail[ring] = NO_ENTRY;
  }

  release(entry: number): void {
    this.#next[entry] = this.#free;
    this.#free = entry;
    this.#inUse -= 1;
  }

  /** Descriptors that are under way for a ring. */
  underWay(ring: number): number {
    let descriptors = 0;
    for (let entry = this.oldest(ring); entry !== NO_ENTRY; entry = present(this.#next[entry]))
      descriptors += present(this.count[entry]);
    return descriptors;
  }

  checkInvariants(): void {
    let free = 0;
    for (let entry = this.#free; entry !== NO_ENTRY; entry = present(this.#next[entry])) free += 1;
    if (free + this.#inUse !== this.#next.length)
      throw new InvariantViolation('an entry of the fetch table is lost');
  }

  #grow(): void {
    const old = this.#next.length;
    const size = old === 0 ? 64 : old * 2;
    const wider = <T extends Uint8Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.ring = wider(this.ring, new Int32Array(size));
    this.count = wider(this.count, new Int32Array(size));
    this.landed = wider(this.landed, new Uint8Array(size));
    this.#next = wider(this.#next, new Int32Array(size));
    for (let entry = size - 1; entry >= old; entry -= 1) {
      this.#next[entry] = this.#free;
      this.#free = entry;
    }
  }
}
