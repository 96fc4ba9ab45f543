import type { ContextId } from '../branded.js';
import { type BoundMember, type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ceilLog2 } from '../whole-logarithm.js';
import { ContextList } from './context-list.js';
import { GroupSlots } from './group-slots.js';
import { ReservedWeight } from './reserved-weight.js';
import { Roster } from './roster.js';
import { TagTable, type TagTableOptions } from './tag-table.js';
import { DEFAULT_MAX_FRAME_BYTES, requireMaxFrame } from './weights.js';
import { widened } from './widened.js';

/** Fixed point of the tags: with it, the group of a weight of 2^16 still has slots of a whole unit. */
const UNITS_PER_BYTE = 2 ** 16;
const MAX_WEIGHT = 2 ** 16;
const ALL_GROUPS = 0x7fffffff;
/**
 * A frame of L bytes advances V by L/W, which is L/L_i slots of a context that has nearly all the weight. A group has 32
 * slots (as in the published code), so L_i is at least this part of L.
 */
const LEAST_PART_OF_LARGEST = 16;

/**
 * Quick fair queueing: F. Checconi, L. Rizzo and P. Valente, "QFQ: Efficient Packet Scheduling with Tight
 * Guarantees", IEEE/ACM ToN 21(3), 2013. WF2Q+ with tags rounded just enough to need no heap: contexts with
 * about the same L/w form a group with slots of sigma = 2^k, its tags are rounded down to slots, and four
 * bitmaps say which groups are Ready or Blocked (a higher group that is eligible finishes first), and Eligible
 * or Ineligible (V has not reached its start). The next frame is in the lowest ready group.
 *
 * With W the sum of weights, L_i the largest frame of context i (`Share.maxFrameBytes`, at least a sixteenth of that of
 * the discipline, which is also its default), sigma_i the smallest power of two (in 1/65536 bytes) >= L_i / w_i, and L_max the largest frame of all:
 *
 * - Complexity: O(1) per decision, whatever the number of contexts; no loop over them or over groups. (A withdrawal,
 *   which is a fault, refiles the 31 groups; so does each decision once contexts with different largest frames take part.)
 * - Fairness: worst-case fair index 3 sigma_i w_i + 2 L_max w_i/W bytes. Pairwise,
 *   |S_i/w_i - S_j/w_j| <= 4 (sigma_i + sigma_j) + 2 L_max/W, since a waiting frame starts no later than
 *   V + 2 sigma_i and no earlier than V - 2 sigma_i - L_max/W.
 * - Delay: a frame that arrives at t as the last of Q bytes leaves by t + Q/r_i + (3 sigma_i W + 2 L_max)/r.
 *
 * A context with a frame longer than its share declares is treated as one that declares nothing, from that frame until
 * it leaves; a guest can thus not break the discipline, only its own bound (sch_qfq does likewise).
 *
 * Tags are exact before they are rounded to slots (the published code truncates 1/w instead, which distorts the
 * shares); see TagTable for that and for overflow.
 */
export class QuickFairQueueing implements Discipline {
  readonly name: string = 'qfq';
  readonly timeless = true;
  readonly #maxFrameBytes: number;
  readonly #roster = new Roster('qfq');
  readonly #tags: TagTable;
  readonly #weights: ReservedWeight;
  readonly #groups = new GroupSlots();
  /** Scratch within a call, to restart contexts. */
  readonly #late = new ContextList();
  #groupOf: Uint8Array = new Uint8Array(64);
  /** Largest frame with which a context may stay in its group, bytes. */
  #largest: Float64Array = new Float64Array(64);
  /** Whether V may pass several slots of a group at once: a context with a smaller largest frame has joined. */
  #isMixed = false;
  /** Groups by state, one bit per group. */
  #ready = 0;
  #blocked = 0;
  #early = 0;
  #earlyBlocked = 0;
  /** Units that have been subtracted from the starts of groups. */
  #rebased = 0;

  /** @param options `maxFrameBytes` (default 9042) is the largest frame of all; with the weight it determines the group. */
  constructor(options: Omit<TagTableOptions, 'unitsPerByte'> & { readonly maxFrameBytes?: number } = {}) {
    this.#maxFrameBytes = requireMaxFrame('qfq', options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES);
    this.#tags = new TagTable({ ...options, unitsPerByte: UNITS_PER_BYTE });
    this.#weights = new ReservedWeight('qfq', this.#tags);
  }

