import type { ContextId } from '../../scheduler/branded.js';
import { tallyIn } from '../../scheduler/tally.js';

/** Parts into which a run is divided to see how shares change. */
export const SENT_WINDOWS = 50;

/** Frame bytes that each context sent in each window of a run. */
export class SentOverTime {
  readonly #durationNs: number;
  readonly #startNs: number;
  readonly #bytes: Float64Array[] = [];

  /** @param startNs when the first window begins */
  constructor(durationNs: number, startNs = 0) {
    this.#durationNs = durationNs;
    this.#startNs = startNs;
  }

  /** A context that may send. */
  open(context: ContextId): void {
    this.#bytes[context] ??= new Float64Array(SENT_WINDOWS);
  }

  /** A frame whose last bit left at `endNs`; one of a context that was not opened is not counted. */
  add(context: ContextId, bytes: number, endNs: number): void {
    const windows = this.#bytes[context];
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
  of(context: ContextId): readonly number[] {
    return Array.from(this.#bytes[context] ?? new Float64Array(SENT_WINDOWS));
  }
}
