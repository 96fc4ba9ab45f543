import type { LiveMachine } from '../live-machine.js';

/** The shortest wait that a timer of the host is used for, ns. */
const TIMER_NS = 1_000_000;

/**
 * Runs a live machine by the host's clock. Events keep their exact virtual times; what the host is late by is only when their
 * effects are seen outside.
 */
export class WallClock {
  readonly #machine: LiveMachine;
  readonly #started = process.hrtime.bigint();
  readonly #spinNs: number;
  readonly #beforeRun: (untilNs: number) => void;
  #armed: 'no' | 'immediate' | 'timer' = 'no';
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #stopped = false;
  readonly #onTime = () => {
    this.#armed = 'no';
    if (this.#stopped) return;
    try {
      this.advance();
      this.arm();
    } catch (error) {
      this.#failed(error);
    }
  };
  readonly #failed: (error: unknown) => void;

  /**
   * @param spinNs events nearer than this are waited for without rest, at the price of a core; others by a timer.
   * @param beforeRun told of the moment to which virtual time is about to run.
   * @param failed told of what a run by the clock throws: there is no caller that could hear of it.
   */
  constructor(
    machine: LiveMachine,
    spinNs: number,
    beforeRun: (untilNs: number) => void,
    failed: (error: unknown) => void,
  ) {
    this.#machine = machine;
    this.#spinNs = spinNs;
    this.#beforeRun = beforeRun;
    this.#failed = failed;
  }

  /** Time since the start, ns. */
  elapsedNs(): number {
    return Number(process.hrtime.bigint() - this.#started);
  }

  /** Brings virtual time to now. To be called before anything is handed to the machine, and after. */
  advance(): void {
    const { kernel } = this.#machine;
    const nowNs = Math.max(kernel.nowNs, this.elapsedNs());
    this.#beforeRun(nowNs);
    this.#machine.run(nowNs);
  }

  /** Sees to it that the next event is not missed. */
  arm(): void {
    const nextNs = this.#machine.kernel.nextTimeNs();
    if (nextNs === undefined || this.#stopped) return;
    const waitNs = nextNs - this.elapsedNs();
    if (waitNs <= Math.max(0, this.#spinNs)) {
      if (this.#armed === 'immediate') return;
      clearTimeout(this.#timer);
      this.#armed = 'immediate';
      this.#immediate = setImmediate(this.#onTime);
      return;
    }
    // A timer that is set may be for a later event than this one.
    if (this.#armed === 'immediate') return;
    clearTimeout(this.#timer);
    this.#armed = 'timer';
    this.#timer = setTimeout(this.#onTime, Math.max(1, Math.floor(waitNs / TIMER_NS)));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
  }
}
