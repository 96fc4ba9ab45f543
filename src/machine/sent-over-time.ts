import { tallyIn } from '../../scheduler/tally.js';

/** Parts into which a run is divided to see how shares change. */
export const SENT_WINDOWS = 50;

/** Frame bytes that each owner (a context, or a guest) sent in each window of a run. */
export class SentOverTime {
  readonly #durationNs: number;
  readonly #startNs: number;
  readonly #bytes: Float64Array[] = [];

  /** @param startNs when the first window begins */
  constructor(durationNs: number, startNs = 0) {
    this.#durationNs = durationNs;
    this.#startNs = startNs;
  }

  /** An owner that may send. */
  open(owner: number): void {
    this.#bytes[owner] ??= new Float64Array(SENT_WINDOWS);
  }

  /** A frame whose last bit left at `endNs`; one of an owner that was not opened is not counted. */
  add(owner: number, bytes: number, endNs: number): void {
    const windows = this.#bytes[owner];
    if (windows === undefined) return;
    if (endNs < this.#startNs) return;
    // What leaves in the last nanosecond belongs to the last window.
    const window = Math.min(
      SENT_WINDOWS - 1,
      Math.floor(((endNs - this.#startNs) * SENT_WINDOWS) / this.#durationNs),
    );
    tallyIn(windows, window, bytes);
  }

  /** Bytes a window, in the order of time. */
  of(owner: number): readonly number[] {
    return Array.from(this.#bytes[owner] ?? new Float64Array(SENT_WINDOWS));
  }
}
