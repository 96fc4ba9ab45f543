import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { FluidLink, FluidShare } from './fluid-link.js';

/** A backlog below this is what rounding left, bytes per unit of weight. */
const NOTHING = 1e-7;

/**
 * What each of several queues is due: the service of a fluid link that gets the same arrivals (generalised processor
 * sharing, Parekh and Gallager 1993). At every instant it is the weighted max-min fair division of the link: none gets
 * more than it asks for, and what it leaves is shared by weight among the others.
 *
 * Time is kept as the service per unit of weight of a queue that is never empty, so an arrival costs O(log n) and the
 * others are not touched. Nothing here is shared with the disciplines that are measured against it.
 */
export class FluidReference implements FluidLink {
  readonly #weights: number[];
  #bytesPerNs: number;
  /** Bytes per unit of weight that a queue has been served which was backlogged all the time. */
  #level = 0;
  #nowNs = 0;
  #activeWeight = 0;
  readonly #active: Uint8Array;
  /** Level at which the queue will be empty; infinite while it wants all that it can get. */
  readonly #empty: Float64Array;
  /** Level up to which its service is in `#served`. */
  readonly #settled: Float64Array;
  readonly #served: Float64Array;
  /** A paused queue is not active; what waits in it, bytes. */
  readonly #paused: Uint8Array;
  readonly #kept: Float64Array;
  readonly #heap = new LevelHeap();

  /**
   * @param weights one per queue, whole numbers above 0
   * @param linkBps rate of the link, bit/s
   */
  constructor(weights: readonly number[], linkBps: number) {
    this.#weights = [...weights];
    this.#bytesPerNs = linkBps / 8e9;
    this.#active = new Uint8Array(weights.length);
    this.#empty = new Float64Array(weights.length);
    this.#settled = new Float64Array(weights.length);
    this.#served = new Float64Array(weights.length);
    this.#paused = new Uint8Array(weights.length);
    this.#kept = new Float64Array(weights.length);
  }

