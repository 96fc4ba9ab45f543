import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import type { PublishedOrder } from '../../../scheduler/laws/index.js';
import { larger, Rational } from './rational.js';

/** Bucket of a context that names none, bytes: the longest frame with what the wire adds. */
const USUAL_BUCKET_BYTES = 9042;

interface Limited {
  readonly context: number;
  readonly limitBps: number | undefined;
  readonly bucketBytes: number;
  readonly queue: number[];
  /** Whether the rule behind the bucket has been told of the head. */
  passed: boolean;
}

/**
 * A token bucket per context in front of a published rule (Turner 1986; as the generic cell rate algorithm, ITU-T I.371,
 * annex A): the time up to which the rate is used up advances by bytes / rate with each frame and is never in the past when
 * it does. The rule behind it sees a frame from the first whole nanosecond on at which that time is at most the bucket
 * ahead, and sees no frame behind it before.
 */
export class LimitedOrder implements PublishedOrder {
  readonly #inner: PublishedOrder;
  readonly #flows = new Map<number, Limited>();
  /** Time up to which the rate of a context is used up, ns, and that rate; a context that leaves and comes back has them still. */
  readonly #usedUntil = new Map<number, { readonly ns: Rational; readonly limitBps: number }>();

  constructor(inner: PublishedOrder) {
    this.#inner = inner;
  }

  joined(context: number, share: Share): void {
    const { limitBps, burstBytes: bucketBytes = USUAL_BUCKET_BYTES } = share;
    this.#flows.set(context, { context, limitBps, bucketBytes, queue: [], passed: false });
    // A bucket is full at first. After a change of the limit it fills from the next frame on.
    if (limitBps !== undefined && !this.#usedUntil.has(context))
      this.#usedUntil.set(context, { ns: Rational.ZERO, limitBps });
    this.#inner.joined?.(contextId(context), share);
  }

  left(context: number): void {
    this.#flows.delete(context);
    this.#inner.left?.(contextId(context));
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    if (first) this.#pass(nowNs);
    const flow = this.#flow(context);
    if (first) this.#convert(flow, nowNs);
    flow.queue.push(bytes);
    if (!first || this.#eligibleNs(flow) > nowNs) return;
    flow.passed = true;
    this.#inner.arrived?.(contextId(context), bytes, true, nowNs);
  }

  granted(context: number, bytes: number, _more: boolean, nowNs: number): void {
    const flow = this.#flow(context);
    flow.queue.shift();
    if (flow.limitBps !== undefined) {
      const from = larger(this.#usedUntil.get(context)?.ns ?? Rational.ZERO, Rational.of(nowNs));
      const ns = from.plus(Rational.of(bytes * 8e9, flow.limitBps));
      this.#usedUntil.set(context, { ns, limitBps: flow.limitBps });
    }
    const [head] = flow.queue;
    flow.passed = head !== undefined && this.#eligibleNs(flow) <= nowNs;
    if (flow.passed) this.#inner.arrived?.(contextId(context), head ?? 0, false, nowNs);
    this.#inner.granted?.(contextId(context), bytes, flow.passed, nowNs);
  }

  withdrawn(context: number, nowNs: number): void {
    this.#pass(nowNs);
    const flow = this.#flow(context);
    flow.queue.length = 0;
    if (flow.passed) this.#inner.withdrawn?.(contextId(context), nowNs);
    flow.passed = false;
  }

  next(nowNs: number): readonly number[] {
    this.#pass(nowNs);
    return this.#inner.next(nowNs);
  }

  /** The frames that have become eligible by now go on to the rule behind, each at its instant. */
  #pass(nowNs: number): void {
    const ready = [...this.#flows.values()]
      .filter((flow) => flow.queue.length > 0 && !flow.passed)
      .map((flow) => ({ flow, atNs: this.#eligibleNs(flow) }))
      .filter(({ atNs }) => atNs <= nowNs)
      .sort((one, other) => one.atNs - other.atNs || one.flow.context - other.flow.context);
    for (const { flow, atNs } of ready) {
      flow.passed = true;
      this.#inner.arrived?.(contextId(flow.context), flow.queue[0] ?? 0, true, atNs);
    }
  }

  /** What was sent in advance under another limit stays charged: in bytes, rounded up. */
  #convert({ context, limitBps }: Limited, nowNs: number): void {
    const used = this.#usedUntil.get(context);
    if (used === undefined || limitBps === undefined || used.limitBps === limitBps) return;
    const now = Rational.of(nowNs);
    const ahead = larger(used.ns.minus(now), Rational.ZERO).times(used.limitBps, 8e9).ceil();
    this.#usedUntil.set(context, { ns: now.plus(ahead.times(8e9, limitBps)), limitBps });
  }

  #eligibleNs({ context, limitBps, bucketBytes, queue }: Limited): number {
    if (limitBps === undefined) return 0;
    const missing = Rational.of(((queue[0] ?? 0) - bucketBytes) * 8e9, limitBps);
    const used = this.#usedUntil.get(context)?.ns ?? Rational.ZERO;
    return Number(used.plus(missing).ceil().toString().split('/')[0]);
  }

  #flow(context: number): Limited {
    const flow = this.#flows.get(context);
    if (flow === undefined) throw new Error(`there is no flow ${context}`);
    return flow;
  }
}
