import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { pageNumber } from '../page-arithmetic.js';
import { spanBits } from '../radix-table.js';
import { MAX_WALK_LEVELS, type WalkResult } from '../table-walker.js';
import type { Replacement } from './parameters.js';
import { TagStore } from './tag-store.js';

/**
 * The paging-structure caches, one per level: "the entry at this level for this address points at a table" saves the
 * reads down to there. Only presence is kept. Where a table really is, the walker reads from memory.
 */
export class WalkCaches {
  /** By level of the entry; levels 0 and 1 hold no pointers to tables. */
  readonly #levels: TagStore[] = [];
  /** Walks that found the entry of a level here, by level. */
  readonly hits = new Float64Array(MAX_WALK_LEVELS + 1);
  /** Walks that had to read the entry of a level, by level (level 1 is never here). */
  readonly reads = new Float64Array(MAX_WALK_LEVELS + 1);

  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    for (let level = 0; level <= MAX_WALK_LEVELS; level += 1) {
      this.#levels.push(new TagStore(entries, ways, replacement, seed + level));
    }
  }

  /** Levels whose pointers the walk of the last `readsLeft` reads, as a mask for `fill` (bit n: level n). */
  pointersRead = 0;

  /** Table reads that are left of a walk. Notes which levels were hit and read. */
  readsLeft(domain: number, iova: number, walk: WalkResult): number {
    let first = 0;
    for (let step = walk.levels - 2; step >= 0; step -= 1) {
      const level = present(walk.tableLevel[step]);
      if (this.#find(domain, iova, level) >= 0) {
        this.hits[level] = present(this.hits[level]) + 1;
        first = step + 1;
        break;
      }
    }
    this.pointersRead = 0;
    for (let step = first; step < walk.levels; step += 1) {
      const level = present(walk.tableLevel[step]);
      this.reads[level] = present(this.reads[level]) + 1;
      if (step < walk.levels - 1) this.pointersRead |= 1 << level;
    }
    return walk.levels - first;
  }

  /** Holds the pointers of the levels in `levelMask` (bit n: level n) for `iova`. */
  fill(domain: number, iova: number, levelMask: number): void {
    for (let level = 2; levelMask >>> level !== 0; level += 1) {
      if ((levelMask & (1 << level)) === 0) continue;
      const bits = spanBits(level);
      this.#levels[level]?.insert(domain, bits, pageNumber(iova, bits));
    }
  }

  /** Pointers held at a level. */
  size(level: number): number {
    return this.#levels[level]?.size ?? 0;
  }

  clear(): void {
    for (const level of this.#levels) level.clear();
  }

  removeDomain(domain: number): void {
    for (const level of this.#levels) level.removeDomain(domain);
  }

  removeRange(domain: number, address: number, end: number): void {
    for (const level of this.#levels) level.removeRange(domain, address, end);
  }

  checkInvariants(): void {
    for (const level of this.#levels) level.checkInvariants();
    if (this.size(0) + this.size(1) !== 0) throw new InvariantViolation('a level without pointers holds one');
  }

  #find(domain: number, iova: number, level: number): number {
    const bits = spanBits(level);
    return this.#levels[level]?.find(domain, bits, pageNumber(iova, bits)) ?? -1;
  }
}