  join(context: ContextId, share: Share): void {
    this.#weights.require(context, share.weight);
    if (share.weight > MAX_WEIGHT) {
      throw new ParameterError(
        `qfq: weight of context ${context} is ${share.weight}, expected at most ${MAX_WEIGHT}`,
      );
    }
    const largest = this.#counted(
      requireMaxFrame(`qfq: context ${context}`, share.maxFrameBytes ?? this.#maxFrameBytes),
    );
    if (largest < this.#maxFrameBytes) this.#isMixed = true;
    this.#roster.join(context);
    this.#weights.join(context, share.weight, this.#roster.capacity);
    this.#groupOf = this.#groups.grow(this.#roster.capacity, this.#groupOf);
    this.#largest = widened(this.#largest, this.#roster.capacity);
    this.#largest[context] = largest;
    const group = this.#groupFor(share.weight, largest);
    this.#groupOf[context] = group;
    // Under an earlier, smaller weight it may have finished further ahead than the slots of its new group reach.
    const slot = 2 ** group;
    this.#tags.capFinish(context, Math.floor(this.#tags.clockWhole / slot) * slot + slot);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
    this.#weights.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    this.#requireFrame(context, headBytes);
    if (!this.#roster.activate(context, headBytes)) return;
    if (headBytes > this.#largestOf(context)) this.#regroup(context);
    this.#tags.beginBelow(context, headBytes);
    const group = present(this.#groupOf[context]);
    if (this.#groups.insert(group, context, this.#tags.startWhole(context))) this.#file(group);
  }

  select(): ContextId {
    if (this.#ready !== 0) return this.#groups.first(lowest(this.#ready));
    // If no group is ready, V jumps to the smallest start when that frame is served; starts of groups that are early are
    // the next multiples of their slots, so it is in the group with the smallest slot.
    return this.#early === 0 ? NONE : this.#groups.first(lowest(this.#early));
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    if (nextHeadBytes > 0) this.#requireFrame(context, nextHeadBytes);
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    const group = present(this.#groupOf[context]);
    // Its own slot, not that of its group: an earlier one may have been added to the group since the selection.
    const slotStart = Math.floor(this.#tags.startWhole(context) / 2 ** group) * 2 ** group;
    if (slotStart > this.#tags.clockWhole) this.#jump(slotStart);
    let before = this.#tags.clockWhole;
    this.#tags.advanceClock(bytes, this.#weights.sum);
    before -= this.#followRebase();
    if (more) this.#tags.follow(context, nextHeadBytes);
    const startBefore = this.#groups.start(group);
    const outgrows = nextHeadBytes > this.#largestOf(context);
    const moved =
      more && !outgrows
        ? this.#groups.move(group, context, this.#tags.startWhole(context))
        : this.#groups.remove(group, context);
    if (moved) {
      this.#unfile(group);
      if (!this.#groups.isEmpty(group)) this.#file(group);
      this.#unblockBelow(group, startBefore + 2 * 2 ** group);
    }
    this.#advance(before);
    if (outgrows) {
      this.#regroup(context);
      const wider = present(this.#groupOf[context]);
      this.#groups.insert(wider, context, this.#tags.startWhole(context));
    }
    if (this.#isMixed) this.#fileAll();
    this.#weights.expire();
  }

  withdraw(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    this.#tags.cancel(context);
    this.#groups.remove(present(this.#groupOf[context]), context);
    this.#fileAll();
    this.#weights.expire();
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    const largest = Math.max(this.#maxFrameBytes, i.maxFrameBytes, j.maxFrameBytes);
    return (
      4 *
        (this.sigmaBytes(i.weight, i.declaredMaxFrameBytes) +
          this.sigmaBytes(j.weight, j.declaredMaxFrameBytes)) +
      (2 * largest) / (i.weight + j.weight)
    );
  }

  /** Slot of the group of a weight and a largest frame, bytes per unit of weight. */
  sigmaBytes(weight: number, maxFrameBytes = this.#maxFrameBytes): number {
    return 2 ** this.#groupFor(weight, this.#counted(maxFrameBytes)) / UNITS_PER_BYTE;
  }

  /** Tags of the frame at a context's head and the virtual clock, in units: for display, not for comparison. */
  tagsOf(context: ContextId): { readonly start: number; readonly finish: number; readonly clock: number } {
    const { clock } = this.#tags;
    return { start: this.#tags.start(context), finish: this.#tags.finish(context), clock };
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#groups.checkInvariants();
    if (this.#groups.size !== this.#roster.backlogged)
      throw new InvariantViolation('qfq: groups and roster disagree');
    const filed = [this.#ready, this.#blocked, this.#early, this.#earlyBlocked];
    this.#fileAll();
    const byDefinition = [this.#ready, this.#blocked, this.#early, this.#earlyBlocked];
    if (filed.some((bits, state) => bits !== byDefinition[state])) {
      throw new InvariantViolation(
        `qfq: groups are filed as ${filed.join(' ')}, by definition ${byDefinition.join(' ')}`,
      );
    }
    if (this.select() === NONE && this.#roster.backlogged > 0)
      throw new InvariantViolation('qfq: contexts wait, all are blocked');
  }

  #requireFrame(context: ContextId, bytes: number): void {
    if (bytes > this.#maxFrameBytes) {
      throw new RangeError(
        `qfq: a frame of context ${context} has ${bytes} bytes, expected at most maxFrameBytes = ${this.#maxFrameBytes}`,
      );
    }
  }

  #groupFor(weight: number, maxFrameBytes: number): number {
    return ceilLog2((maxFrameBytes * UNITS_PER_BYTE) / weight);
  }

  /** The largest frame with which a context is counted that declares so many bytes. */
  #counted(declaredBytes: number): number {
    const least = Math.ceil(this.#maxFrameBytes / LEAST_PART_OF_LARGEST);
    return Math.min(Math.max(declaredBytes, least), this.#maxFrameBytes);
  }

  #largestOf(context: ContextId): number {
    return present(this.#largest[context]);
  }

  /** A context that is in no slot has a frame longer than its share declares: any frame is expected from now on. */
  #regroup(context: ContextId): void {
    this.#largest[context] = this.#maxFrameBytes;
    this.#groupOf[context] = this.#groupFor(this.#tags.weight(context), this.#maxFrameBytes);
  }

  #finish(group: number): number {
    return this.#groups.start(group) + 2 * 2 ** group;
  }

  #isBlocked(group: number): boolean {
    const above = this.#readyAbove(group);
    return above !== 0 && this.#finish(group) > this.#finish(lowest(above));
  }

  /** Bits of the ready groups with wider slots. */
  #readyAbove(group: number): number {
    return this.#ready & (-2 << group);
  }

  /** Puts a group that has contexts into its bitmap. */
  #file(group: number): void {
    this.#unfile(group);
    const bit = 1 << group;
    const blocked = this.#isBlocked(group);
    if (this.#groups.start(group) > this.#tags.clockWhole) {
      if (blocked) this.#earlyBlocked |= bit;
      else this.#early |= bit;
    } else if (blocked) this.#blocked |= bit;
    else this.#ready |= bit;
  }

  #unfile(group: number): void {
    const others = ~(1 << group);
    this.#ready &= others;
    this.#blocked &= others;
    this.#early &= others;
    this.#earlyBlocked &= others;
  }

  /** By definition, from the highest group down. */
  #fileAll(): void {
    this.#ready = 0;
    this.#blocked = 0;
    this.#early = 0;
    this.#earlyBlocked = 0;
    for (let group = 30; group >= 0; group -= 1) if (!this.#groups.isEmpty(group)) this.#file(group);
  }

  /** A ready group that finished at `finish` has moved on: those below no longer wait for it. */
  #unblockBelow(group: number, finish: number): void {
    const above = this.#readyAbove(group);
    // A group further up still blocks them.
    if (above !== 0 && this.#finish(lowest(above)) <= finish) return;
    const below = (1 << group) - 1;
    this.#ready |= this.#blocked & below;
    this.#blocked &= ~below;
    this.#early |= this.#earlyBlocked & below;
    this.#earlyBlocked &= ~below;
  }

  /** No group was ready when a context was selected: V advances to the start of its slot. */
  #jump(start: number): void {
    // A group that is ready now, or starts earlier, became so between `select` and `served`: after the jump.
    let late = this.#ready | this.#blocked;
    if (late !== 0 || this.#groups.start(lowest(this.#early)) < start)
      late |= this.#early | this.#earlyBlocked;
    let before = this.#tags.clockWhole;
    this.#tags.setClockToWhole(start);
    before -= this.#followRebase();
    this.#advance(before);
    if (late === 0) return;
    for (; late !== 0; late &= late - 1) this.#takeLate(lowest(late));
    while (this.#late.size > 0) {
      const context = this.#late.front;
      this.#late.remove(context);
      this.#tags.cancel(context);
      this.#tags.begin(context, this.#roster.headBytes(context));
      this.#groups.insert(present(this.#groupOf[context]), context, this.#tags.startWhole(context));
    }
    this.#fileAll();
  }

  /** Removes from a group every context that starts before V: with some left, the span would exceed the slots. */
  #takeLate(group: number): void {
    for (let next = this.#groups.first(group); next !== NONE; next = this.#groups.first(group)) {
      if (!this.#tags.hasStartedBefore(next)) return;
      this.#groups.remove(group, next);
      this.#late.pushBack(next);
    }
  }

  /** V has advanced from `before`: files what became eligible. */
  #advance(before: number): void {
    const crossed = crossedGroups(before, this.#tags.clockWhole);
    this.#ready |= this.#early & crossed;
    this.#early &= ~crossed;
    this.#blocked |= this.#earlyBlocked & crossed;
    this.#earlyBlocked &= ~crossed;
  }

  /** Lowers the starts of groups with the tags; returns by how many units. */
  #followRebase(): number {
    const units = this.#tags.rebasedUnits - this.#rebased;
    if (units > 0) this.#groups.lower(units);
    this.#rebased += units;
    return units;
  }
}

/** Number of the lowest bit. */
function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** Groups in which a clock has entered a new slot: all up to the highest bit that changed. */
function crossedGroups(before: number, now: number): number {
  if (before === now) return 0;
  if (Math.floor(before / 2 ** 31) !== Math.floor(now / 2 ** 31)) return ALL_GROUPS;
  return ALL_GROUPS >>> Math.clz32(((before % 2 ** 31) ^ (now % 2 ** 31)) << 1);
}
