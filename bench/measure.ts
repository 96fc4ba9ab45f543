/** How long one operation takes, over several repetitions, ns. */
export interface Timing {
  readonly medianNs: number;
  readonly fastestNs: number;
  readonly slowestNs: number;
  readonly repetitions: number;
}

export interface MeasureOptions {
  /** Operations a repetition; enough that a repetition lasts some tens of milliseconds. */
  readonly operations: number;
  /** @defaultValue 9 */
  readonly repetitions?: number;
  /** Repetitions that are run first and thrown away, so that the optimising compiler is done. @defaultValue 3 */
  readonly warmUps?: number;
}

/** Host clock, ns. */
export function hostNs(): number {
  return Number(process.hrtime.bigint());
}

/** Median of several runs of `run(operations)`. The machine is noisy: the spread belongs to the figure. */
export function measure(run: (operations: number) => void, options: MeasureOptions): Timing {
  const { operations, repetitions = 9, warmUps = 3 } = options;
  for (let index = 0; index < warmUps; index += 1) run(operations);
  const times: number[] = [];
  for (let index = 0; index < repetitions; index += 1) {
    const start = hostNs();
    run(operations);
    times.push((hostNs() - start) / operations);
  }
  times.sort((a, b) => a - b);
  return {
    medianNs: times[times.length >> 1] ?? Number.NaN,
    fastestNs: times[0] ?? Number.NaN,
    slowestNs: times.at(-1) ?? Number.NaN,
    repetitions,
  };
}

/** The columns that a timing becomes. */
export function timingColumns(timing: Timing): Record<string, number> {
  return {
    nsPerOperation: round(timing.medianNs),
    operationsPerSecond: Math.round(1e9 / timing.medianNs),
    fastestNs: round(timing.fastestNs),
    slowestNs: round(timing.slowestNs),
  };
}

/** Four significant digits: more would be noise. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
