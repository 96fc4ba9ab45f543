import { type Flow, FlowOrder, least } from './flows.js';
import { larger, Rational } from './rational.js';

interface Stamp {
  readonly start: Rational;
  readonly finish: Rational;
}

/**
 * Demers, Keshav and Shenker 1989; Parekh and Gallager 1993: the frame that generalised processor sharing would finish
 * first. v grows at r / (sum of the weights of those that the fluid system serves); a frame that arrives at t is stamped
 * S = max(F of the frame before it, v(t)), F = S + L/w.
 *
 * v is kept in fractions here and in doubles there, and a stamp taken from it is rounded up to 1/(256 w), so frames with
 * finish stamps less than that apart are a tie.
 */
export class GpsOrder extends FlowOrder {
  #bytesPerNs: Rational;
  readonly #stamps = new Map<Flow, Stamp[]>();
  readonly #last = new Map<Flow, Rational>();
  #clock = Rational.ZERO;
  #atNs = 0;

  constructor(linkBps: number) {
    super();
    this.#bytesPerNs = Rational.of(linkBps, 8_000_000_000n);
  }

  override rateChanged(linkBps: number, nowNs: number): void {
    this.#run(nowNs);
    this.#bytesPerNs = Rational.of(linkBps, 8_000_000_000n);
  }

  next(): readonly number[] {
    const finish = (flow: Flow) => this.#stamps.get(flow)?.[0]?.finish ?? Rational.ZERO;
    const first = least(this.waiting, (i, j) => finish(i).compare(finish(j)));
    if (first === undefined) return [];
    const rounding = (flow: Flow) => Rational.of(1, 128 * flow.weight);
    return this.waiting
      .filter((flow) => {
        const latest = finish(first).plus(rounding(first)).plus(rounding(flow));
        return !latest.isBefore(finish(flow));
      })
      .map(({ context }) => context);
  }

  protected override onArrival(flow: Flow, bytes: number, nowNs: number): void {
    this.#run(nowNs);
    const start = larger(this.#last.get(flow) ?? Rational.ZERO, this.#clock);
    const finish = start.plus(Rational.of(bytes, flow.weight));
    this.#stamps.set(flow, [...(this.#stamps.get(flow) ?? []), { start, finish }]);
    this.#last.set(flow, finish);
  }

  protected override onGrant(flow: Flow): void {
    this.#stamps.get(flow)?.shift();
  }

  /** Unserved frames leave the fluid system too. */
  protected override onWithdrawal(flow: Flow, nowNs: number): void {
    this.#run(nowNs);
    const [head] = this.#stamps.get(flow) ?? [];
    if (head !== undefined) this.#last.set(flow, head.start);
    this.#stamps.set(flow, []);
  }

  #run(nowNs: number): void {
    let work = this.#bytesPerNs.times(nowNs - this.#atNs);
    this.#atNs = nowNs;
    for (;;) {
      const served = [...this.#last].filter(([, finish]) => this.#clock.isBefore(finish));
      const weights = served.reduce((sum, [flow]) => sum + flow.weight, 0);
      const [first] = served.map(([, finish]) => finish).sort((a, b) => a.compare(b));
      if (first === undefined) return;
      const needed = first.minus(this.#clock).times(weights);
      if (work.isBefore(needed)) {
        this.#clock = this.#clock.plus(work.times(1, weights));
        return;
      }
      work = work.minus(needed);
      this.#clock = first;
    }
  }
}
