import type { Guarantee } from './random-link.js';

/** One frame, as seen by a delay bound. Times in ns. */
export interface FrameTimes {
  readonly context: number;
  readonly bytes: number;
  readonly arrivedNs: number;
  /** Bytes of its context waiting after its arrival, including itself and the unsent part of a frame on the link. */
  readonly queuedBytes: number;
  readonly startedNs: number;
  readonly leftNs: number;
}

/** Records arrival, start and departure of every frame, and passes each to a judge. */
export class FrameDelays implements Guarantee {
  checks = 0;
  readonly frames: FrameTimes[] = [];
  readonly #nsPerByte: number;
  readonly #judge: (frame: FrameTimes) => void;
  readonly #lastLeftNs = new Map<number, number>();
  readonly #queues = new Map<number, { bytes: number; arrivedNs: number; queuedBytes: number }[]>();

  constructor(linkBps: number, judge: (frame: FrameTimes) => void = () => {}) {
    this.#nsPerByte = 8e9 / linkBps;
    this.#judge = judge;
  }

  arrived(context: number, bytes: number, _first: boolean, nowNs: number): void {
    const queue = this.#queues.get(context) ?? [];
    this.#queues.set(context, queue);
    const before = queue.reduce((sum, frame) => sum + frame.bytes, 0);
    const onLink = Math.max(0, (this.#lastLeftNs.get(context) ?? 0) - nowNs) / this.#nsPerByte;
    queue.push({ bytes, arrivedNs: nowNs, queuedBytes: onLink + before + bytes });
  }

  granted(context: number, bytes: number, _more: boolean, nowNs: number): void {
    const frame = this.#queues.get(context)?.shift();
    if (frame === undefined || frame.bytes !== bytes)
      throw new Error(`context ${context} was granted another frame`);
    const times = { context, ...frame, startedNs: nowNs, leftNs: nowNs + bytes * this.#nsPerByte };
    this.#lastLeftNs.set(context, times.leftNs);
    this.frames.push(times);
    this.checks += 1;
    this.#judge(times);
  }
}
