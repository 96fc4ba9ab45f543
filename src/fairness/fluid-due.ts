import type { Workload } from './workload.js';

/**
 * What each context is due: the service of a fluid link (generalised processor sharing, Parekh and Gallager 1993)
 * that gets the same events. It is weighted max-min fair at every instant: nobody gets more than they ask for, and
 * what they leave is shared by weight among the rest.
 *
 * @returns bytes, a row a window of equal length, a column a context.
 */
export function fluidDue(workload: Workload, windows: number): Float64Array[] {
  const { contenders, events, linkBps, durationNs } = workload;
  const fluid = new FluidLink(
    contenders.map(({ share }) => share.weight),
    linkBps / 8e9,
  );
  const rows: Float64Array[] = [];
  let next = 0;
  for (let window = 1; window <= windows; window += 1) {
    const before = fluid.served.slice();
    const untilNs = (durationNs * window) / windows;
    for (let event = events[next]; event !== undefined && event.atNs < untilNs; event = events[next]) {
      next += 1;
      fluid.advance(event.atNs);
      if (event.kind === 'arrive') fluid.add(event.context, event.bytes);
      else if (event.kind === 'begin') fluid.add(event.context, Number.POSITIVE_INFINITY);
      else fluid.clear(event.context);
    }
    fluid.advance(untilNs);
    rows.push(fluid.served.map((bytes, context) => bytes - (before[context] ?? 0)));
  }
  return rows;
}

/** A backlog below this is what rounding left, bytes. */
const NOTHING = 1e-6;

class FluidLink {
  readonly served: Float64Array;
  readonly #backlog: Float64Array;
  readonly #weights: readonly number[];
  readonly #bytesPerNs: number;
  #nowNs = 0;

  constructor(weights: readonly number[], bytesPerNs: number) {
    this.#weights = weights;
    this.#bytesPerNs = bytesPerNs;
    this.served = new Float64Array(weights.length);
    this.#backlog = new Float64Array(weights.length);
  }

  add(context: number, bytes: number): void {
    this.#backlog[context] = (this.#backlog[context] ?? 0) + bytes;
  }

  clear(context: number): void {
    this.#backlog[context] = 0;
  }

  advance(toNs: number): void {
    while (this.#nowNs < toNs) {
      let weightSum = 0;
      // Bytes a unit of weight until somebody runs dry.
      let least = Number.POSITIVE_INFINITY;
      for (let context = 0; context < this.#backlog.length; context += 1) {
        const backlog = this.#backlog[context] ?? 0;
        if (backlog <= 0) continue;
        const weight = this.#weights[context] ?? 1;
        weightSum += weight;
        least = Math.min(least, backlog / weight);
      }
      if (weightSum === 0) {
        this.#nowNs = toNs;
        return;
      }
      const untilDryNs = (least * weightSum) / this.#bytesPerNs;
      const stepNs = Math.min(toNs - this.#nowNs, untilDryNs);
      const level = (stepNs * this.#bytesPerNs) / weightSum;
      for (let context = 0; context < this.#backlog.length; context += 1) {
        const backlog = this.#backlog[context] ?? 0;
        if (backlog <= 0) continue;
        const bytes = Math.min(backlog, level * (this.#weights[context] ?? 1));
        this.served[context] = (this.served[context] ?? 0) + bytes;
        const left = backlog - bytes;
        this.#backlog[context] = left < NOTHING ? 0 : left;
      }
      this.#nowNs = stepNs === untilDryNs ? Math.min(toNs, this.#nowNs + stepNs) : toNs;
    }
  }
}
