import { type Flow, least } from './flows.js';
import { larger, Rational } from './rational.js';
import { TaggedOrder } from './tagged-order.js';

/** Order of two flows by start tag, and by finish tag. */
const byStart = (order: TaggedOrder) => (i: Flow, j: Flow) =>
  order.tags(i).start.compare(order.tags(j).start);
const byFinish = (order: TaggedOrder) => (i: Flow, j: Flow) =>
  order.tags(i).finish.compare(order.tags(j).finish);

/**
 * Goyal, Vin and Cheng 1996: the smallest start tag; v is the start tag of the frame in service, and at the end of a busy
 * period the largest finish tag of any frame that was served.
 */
export class StartTimeOrder extends TaggedOrder {
  #nsPerByte: number;
  #largestFinish = Rational.ZERO;
  #freeAtNs = 0;

  /** @param nsPerByte of the link; a busy period ends when the last frame has left. */
  constructor(nsPerByte: number) {
    super();
    this.#nsPerByte = nsPerByte;
  }

  override rateChanged(linkBps: number): void {
    this.#nsPerByte = 8e9 / linkBps;
  }

  next(): readonly number[] {
    this.arrivedSince = new Set();
    const next = least(this.waiting, byStart(this));
    return next === undefined ? [] : [next.context];
  }