  arrived(member: number, bytes: number, nowNs: number, queueBytes = Number.POSITIVE_INFINITY): void {
    if (this.wantsAll(member)) return;
    this.advance(nowNs);
    if (this.#paused[member] === 1) {
      const kept = present(this.#kept[member]);
      if (kept === 0 || kept + bytes <= queueBytes) this.#kept[member] = kept + bytes;
      return;
    }
    const weight = present(this.#weights[member]);
    if (this.#active[member] === 0) {
      this.#begin(member, this.#level + bytes / weight);
      return;
    }
    const empty = present(this.#empty[member]);
    if ((empty - this.#level) * weight + bytes > queueBytes) return;
    // Its entry in the heap is too early now; that is seen when it comes up.
    this.#empty[member] = empty + bytes / weight;
  }

  wants(member: number, nowNs: number): void {
    if (this.wantsAll(member)) return;
    this.advance(nowNs);
    if (this.#paused[member] === 1) this.#kept[member] = Number.POSITIVE_INFINITY;
    else if (this.#active[member] === 0) this.#begin(member, Number.POSITIVE_INFINITY);
    else this.#empty[member] = Number.POSITIVE_INFINITY;
  }

  withdraw(member: number, nowNs: number): void {
    this.advance(nowNs);
    if (this.#active[member] === 1) this.#end(member);
    this.#kept[member] = 0;
  }

  pause(member: number, nowNs: number): void {
    if (this.#paused[member] === 1) return;
    this.advance(nowNs);
    this.#paused[member] = 1;
    if (this.#active[member] === 0) return;
    const left = present(this.#empty[member]) - this.#level;
    this.#kept[member] = left * present(this.#weights[member]);
    this.#end(member);
  }

  resume(member: number, nowNs: number): void {
    if (this.#paused[member] === 0) return;
    this.advance(nowNs);
    this.#paused[member] = 0;
    const kept = present(this.#kept[member]);
    this.#kept[member] = 0;
    if (kept > 0) this.#begin(member, this.#level + kept / present(this.#weights[member]));
  }

  change(member: number, { weight }: Partial<FluidShare>, nowNs: number): void {
    if (weight === undefined) return;
    this.advance(nowNs);
    const before = present(this.#weights[member]);
    this.#weights[member] = weight;
    if (this.#active[member] === 0) return;
    this.#served[member] =
      present(this.#served[member]) + (this.#level - present(this.#settled[member])) * before;
    this.#settled[member] = this.#level;
    this.#activeWeight += weight - before;
    const empty = this.#level + ((present(this.#empty[member]) - this.#level) * before) / weight;
    this.#empty[member] = empty;
    this.#heap.push(empty, member);
  }

  changeRate(linkBps: number, nowNs: number): void {
    this.advance(nowNs);
    this.#bytesPerNs = linkBps / 8e9;
  }

  wantsAll(member: number): boolean {
    const empty = this.#paused[member] === 1 ? this.#kept[member] : this.#empty[member];
    const hasFrames = this.#paused[member] === 1 || this.#active[member] === 1;
    return hasFrames && empty === Number.POSITIVE_INFINITY;
  }

  advance(toNs: number): void {
    while (this.#nowNs < toNs) {
      if (this.#activeWeight === 0) {
        this.#nowNs = toNs;
        return;
      }
      const next = this.#nextEmpty();
      const levelPerNs = this.#bytesPerNs / this.#activeWeight;
      const reached = this.#level + (toNs - this.#nowNs) * levelPerNs;
      if (next < 0 || reached < present(this.#empty[next])) {
        this.#level = reached;
        this.#nowNs = toNs;
        return;
      }
      const empty = present(this.#empty[next]);
      this.#nowNs = Math.min(toNs, this.#nowNs + Math.max(0, empty - this.#level) / levelPerNs);
      this.#level = Math.max(this.#level, empty);
      this.#heap.pop();
      this.#end(next);
    }
  }

  served(): Float64Array {
    return this.#served.map((bytes, member) => bytes + this.#unsettled(member));
  }

  checkInvariants(): void {
    let weight = 0;
    for (const [member, one] of this.#weights.entries()) {
      if (this.#active[member] === 0) continue;
      if (this.#paused[member] === 1)
        throw new InvariantViolation(`queue ${member} of the fluid link is paused and active`);
      weight += one;
      if (present(this.#empty[member]) < this.#level - NOTHING)
        throw new InvariantViolation(`queue ${member} of the fluid link is empty and active`);
    }
    if (weight !== this.#activeWeight)
      throw new InvariantViolation(
        `active weight of the fluid link is ${this.#activeWeight}, expected ${weight}`,
      );
  }

  #begin(member: number, empty: number): void {
    this.#active[member] = 1;
    this.#activeWeight += present(this.#weights[member]);
    this.#settled[member] = this.#level;
    this.#empty[member] = empty;
    this.#heap.push(empty, member);
  }

  #end(member: number): void {
    this.#served[member] = present(this.#served[member]) + this.#unsettled(member);
    this.#active[member] = 0;
    this.#activeWeight -= present(this.#weights[member]);
  }

  #unsettled(member: number): number {
    if (this.#active[member] === 0) return 0;
    const until = Math.min(this.#level, present(this.#empty[member]));
    return (until - present(this.#settled[member])) * present(this.#weights[member]);
  }

  /** The active queue that is empty first, or -1: entries of the heap that are out of date are mended or dropped. */
  #nextEmpty(): number {
    const heap = this.#heap;
    for (;;) {
      const member = heap.firstMember;
      if (member < 0) return -1;
      const empty = present(this.#empty[member]);
      if (this.#active[member] === 1 && heap.firstLevel === empty)
        return empty === Number.POSITIVE_INFINITY ? -1 : member;
      heap.pop();
      if (this.#active[member] === 1 && empty > heap.lastPopped) heap.push(empty, member);
    }
  }
}

/** The least of several levels, and the member that it belongs to. */
class LevelHeap {
  readonly #levels: number[] = [];
  readonly #members: number[] = [];
  lastPopped = 0;

  /** -1 when there is none. */
  get firstMember(): number {
    return this.#members[0] ?? -1;
  }

  get firstLevel(): number {
    return this.#levels[0] ?? Number.POSITIVE_INFINITY;
  }

  push(level: number, member: number): void {
    let at = this.#levels.length;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (present(this.#levels[parent]) <= level) break;
      this.#set(at, present(this.#levels[parent]), present(this.#members[parent]));
      at = parent;
    }
    this.#set(at, level, member);
  }

  pop(): void {
    this.lastPopped = this.firstLevel;
    const level = this.#levels.pop();
    const member = this.#members.pop();
    const size = this.#levels.length;
    if (size === 0 || level === undefined || member === undefined) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && present(this.#levels[child + 1]) < present(this.#levels[child])) child += 1;
      if (present(this.#levels[child]) >= level) break;
      this.#set(at, present(this.#levels[child]), present(this.#members[child]));
      at = child;
    }
    this.#set(at, level, member);
  }

  #set(at: number, level: number, member: number): void {
    this.#levels[at] = level;
    this.#members[at] = member;
  }
}
