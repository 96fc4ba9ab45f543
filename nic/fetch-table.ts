import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { NONE } from './receive-slots.js';

/**
 * Descriptor fetches that are under way, one queue per ring in the order in which they were requested. They may end in
 * another order; descriptors are accepted in this one. Entries are numbered and reused; there are as many as were
 * ever under way at once.
 */
export class FetchTable {
  /** Ring that the fetch is of, or NONE once its context was stopped. */
  ring = new Int32Array(0);
  /** Descriptors that it brings. */
  count = new Int32Array(0);
  /** How far it is: 0 under way, 1 landed, 2 refused by the host. */
  landed = new Uint8Array(0);
  /** The next fetch of the same ring, or the next free entry. */
  #next = new Int32Array(0);
  #free = NONE;
  #inUse = 0;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;

  /** @param rings number of rings: two per context. */
  constructor(rings: number) {
    this.#head = new Int32Array(rings).fill(NONE);
    this.#tail = new Int32Array(rings).fill(NONE);
  }

  /** The oldest fetch of a ring, or NONE. */
  oldest(ring: number): number {
    return present(this.#head[ring]);
  }

  /** A fetch of `count` descriptors begins, behind the others of its ring; returns its entry. */
  begin(ring: number, count: number): number {
    if (this.#free === NONE) this.#grow();
    const entry = this.#free;
    this.#free = present(this.#next[entry]);
    this.#inUse += 1;
    this.ring[entry] = ring;
    this.count[entry] = count;
    this.landed[entry] = 0;
    this.#next[entry] = NONE;
    const tail = present(this.#tail[ring]);
    if (tail === NONE) this.#head[ring] = entry;
    else this.#next[tail] = entry;
    this.#tail[ring] = entry;
    return entry;
  }

  /** The oldest fetch of a ring is finished. */
  shift(ring: number): void {
    const entry = this.oldest(ring);
    const next = present(this.#next[entry]);
    this.#head[ring] = next;
    if (next === NONE) this.#tail[ring] = NONE;
    this.release(entry);
  }

  /** The context of a ring was stopped: entries that have not landed are released when their transfer ends. */
  forget(ring: number): void {
    for (let entry = this.oldest(ring); entry !== NONE; ) {
      const next = present(this.#next[entry]);
      this.ring[entry] = NONE;
      if (this.landed[entry] !== 0) this.release(entry);
      entry = next;
    }
    this.#head[ring] = NONE;
    this.#tail[ring] = NONE;
  }

  release(entry: number): void {
    this.#next[entry] = this.#free;
    this.#free = entry;
    this.#inUse -= 1;
  }

  /** Descriptors that are under way for a ring. */
  underWay(ring: number): number {
    let descriptors = 0;
    for (let entry = this.oldest(ring); entry !== NONE; entry = present(this.#next[entry]))
      descriptors += present(this.count[entry]);
    return descriptors;
  }

  checkInvariants(): void {
    let free = 0;
    for (let entry = this.#free; entry !== NONE; entry = present(this.#next[entry])) free += 1;
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
