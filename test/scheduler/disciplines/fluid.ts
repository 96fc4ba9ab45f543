/** A frame that arrives at the fluid system. */
export interface FluidFrame {
  readonly context: number;
  readonly bytes: number;
  readonly arrivedNs: number;
}

/**
 * Generalised processor sharing simulated directly: every backlogged context drains at a rate in proportion to
 * weight, stepping from event to event. No virtual time, no tags: slow, as a reference for WFQ.
 * Frames in order of arrival. Returns the instant at which each is finished, ns.
 */
export function fluidFinishNs(
  frames: readonly FluidFrame[],
  weights: readonly number[],
  linkBps: number,
): number[] {
  const bytesPerNs = linkBps / 8e9;
  const finish = frames.map(() => 0);
  const queues: { index: number; left: number }[][] = weights.map(() => []);
  let nowNs = 0;
  let next = 0;
  for (;;) {
    const busy = queues.flatMap((queue, context) => (queue.length > 0 ? [context] : []));
    const arrival = frames[next];
    if (busy.length === 0) {
      if (arrival === undefined) return finish;
      nowNs = Math.max(nowNs, arrival.arrivedNs);
      queues[arrival.context]?.push({ index: next, left: arrival.bytes });
      next += 1;
      continue;
    }
    const sum = busy.reduce((total, context) => total + (weights[context] ?? 0), 0);
    const rateOf = (context: number) => (bytesPerNs * (weights[context] ?? 0)) / sum;
    const untilDone = Math.min(...busy.map((context) => (queues[context]?.[0]?.left ?? 0) / rateOf(context)));
    const untilArrival = arrival === undefined ? Number.POSITIVE_INFINITY : arrival.arrivedNs - nowNs;
    const step = Math.min(untilDone, untilArrival);
    nowNs += step;
    for (const context of busy) {
      const queue = queues[context] ?? [];
      const head = queue[0];
      if (head === undefined) continue;
      head.left -= step * rateOf(context);
      if (head.left <= 1e-6) {
        finish[head.index] = nowNs;
        queue.shift();
      }
    }
    if (arrival !== undefined && untilArrival <= step) {
      queues[arrival.context]?.push({ index: next, left: arrival.bytes });
      next += 1;
    }
  }
}
