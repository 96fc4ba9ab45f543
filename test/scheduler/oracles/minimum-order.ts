import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import type { PublishedOrder } from '../../../scheduler/laws/index.js';
import { larger, Rational } from './rational.js';

interface Guaranteed {
  readonly context: number;
  readonly minimumBps: number | undefined;
  readonly queue: number[];
  /** Where its head waits: for its minimum, by a deadline, or in the rule behind. */
  place: 'idle' | 'due' | 'behind';
  deadlineNs: number;
}

/**
 * A minimum rate per context before a published rule: VirtualClock with frames held until their start (Zhang 1990). A context
 * whose clock is not ahead of the time is due; those due go by earliest deadline, the clock after their head, in whole
 * nanoseconds. The others wait in the rule behind, which loses a context at the instant at which it becomes due. What the rule
 * behind serves covers the minimum from then on, for the time that the frame takes at that rate.
 */
export class MinimumOrder implements PublishedOrder {
  readonly #inner: PublishedOrder;
  readonly #flows = new Map<number, Guaranteed>();
  /** The clock of a context, ns, and its rate; a context that leaves and comes back has them still. */
  readonly #clocks = new Map<number, { readonly ns: Rational; readonly minimumBps: number }>();

  constructor(inner: PublishedOrder) {
    this.#inner = inner;
  }

  joined(context: number, share: Share): void {
    const { minimumBps } = share;
    this.#flows.set(context, { context, minimumBps, queue: [], place: 'idle', deadlineNs: 0 });
    if (minimumBps !== undefined && !this.#clocks.has(context))
      this.#clocks.set(context, { ns: Rational.ZERO, minimumBps });
    this.#inner.joined?.(contextId(context), share);
  }

  left(context: number): void {
    this.#flows.delete(context);
    this.#inner.left?.(contextId(context));
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    if (first) this.#becomeDue(nowNs);
    const flow = this.#flow(context);
    flow.queue.push(bytes);
    if (!first) return;
    this.#convert(flow, nowNs);
    this.#notBefore(flow, nowNs);
    this.#place(flow, nowNs);
  }

  granted(context: number, bytes: number, _more: boolean, nowNs: number): void {
    const flow = this.#flow(context);
    flow.queue.shift();
    const [head] = flow.queue;
    if (flow.place === 'due') {
      this.#advance(flow, bytes);
      flow.place = 'idle';
      if (head !== undefined) this.#place(flow, nowNs);
      return;
    }
    if (flow.minimumBps !== undefined)
      this.#notBefore(flow, nowNs + whole(Rational.of(bytes * 8e9, flow.minimumBps).ceil()));
    if (head === undefined) flow.place = 'idle';
    else this.#inner.arrived?.(contextId(context), head, false, nowNs);
    this.#inner.granted?.(contextId(context), bytes, head !== undefined, nowNs);
  }

  withdrawn(context: number, nowNs: number): void {
    this.#becomeDue(nowNs);
    const flow = this.#flow(context);
    flow.queue.length = 0;
    if (flow.place === 'behind') this.#inner.withdrawn?.(contextId(context), nowNs);
    flow.place = 'idle';
  }

  next(nowNs: number): readonly number[] {
    this.#becomeDue(nowNs);
    const due = [...this.#flows.values()].filter(({ place }) => place === 'due');
    if (due.length === 0) return this.#inner.next(nowNs);
    const earliest = Math.min(...due.map(({ deadlineNs }) => deadlineNs));
    return due.filter(({ deadlineNs }) => deadlineNs === earliest).map(({ context }) => context);
  }

  /** A head that is not in the rule behind goes there, or is due. */
  #place(flow: Guaranteed, nowNs: number): void {
    if (flow.minimumBps !== undefined && this.#dueNs(flow) <= nowNs) {
      this.#makeDue(flow);
      return;
    }
    flow.place = 'behind';
    this.#inner.arrived?.(contextId(flow.context), flow.queue[0] ?? 0, true, nowNs);
  }

  #becomeDue(nowNs: number): void {
    const ready = [...this.#flows.values()]
      .filter(({ place, minimumBps }) => place === 'behind' && minimumBps !== undefined)
      .map((flow) => ({ flow, atNs: this.#dueNs(flow) }))
      .filter(({ atNs }) => atNs <= nowNs)
      .sort((one, other) => one.atNs - other.atNs || one.flow.context - other.flow.context);
    for (const { flow, atNs } of ready) {
      this.#inner.withdrawn?.(contextId(flow.context), atNs);
      this.#makeDue(flow);
    }
  }

  #makeDue(flow: Guaranteed): void {
    flow.place = 'due';
    const length = Rational.of((flow.queue[0] ?? 0) * 8e9, flow.minimumBps ?? 1);
    flow.deadlineNs = whole(this.#clock(flow).plus(length).ceil());
  }

  #dueNs(flow: Guaranteed): number {
    return whole(this.#clock(flow).ceil());
  }

  #clock({ context }: Guaranteed): Rational {
    return this.#clocks.get(context)?.ns ?? Rational.ZERO;
  }

  #set({ context, minimumBps }: Guaranteed, ns: Rational): void {
    if (minimumBps !== undefined) this.#clocks.set(context, { ns, minimumBps });
  }

  #advance(flow: Guaranteed, bytes: number): void {
    this.#set(flow, this.#clock(flow).plus(Rational.of(bytes * 8e9, flow.minimumBps ?? 1)));
  }

  #notBefore(flow: Guaranteed, nowNs: number): void {
    this.#set(flow, larger(this.#clock(flow), Rational.of(nowNs)));
  }

  /** What was sent in advance under another minimum stays charged: in bytes, rounded up. */
  #convert(flow: Guaranteed, nowNs: number): void {
    const known = this.#clocks.get(flow.context);
    if (known === undefined || flow.minimumBps === undefined || known.minimumBps === flow.minimumBps) return;
    const now = Rational.of(nowNs);
    const ahead = larger(known.ns.minus(now), Rational.ZERO).times(known.minimumBps, 8e9).ceil();
    this.#set(flow, now.plus(ahead.times(8e9, flow.minimumBps)));
  }

  #flow(context: number): Guaranteed {
    const flow = this.#flows.get(context);
    if (flow === undefined) throw new Error(`there is no flow ${context}`);
    return flow;
  }
}

function whole(rational: Rational): number {
  return Number(rational.toString().split('/')[0]);
}
