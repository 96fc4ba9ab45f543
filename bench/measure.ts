import { moveFrames, postFrames } from './floor-loop.js';

/**
 * Performs `operations` of the measured work. Returns their processor time if set-up is not to be counted, ns;
 * otherwise the whole call is timed.
 */
export type Measured = (operations: number) => number | undefined;

export interface TimeOptions {
  /** Operations per repetition; enough that a repetition lasts some tens of milliseconds. */
  readonly operations: number;
  /** @defaultValue 9 */
  readonly repetitions?: number;
  /** Warm-up repetitions, discarded, so that the optimising compiler has finished. @defaultValue 3 */
  readonly warmUps?: number;
  /** Frame that the floor moves for comparison. @defaultValue 60 */
  readonly frameBytes?: number;
}

/** How long one operation takes, over several repetitions. */
export interface Timing {
  readonly medianNs: number;
  readonly fastestNs: number;
  readonly slowestNs: number;
  /**
   * Median of the repetitions' ratios to the floor, which is run beside each of them: on a shared
   * machine nanoseconds drift by a factor of two within a minute, and their ratio much less.
   */
  readonly floorRatio: number;
}

/** Processor time of this process and its threads so far, ns: what a neighbour does on the same machine is not in it. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** Host clock, ns. */
export function hostNs(): number {
  return Number(process.hrtime.bigint());
}

/** Packets that the floor moves beside each repetition: enough that cold memory at the start does not matter. */
const FLOOR_PACKETS = 200_000;

/** Times work beside the floor. */
export class Stopwatch {
  readonly #quick: boolean;
  readonly #floorTimes = new Map<number, number[]>();

  /** @param quick one repetition of a twentieth of the operations: shows that it runs. */
  constructor(quick: boolean) {
    this.#quick = quick;
  }

  time(run: Measured, options: TimeOptions): Timing {
    const frameBytes = options.frameBytes ?? 60;
    const operations = this.#quick ? Math.ceil(options.operations / 20) : options.operations;
    const repetitions = this.#quick ? 1 : (options.repetitions ?? 9);
    const warmUps = this.#quick ? 1 : (options.warmUps ?? 3);
    for (let index = 0; index < warmUps; index += 1) run(operations);
    const times: number[] = [];
    const ratios: number[] = [];
    for (let index = 0; index < repetitions; index += 1) {
      const floorBefore = this.#timeFloor(frameBytes);
      const ns = once(run, operations);
      const floorAfter = this.#timeFloor(frameBytes);
      times.push(ns);
      ratios.push((2 * ns) / (floorBefore + floorAfter));
    }
    return {
      medianNs: median(times),
      fastestNs: Math.min(...times),
      slowestNs: Math.max(...times),
      floorRatio: median(ratios),
    };
  }

  /** Nanoseconds per packet of the floor, the median of all its runs so far, by frame size. */
  get floorNs(): Record<string, number> {
    return Object.fromEntries(
      [...this.#floorTimes].map(([frameBytes, times]) => [frameBytes, round(median(times))]),
    );
  }

  #timeFloor(frameBytes: number): number {
    postFrames(frameBytes);
    const times = this.#floorTimes.get(frameBytes) ?? [];
    if (times.length === 0) for (let warmUp = 0; warmUp < 5; warmUp += 1) moveFrames(FLOOR_PACKETS);
    const ns = once(floor, FLOOR_PACKETS);
    this.#floorTimes.set(frameBytes, [...times, ns]);
    return ns;
  }
}

/** The columns that a timing becomes. */
export function timingColumns(timing: Timing): Record<string, number> {
  return {
    nsPerOperation: round(timing.medianNs),
    operationsPerSecond: Math.round(1e9 / timing.medianNs),
    fastestNs: round(timing.fastestNs),
    slowestNs: round(timing.slowestNs),
    floorRatio: round(timing.floorRatio),
  };
}

/** Four significant digits: more would be noise. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** The loop with which everything is compared, as timed work. */
function floor(packets: number): undefined {
  moveFrames(packets);
}

function once(run: Measured, operations: number): number {
  const start = cpuNs();
  const ownNs = run(operations);
  return (ownNs ?? cpuNs() - start) / operations;
}

/** The median; of an even number the upper of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
