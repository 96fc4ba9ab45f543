import type { Share } from '../../../scheduler/discipline.js';
import type { PublishedOrder } from '../../../scheduler/laws/index.js';

/** A flow as the papers have it: a queue of frame lengths. */
export interface Flow {
  readonly context: number;
  readonly share: Share;
  readonly weight: number;
  readonly queue: number[];
}

/** Keeps the queues of the flows; a published rule only has to say what follows from them. */
export abstract class FlowOrder implements PublishedOrder {
  protected readonly flows = new Map<number, Flow>();

  joined(context: number, share: Share): void {
    const flow = { context, share, weight: share.weight, queue: [] };
    this.flows.set(context, flow);
    this.onJoin(flow);
  }

  left(context: number): void {
    this.onLeave(this.flow(context));
    this.flows.delete(context);
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    const flow = this.flow(context);
    flow.queue.push(bytes);
    this.onArrival(flow, bytes, nowNs);
    if (first) this.onHead(flow, nowNs, true);
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    const flow = this.flow(context);
    const head = flow.queue.shift();
    if (head !== bytes || flow.queue.length > 0 !== more)
      throw new Error(`context ${context} has other frames than the link`);
    this.onGrant(flow, bytes, nowNs);
    if (more) this.onHead(flow, nowNs, false);
    else this.onIdle(flow);
  }

  withdrawn(context: number, nowNs = 0): void {
    const flow = this.flow(context);
    flow.queue.length = 0;
    this.onWithdrawal(flow, nowNs);
    this.onIdle(flow);
  }

  /** The link has another rate for what starts from now on; most rules do not look at it. */
  rateChanged(_linkBps: number, _nowNs: number): void {}

  abstract next(nowNs: number): readonly number[];

  protected flow(context: number): Flow {
    const flow = this.flows.get(context);
    if (flow === undefined) throw new Error(`there is no flow ${context}`);
    return flow;
  }

  /** Flows with a frame. */
  protected get waiting(): Flow[] {
    return [...this.flows.values()].filter(({ queue }) => queue.length > 0);
  }

  protected onJoin(_flow: Flow): void {}
  protected onLeave(_flow: Flow): void {}
  /** A frame joined the queue. */
  protected onArrival(_flow: Flow, _bytes: number, _nowNs: number): void {}
  /** A frame has reached the head of its queue: as it arrived, or as the one before it was taken. */
  protected onHead(_flow: Flow, _nowNs: number, _isFirst: boolean): void {}
  /** The head was taken. */
  protected onGrant(_flow: Flow, _bytes: number, _nowNs: number): void {}
  /** The queue is empty now. */
  protected onIdle(_flow: Flow): void {}
  /** The queue was emptied without service. */
  protected onWithdrawal(_flow: Flow, _nowNs: number): void {}
}

/** The smallest by one key after the other, ties by context number. */
export function least<T extends { readonly context: number }>(
  flows: readonly T[],
  ...keys: readonly ((left: T, right: T) => number)[]
): T | undefined {
  const before = (left: T, right: T) => {
    for (const key of keys) {
      const order = key(left, right);
      if (order !== 0) return order < 0;
    }
    return left.context < right.context;
  };
  return flows.reduce<T | undefined>(
    (best, flow) => (best === undefined || before(flow, best) ? flow : best),
    undefined,
  );
}
