import { type Flow, FlowOrder, least } from './flows.js';

/**
 * Liu and Layland 1973: the earliest deadline, counted from the time at which a frame reached the head of its queue. Of
 * equal deadlines the one that reached it first; a flow without a deadline comes after all that have one.
 */
export class DeadlineOrder extends FlowOrder {
  readonly #deadline = new Map<Flow, { readonly atNs: number; readonly turn: number }>();
  #turns = 0;

  next(): readonly number[] {
    const of = (flow: Flow) => this.#deadline.get(flow) ?? { atNs: 0, turn: 0 };
    const next = least(
      this.waiting,
      (i, j) => (of(i).atNs === of(j).atNs ? 0 : of(i).atNs - of(j).atNs),
      (i, j) => of(i).turn - of(j).turn,
    );
    return next === undefined ? [] : [next.context];
  }

  protected override onHead(flow: Flow, nowNs: number): void {
    this.#turns += 1;
    const allowed = flow.share.deadlineNs ?? Number.POSITIVE_INFINITY;
    this.#deadline.set(flow, { atNs: nowNs + allowed, turn: this.#turns });
  }
}
