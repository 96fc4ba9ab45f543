import { hostPhysicalAddress, type IoPageNumber } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { READ, spanBits, WRITE } from '../entry-format.js';
import { indexOfPage, pageOffset } from '../page-arithmetic.js';
import { MAX_WALK_LEVELS, type WalkResult } from '../table-walker.js';
import type { EndedWalk } from './outstanding-walks.js';
import type { Replacement } from './parameters.js';
import { TagStore } from './tag-store.js';

/** What the slots of one level hold: the table that an entry pointed at when it was read. */
class Pointers {
  readonly tags: TagStore;
  readonly table: Float64Array;
  readonly tableLevel: Uint8Array;
  /** READ and WRITE, as the entries down to this one grant them. */
  readonly rights: Uint8Array;

  constructor(entries: number, tags: TagStore) {
    this.tags = tags;
    this.table = new Float64Array(entries);
    this.tableLevel = new Uint8Array(entries);
    this.rights = new Uint8Array(entries);
  }
}

/**
 * The paging-structure caches, one per level: "the entry at this level for this address points at that table" saves
 * the reads down to there. The pointer is kept as it was read, so one to a table that has been given back is
 * followed until an invalidation drops it: VT-d's IH = 1, or AMD-Vi's PDE = 0, with a freed table.
 */
export class WalkCaches {
  /** By level of the entry; levels 0 and 1 hold no pointers to tables. */
  readonly #levels: Pointers[] = [];
  /** Walks that found the entry of a level here, by level. */
  readonly hits = new Float64Array(MAX_WALK_LEVELS + 1);
  /** Walks that had to read the entry of a level, by level (level 1 is never here). */
  readonly reads = new Float64Array(MAX_WALK_LEVELS + 1);

  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    for (let level = 0; level <= MAX_WALK_LEVELS; level += 1) {
      this.#levels.push(new Pointers(entries, new TagStore(entries, ways, replacement, seed + level)));
    }
  }

  /**
   * Moves the start of a walk down to the lowest table that a pointer here leads to. A pointer without the right that
   * the request needs does not count: the tables may grant it by now. Nor does one that skips levels, where the bits
   * of the skipped levels are not 0: it is for the walk to find that out.
   */
  shorten(domain: number, page: IoPageNumber, write: boolean, walk: WalkResult): void {
    const needed = write ? WRITE : READ;
    for (let level = 2; level <= walk.level; level += 1) {
      const bits = spanBits(level);
      const pointers = this.#levels[level] ?? absent();
      const slot = pointers.tags.find(domain, bits, indexOfPage(page, bits));
      if (slot < 0 || ((pointers.rights[slot] ?? absent()) & needed) === 0) continue;
      const tableLevel = pointers.tableLevel[slot] ?? absent();
      if (tableLevel < level - 1 && indexOfPage(pageOffset(page, bits - 12), spanBits(tableLevel + 1)) > 0)
        continue;
      this.hits[level] = (this.hits[level] ?? absent()) + 1;
      const rights = walk.rights & (pointers.rights[slot] ?? absent());
      walk.startAt(hostPhysicalAddress(pointers.table[slot] ?? absent()), tableLevel, rights);
      return;
    }
  }

  /** Counts the reads that a walk made. */
  count(walk: WalkResult): void {
    for (let step = 0; step < walk.levels; step += 1) {
      const level = walk.tableLevel[step] ?? absent();
      this.reads[level] = (this.reads[level] ?? absent()) + 1;
    }
  }

  /** Holds the pointers that a walk has read. */
  fill(walk: EndedWalk): void {
    for (let step = walk.levels - 2; step >= 0; step -= 1) {
      const level = walk.tableLevel[step] ?? absent();
      const bits = spanBits(level);
      const pointers = this.#levels[level] ?? absent();
      const slot = pointers.tags.insert(walk.domainId, bits, indexOfPage(walk.page, bits));
      pointers.table[slot] = walk.tableAddress[step + 1] ?? absent();
      pointers.tableLevel[slot] = walk.tableLevel[step + 1] ?? absent();
      pointers.rights[slot] = walk.tableRights[step + 1] ?? absent();
    }
  }

  /** Pointers held at a level. */
  size(level: number): number {
    // 0: there is no cache for the levels above and below.
    return this.#levels[level]?.tags.size ?? 0;
  }

  clear(): void {
    for (const { tags } of this.#levels) tags.clear();
  }

  removeDomain(domain: number): void {
    for (const { tags } of this.#levels) tags.removeDomain(domain);
  }

  removeRange(domain: number, start: IoPageNumber, end: number): void {
    for (const { tags } of this.#levels) if (tags.size > 0) tags.removeRange(domain, start, end);
  }

  checkInvariants(): void {
    for (const { tags } of this.#levels) tags.checkInvariants();
    if (this.size(0) + this.size(1) !== 0) throw new InvariantViolation('a level without pointers holds one');
  }
}
