import { type Flow, FlowOrder } from './flows.js';

/** A list of active flows, from which a loop takes the next. */
abstract class ActiveList extends FlowOrder {
  protected active: Flow[] = [];

  protected override onHead(flow: Flow, _nowNs: number, isFirst: boolean): void {
    if (isFirst) this.active.push(flow);
  }

  protected override onIdle(flow: Flow): void {
    this.active = this.active.filter((other) => other !== flow);
  }

  next(): readonly number[] {
    return this.active.slice(0, 1).map(({ context }) => context);
  }

  protected toTheEnd(flow: Flow): void {
    this.active = [...this.active.filter((other) => other !== flow), flow];
  }
}

/** The flow that became active first, until it has nothing left. */
export class FifoOrder extends ActiveList {}

/** RFC 970: one packet per visit. */
export class PacketRoundRobinOrder extends ActiveList {
  protected override onGrant(flow: Flow): void {
    if (flow.queue.length > 0) this.toTheEnd(flow);
  }
}

/** Katevenis et al. 1991: as many packets per visit as the weight says. */
export class WeightedRoundRobinOrder extends ActiveList {
  #visited: Flow | undefined;
  #left = 0;

  override next(): readonly number[] {
    const [front] = this.active;
    if (front !== this.#visited) {
      this.#visited = front;
      this.#left = front?.weight ?? 0;
    }
    return super.next();
  }

  protected override onGrant(flow: Flow): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#visited = undefined;
    if (flow.queue.length > 0) this.toTheEnd(flow);
  }

  protected override onIdle(flow: Flow): void {
    super.onIdle(flow);
    if (this.#visited === flow) this.#visited = undefined;
  }
}

/** IEEE 802.1Q, 8.6.8.1: the lowest number that waits; packets in rotation among equals. */
export class StrictPriorityOrder extends PacketRoundRobinOrder {
  override next(): readonly number[] {
    const highest = Math.min(...this.active.map(({ share }) => share.priority ?? 0));
    return this.active
      .filter(({ share }) => (share.priority ?? 0) === highest)
      .slice(0, 1)
      .map(({ context }) => context);
  }
}

/**
 * The Dequeue loop of deficit and of surplus round robin, as a coroutine: it runs until it sends a packet, and goes on
 * when the next one is asked for. Enqueueing puts a flow that is in no list at the end of the active list.
 */
abstract class VisitOrder extends FlowOrder {
  protected readonly quantumBytes: number;
  protected readonly counter = new Map<number, number>();
  #active: Flow[] = [];
  #visited: Flow | undefined;
  readonly #loop = this.#dequeue();
  #choice: number | undefined;

  constructor(quantumBytes: number) {
    super();
    this.quantumBytes = quantumBytes;
  }

  next(): readonly number[] {
    // An empty list is looked at again; a choice stands until its packet is taken.
    this.#choice ??= this.#loop.next().value;
    return this.#choice === undefined ? [] : [this.#choice];
  }

  *#dequeue(): Generator<number | undefined, never> {
    for (;;) {
      const flow = this.#active.shift();
      if (flow === undefined) {
        yield undefined;
        continue;
      }
      this.#visited = flow;
      this.counter.set(flow.context, this.count(flow) + flow.weight * this.quantumBytes);
      while (this.#visited === flow && this.maySend(flow)) yield flow.context;
      if (this.#visited === flow) this.#active.push(flow);
      this.#visited = undefined;
    }
  }

  protected override onHead(flow: Flow, _nowNs: number, isFirst: boolean): void {
    if (isFirst) this.#active.push(flow);
  }

  protected override onGrant(flow: Flow, bytes: number): void {
    this.#choice = undefined;
    this.counter.set(flow.context, this.count(flow) - bytes);
  }

  protected override onIdle(flow: Flow): void {
    this.counter.set(flow.context, this.forfeited(this.count(flow)));
    this.#active = this.#active.filter((other) => other !== flow);
    if (this.#visited === flow) this.#visited = undefined;
    if (this.#choice === flow.context) this.#choice = undefined;
  }

  protected count(flow: Flow): number {
    return this.counter.get(flow.context) ?? 0;
  }

  protected abstract maySend(flow: Flow): boolean;
  /** What is left of a counter when its flow has nothing to send. */
  protected abstract forfeited(count: number): number;
}

/** Shreedhar and Varghese 1995: a packet is sent while the deficit counter covers it; an empty queue resets the counter. */
export class DeficitOrder extends VisitOrder {
  protected override maySend(flow: Flow): boolean {
    return flow.queue.length > 0 && (flow.queue[0] ?? 0) <= this.count(flow);
  }

  protected override forfeited(): number {
    return 0;
  }
}

/** Adiseshu et al. 1996: packets are sent while the surplus counter is positive; the debt of the last one stays. */
export class SurplusOrder extends VisitOrder {
  protected override maySend(flow: Flow): boolean {
    return flow.queue.length > 0 && this.count(flow) > 0;
  }

  protected override forfeited(count: number): number {
    return Math.min(0, count);
  }
}
