import type { SweepProgress } from '../sweep/run-jobs.js';
import type { CliIo } from './cli-io.js';
import { ProgressLine } from './progress.js';
import { progressClockMs } from './progress-clock.js';

/** A pipe gets a line once in so long, ms. */
const LINE_EVERY_MS = 60_000;

/** Shows the progress of a sweep: a line that is overwritten on a terminal, a line per minute elsewhere. */
export class SweepProgressLine {
  readonly #io: CliIo;
  readonly #line: ProgressLine;
  readonly #startMs = progressClockMs();
  #lastMs = progressClockMs();

  constructor(io: CliIo) {
    this.#io = io;
    this.#line = new ProgressLine(io);
  }

  /** @param total jobs of the study, as far as they are known */
  show({ finished, done, failed }: SweepProgress, total: number): void {
    const nowMs = progressClockMs();
    const leftMs = ((nowMs - this.#startMs) / Math.max(1, done)) * Math.max(0, total - finished);
    const failures = failed === 0 ? '' : `, ${failed} could not be done`;
    const text = `${finished} of ${total} runs${failures}, ${durationText(leftMs)} left`;
    if (this.#io.errIsTerminal) this.#line.show(text);
    else if (nowMs - this.#lastMs >= LINE_EVERY_MS) {
      this.#lastMs = nowMs;
      this.#io.err(`${text}\n`);
    }
  }

  clear(): void {
    this.#line.clear();
  }
}

/** Real time as a person reads it: `45 s`, `12 min`, `3.5 h`. */
export function durationText(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
