import { type ContextId, storedContextId } from '../branded.js';
import { NONE } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { widened } from './widened.js';

const GROUPS = 31;
const SLOTS = 32;
const UNLINKED = -2;

/**
 * QFQ's groups: 31 short calendars, of 32 slots each, one bit per slot. A slot of group g is 2^g units wide and
 * holds a queue of the contexts with a start tag in it. Everything is O(1): the next slot in use is found
 * by rotating the bits.
 */
export class GroupSlots {
  readonly #first: Int32Array = new Int32Array(GROUPS * SLOTS).fill(NONE);
  readonly #last: Int32Array = new Int32Array(GROUPS * SLOTS).fill(NONE);
  readonly #used: Int32Array = new Int32Array(GROUPS);
  /** Start of the first slot in use, units. */
  readonly #start: Float64Array = new Float64Array(GROUPS);
  #next: Int32Array = new Int32Array(64).fill(UNLINKED);
  #previous: Int32Array = new Int32Array(64).fill(UNLINKED);
  #slotOf: Int32Array = new Int32Array(64);
  #size = 0;

  /** Contexts in all groups. */
  get size(): number {
    return this.#size;
  }

  /** Grows to `capacity` contexts, and widens a column of the caller's as well. */
  grow(capacity: number, column: Uint8Array): Uint8Array {
    this.#next = widened(this.#next, capacity, UNLINKED);
    this.#previous = widened(this.#previous, capacity, UNLINKED);
    this.#slotOf = widened(this.#slotOf, capacity);
    return widened(column, capacity);
  }

  isEmpty(group: number): boolean {
    return this.#used[group] === 0;
  }

  /** Start of a group that is not empty, units: its smallest start tag, rounded down to a slot. */
  start(group: number): number {
    return present(this.#start[group]);
  }

  /** The context to serve first in a group, or NONE. */
  first(group: number): ContextId {
    if (this.isEmpty(group)) return NONE;
    return storedContextId(this.#first[this.#slotAt(group, this.start(group))] ?? NONE);
  }

  /** Files a context under its start tag. True if this changed the start of the group. */
  insert(group: number, context: ContextId, startUnits: number): boolean {
    const width = 2 ** group;
    const start = Math.floor(startUnits / width) * width;
    const wasEmpty = this.isEmpty(group);
    const earlier = wasEmpty || start < this.start(group);
    const reach = wasEmpty ? 0 : Math.abs(start - this.start(group)) / width;
    if (reach >= SLOTS)
      throw new InvariantViolation(`qfq: a start tag is ${reach} slots away from those of group ${group}`);
    if (earlier) this.#start[group] = start;
    this.#link(this.#slotAt(group, start), context);
    return earlier;
  }

  /** Removes a context. True if the start of the group has changed, or the group is empty now. */
  remove(group: number, context: ContextId): boolean {
    this.#unlink(context);
    return this.#findStart(group);
  }

  /** Files a context under a later start tag. True if this changed the start of the group. */
  move(group: number, context: ContextId, startUnits: number): boolean {
    const width = 2 ** group;
    const slot = this.#slotAt(group, Math.floor(startUnits / width) * width);
    // In the same slot it stays in front: rounded to slots, the tag has not changed.
    if (slot === this.#slotOf[context]) return false;
    this.#unlink(context);
    const before = this.start(group);
    this.#findStart(group);
    this.insert(group, context, startUnits);
    return this.start(group) !== before;
  }

  /** Subtracts a constant, a multiple of every slot and of 32 slots, from all starts. */
  lower(units: number): void {
    for (let group = 0; group < GROUPS; group += 1) this.#start[group] = this.start(group) - units;
  }

  checkInvariants(): void {
    let count = 0;
    for (let slot = 0; slot < GROUPS * SLOTS; slot += 1) {
      const group = slot >> 5;
      // A context lost in an unused group makes the count below come out short.
      if (this.isEmpty(group)) {
        slot |= SLOTS - 1;
        continue;
      }
      const first = this.#first[slot] ?? NONE;
      if (((present(this.#used[group]) >>> (slot & 31)) & 1) !== (first === NONE ? 0 : 1)) {
        throw new InvariantViolation(`qfq: slot ${slot & 31} of group ${group} and its bit disagree`);
      }
      for (let context = first; context !== NONE; context = this.#next[context] ?? NONE) {
        if (this.#slotOf[context] !== slot)
          throw new InvariantViolation(`qfq: context ${context} is not in its recorded slot`);
        count += 1;
        if (count > this.#size) throw new InvariantViolation('qfq: a slot has a cycle');
      }
    }
    if (count !== this.#size)
      throw new InvariantViolation(`qfq: ${this.#size} contexts counted, ${count} found`);
  }

  #slotAt(group: number, start: number): number {
    return group * SLOTS + ((start / 2 ** group) % SLOTS);
  }

  /** Advances the start to the first slot in use. True if it moved, or if no slot is in use. */
  #findStart(group: number): boolean {
    const used = present(this.#used[group]);
    if (used === 0) return true;
    const front = this.#slotAt(group, this.start(group)) & 31;
    const rotated = front === 0 ? used : (used >>> front) | (used << (32 - front));
    const distance = 31 - Math.clz32(rotated & -rotated);
    this.#start[group] = this.start(group) + distance * 2 ** group;
    return distance > 0;
  }

  #link(slot: number, context: ContextId): void {
    if (this.#next[context] !== UNLINKED)
      throw new InvariantViolation(`qfq: context ${context} has a slot already`);
    const last = this.#last[slot] ?? NONE;
    this.#next[context] = NONE;
    this.#previous[context] = last;
    if (last === NONE) this.#first[slot] = context;
    else this.#next[last] = context;
    this.#last[slot] = context;
    this.#slotOf[context] = slot;
    this.#used[slot >> 5] = present(this.#used[slot >> 5]) | (1 << (slot & 31));
    this.#size += 1;
  }

  #unlink(context: ContextId): void {
    const slot = present(this.#slotOf[context]);
    const next = this.#next[context] ?? UNLINKED;
    const previous = this.#previous[context] ?? NONE;
    if (next === UNLINKED) throw new InvariantViolation(`qfq: context ${context} has no slot`);
    if (previous === NONE) this.#first[slot] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last[slot] = previous;
    else this.#previous[next] = previous;
    if (this.#first[slot] === NONE)
      this.#used[slot >> 5] = present(this.#used[slot >> 5]) & ~(1 << (slot & 31));
    this.#next[context] = UNLINKED;
    this.#previous[context] = UNLINKED;
    this.#size -= 1;
  }
}
