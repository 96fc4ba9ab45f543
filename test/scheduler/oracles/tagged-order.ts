import { type Flow, FlowOrder } from './flows.js';
import { larger, Rational } from './rational.js';

/** Start and finish tag of the frame at the head of a flow, bytes per unit of weight; F is that of the last frame while idle. */
export interface Tags {
  start: Rational;
  finish: Rational;
}

/**
 * What the timestamp disciplines have in common: S = max(F, v) for a frame that finds its queue empty, S = F for one
 * behind another, F = S + L/w.
 *
 * Where the code departs from the papers it says so, and so does this: a tag that is taken from the clock is rounded to a
 * multiple of 1/(parts w); a flow that rejoins keeps, in bytes, what it was served in advance, counted from the next unit of
 * the clock on; a frame that arrives between the choice and the service counts as one that arrived during the service.
 */
export abstract class TaggedOrder extends FlowOrder {
  /** Parts of a byte that a tag distinguishes. */
  protected readonly parts: number;
  protected clock = Rational.ZERO;
  /** Tags survive leaving, with the weight for which they were computed. */
  readonly #tags = new Map<number, Tags & { weight: number }>();
  /** Flows that found their queue empty since the last choice. */
  protected arrivedSince = new Set<Flow>();

  constructor(parts = 256) {
    super();
    this.parts = parts;
  }

  tags(flow: Flow): Tags & { weight: number } {
    const tags = this.#tags.get(flow.context);
    if (tags === undefined) throw new Error(`flow ${flow.context} has no tags`);
    return tags;
  }

  protected override onJoin(flow: Flow): void {
    const before = this.#tags.get(flow.context);
    let finish = Rational.ZERO;
    if (before !== undefined && this.clock.isBefore(before.finish)) {
      const ahead = before.finish.minus(this.clock).times(before.weight, flow.weight).ceil(this.parts);
      finish = this.clock.floor(this.parts).plus(Rational.of(1, this.parts)).plus(ahead);
    }
    this.#tags.set(flow.context, { start: finish, finish, weight: flow.weight });
  }

  protected override onHead(flow: Flow, _nowNs: number, isFirst: boolean): void {
    const tags = this.tags(flow);
    if (isFirst) this.arrivedSince.add(flow);
    tags.start = isFirst ? this.begun(flow, tags.finish) : tags.finish;
    tags.finish = tags.start.plus(Rational.of(flow.queue[0] ?? 0, flow.weight));
  }

  /** The frame at the head goes unserved, and is not charged. */
  protected override onWithdrawal(flow: Flow, _nowNs: number): void {
    this.arrivedSince.delete(flow);
    this.tags(flow).finish = this.tags(flow).start;
  }

  /** A flow that was chosen for its tag of an earlier clock starts with the service. */
  protected restart(flow: Flow, start: Rational): void {
    const tags = this.tags(flow);
    tags.start = start;
    tags.finish = start.plus(Rational.of(flow.queue[0] ?? 0, flow.weight));
  }

  /** Start tag of a frame that finds its queue empty. */
  protected begun(flow: Flow, finish: Rational): Rational {
    return larger(finish, this.clock.ceil(this.parts * flow.weight));
  }
}