  protected override onHead(flow: Flow, nowNs: number, isFirst: boolean): void {
    if (isFirst && this.waiting.length === 1 && nowNs >= this.#freeAtNs)
      this.clock = larger(this.clock, this.#largestFinish);
    super.onHead(flow, nowNs, isFirst);
  }

  protected override onGrant(flow: Flow, bytes: number, nowNs: number): void {
    const { start, finish } = this.tags(flow);
    this.clock = start;
    this.#largestFinish = larger(this.#largestFinish, finish);
    this.#freeAtNs = Math.max(nowNs, this.#freeAtNs) + bytes * this.#nsPerByte;
    for (const other of this.arrivedSince) {
      if (other !== flow && this.tags(other).start.isBefore(start))
        this.restart(other, start.ceil(this.parts * other.weight));
    }
  }
}

/** Golestani 1994: the smallest finish tag; v is the finish tag of the frame in service. */
export class SelfClockedOrder extends TaggedOrder {
  next(): readonly number[] {
    this.arrivedSince = new Set();
    const next = least(this.waiting, byFinish(this));
    return next === undefined ? [] : [next.context];
  }

  /** Rounded down, so that a newcomer does not start after a finish tag. */
  protected override begun(flow: Flow, finish: Rational): Rational {
    return larger(finish, this.clock.floor(this.parts * flow.weight));
  }

  protected override onGrant(flow: Flow): void {
    const { finish } = this.tags(flow);
    this.clock = finish;
    for (const other of this.arrivedSince) {
      if (other !== flow && this.tags(other).finish.isBefore(finish))
        this.restart(other, finish.floor(this.parts * other.weight));
    }
  }
}

/**
 * The sum of the weights of those that take part, and of those that left with a finish tag ahead of the clock. The code
 * examines the latter in the order in which they left, and so does this.
 */
export abstract class ReservedOrder extends TaggedOrder {
  #leaving: Flow[] = [];

  protected get totalWeight(): number {
    const all = [...this.flows.values(), ...this.#leaving];
    return all.reduce((sum, { weight }) => sum + weight, 0);
  }

  protected override onJoin(flow: Flow): void {
    this.#leaving = this.#leaving.filter(({ context }) => context !== flow.context);
    super.onJoin(flow);
  }

  protected override onLeave(flow: Flow): void {
    this.#leaving.push(flow);
    this.expire();
  }

  protected expire(): void {
    for (let [first] = this.#leaving; first !== undefined; [first] = this.#leaving) {
      if (this.clock.isBefore(this.tags(first).finish)) return;
      this.#leaving.shift();
    }
  }

  /** v += L / W, from a multiple of 1/(parts W) on. */
  protected advance(bytes: number): void {
    const total = this.totalWeight;
    this.clock = this.clock.floor(this.parts * total).plus(Rational.of(bytes, total));
  }
}

/**
 * Bennett and Zhang 1996: of the frames with S <= v the smallest finish tag. v advances by the bytes served over the sum of
 * the weights; where no frame is eligible, it becomes the smallest start tag. A frame that finds its queue empty starts at v
 * as it was when the frame on the link began.
 */
export class WorstCaseFairOrder extends ReservedOrder {
  #began = Rational.ZERO;

  next(): readonly number[] {
    this.arrivedSince = new Set();
    const eligible = this.waiting.filter((flow) => !this.clock.isBefore(this.tags(flow).start));
    const next =
      eligible.length > 0
        ? least(eligible, byFinish(this))
        : least(this.waiting, byStart(this), byFinish(this));
    return next === undefined ? [] : [next.context];
  }

  protected override onJoin(flow: Flow): void {
    super.onJoin(flow);
    this.#began = this.clock;
  }

  protected override begun(flow: Flow, finish: Rational): Rational {
    return this.#began.isBefore(finish) ? finish : this.#began.floor(this.parts * flow.weight);
  }

  protected override onGrant(flow: Flow, bytes: number): void {
    const { start } = this.tags(flow);
    if (this.clock.isBefore(start)) {
      this.clock = start;
      for (const other of this.arrivedSince) {
        if (other !== flow && this.tags(other).start.isBefore(start))
          this.restart(other, start.ceil(this.parts * other.weight));
      }
      this.expire();
    }
    this.#began = this.clock;
    this.advance(bytes);
    this.expire();
  }
}

/** A group of QFQ. */
interface Group {
  /** Slots are 2^index units of 1/65,536 of a byte wide. */
  readonly index: number;
  readonly start: Rational;
  readonly finish: Rational;
}

/**
 * Checconi, Rizzo and Valente 2013: flows of about the same L/w form a group; start tags are rounded down to slots of the
 * group, a group finishes two slots after its start. Of the groups with a start that v has reached, the one that finishes
 * first, of equals the lowest; within it the flow that was put into the first slot first. Where v has reached none, v
 * becomes the smallest start, and what arrived since that choice starts there too.
 *
 * A share may declare the largest frame of its flow, at least a sixteenth of that of all; no longer one may arrive here.
 */
export class QuickOrder extends ReservedOrder {
  readonly #maxFrameBytes: number;
  /** Order in which flows were put into their slots. */
  readonly #filed = new Map<Flow, number>();
  #filings = 0;

  constructor(maxFrameBytes: number) {
    super(2 ** 16);
    this.#maxFrameBytes = maxFrameBytes;
  }

  next(): readonly number[] {
    this.arrivedSince = new Set();
    const groups = this.#groups();
    const reached = groups.filter(({ start }) => !this.#now.isBefore(start));
    const [first] =
      reached.length > 0
        ? reached.sort((a, b) => a.finish.compare(b.finish) || a.index - b.index)
        : groups.sort((a, b) => a.start.compare(b.start) || a.index - b.index);
    if (first === undefined) return [];
    const inSlot = this.waiting.filter(
      (flow) => this.#groupOf(flow) === first.index && this.#slotOf(flow).compare(first.start) === 0,
    );
    const next = least(inSlot, (i, j) => this.#placeOf(i) - this.#placeOf(j));
    return next === undefined ? [] : [next.context];
  }

  protected override onJoin(flow: Flow): void {
    super.onJoin(flow);
    // The slots of its group reach so far from the slot of v, and no further.
    const width = Rational.of(2 ** this.#groupOf(flow), this.parts);
    const last = this.#rounded(this.#now, flow).plus(width);
    const tags = this.tags(flow);
    if (tags.finish.isBefore(last)) return;
    tags.start = last;
    tags.finish = last;
  }

  protected override begun(flow: Flow, finish: Rational): Rational {
    return this.clock.isBefore(finish) ? finish : this.clock.floor(this.parts * flow.weight);
  }

  protected override onHead(flow: Flow, nowNs: number, isFirst: boolean): void {
    const before = this.#slotOf(flow);
    super.onHead(flow, nowNs, isFirst);
    // A flow that stays in its slot keeps its place there.
    if (isFirst || this.#slotOf(flow).compare(before) !== 0) this.#file(flow);
  }

  protected override onGrant(flow: Flow, bytes: number): void {
    if (this.#now.isBefore(this.#slotOf(flow))) this.#jump(flow);
    this.advance(bytes);
    this.expire();
  }

  /** v becomes the start of the slot of a flow that was chosen early. Newcomers are put into slots anew, as they stood. */
  #jump(chosen: Flow): void {
    this.clock = this.#slotOf(chosen);
    const late = [...this.arrivedSince].filter(
      (flow) => flow !== chosen && this.tags(flow).start.isBefore(this.clock),
    );
    late.sort(
      (i, j) =>
        this.#groupOf(i) - this.#groupOf(j) ||
        this.#slotOf(i).compare(this.#slotOf(j)) ||
        this.#placeOf(i) - this.#placeOf(j),
    );
    for (const flow of late) {
      this.restart(flow, this.clock);
      this.#file(flow);
    }
  }

  protected override onWithdrawal(flow: Flow, nowNs: number): void {
    super.onWithdrawal(flow, nowNs);
    this.expire();
  }

  /** v in whole units: starts of slots are whole. */
  get #now(): Rational {
    return this.clock.floor(this.parts);
  }

  #groups(): Group[] {
    const starts = new Map<number, Rational>();
    for (const flow of this.waiting) {
      const slot = this.#slotOf(flow);
      const start = starts.get(this.#groupOf(flow));
      if (start === undefined || slot.isBefore(start)) starts.set(this.#groupOf(flow), slot);
    }
    return [...starts].map(([index, start]) => ({
      index,
      start,
      finish: start.plus(Rational.of(2 ** (index + 1), this.parts)),
    }));
  }

  #groupOf({ weight, share }: Flow): number {
    const largest = Math.max(share.maxFrameBytes ?? this.#maxFrameBytes, this.#maxFrameBytes / 16);
    let index = 0;
    while (2 ** index * weight < Math.ceil(largest) * this.parts) index += 1;
    return index;
  }

  #file(flow: Flow): void {
    this.#filings += 1;
    this.#filed.set(flow, this.#filings);
  }

  #placeOf(flow: Flow): number {
    return this.#filed.get(flow) ?? 0;
  }

  #slotOf(flow: Flow): Rational {
    return this.#rounded(this.tags(flow).start, flow);
  }

  #rounded(tag: Rational, flow: Flow): Rational {
    const width = 2 ** this.#groupOf(flow);
    return tag.times(this.parts, width).floor().times(width, this.parts);
  }
}
