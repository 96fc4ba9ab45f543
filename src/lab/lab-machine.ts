import type { Discipline } from '../../scheduler/discipline.js';
import type { Machine } from '../machine/machine.js';
import { protectionOf } from '../machine/protection.js';
import { Run, type RunResult } from '../machine/run.js';
import type { CaptureStore } from '../machine/traffic.js';
import type { CheckedPlan } from './plan.js';
import { RecentLatencies } from './recent-latencies.js';

/** A point of a run: virtual time, and how many events had run. The second tells events of one instant apart. */
export interface Position {
  readonly atNs: number;
  readonly events: number;
}

/** A run of a plan that is taken to any point, event by event if need be. It computes what `cdna-nic run` computes. */
export class LabMachine {
  readonly checked: CheckedPlan;
  readonly latencies: RecentLatencies;
  readonly #run: Run;

  /** @throws UserError when the plan asks for what cannot be */
  constructor(checked: CheckedPlan, captures: CaptureStore = new Map()) {
    const { plan, scenario, endNs } = checked;
    this.checked = checked;
    const latencies = new RecentLatencies();
    this.latencies = latencies;
    this.#run = new Run({
      scenario,
      directory: '',
      captures,
      protection: protectionOf(plan.approach, scenario),
      discipline: plan.discipline,
      seed: plan.seed,
      durationNs: endNs,
      onLatency: (context, latencyNs) => latencies.record(context, latencyNs),
    });
  }

  get machine(): Machine {
    return this.#run.machine;
  }

  get transmitDiscipline(): Discipline {
    return this.#run.disciplines.transmit;
  }

  get receiveDiscipline(): Discipline {
    return this.#run.disciplines.receive;
  }

  get position(): Position {
    const { kernel } = this.machine;
    return { atNs: kernel.nowNs, events: kernel.executed };
  }

  get done(): boolean {
    return this.#run.done;
  }

  /** That of a run that ends here. */
  get fingerprint(): string {
    return this.#run.fingerprint;
  }

  /** What the whole run found, once it is done. */
  result(): RunResult {
    return this.#run.result();
  }

  /** Runs every event up to and including `untilNs`, or to the end. */
  runTo(untilNs: number): void {
    const run = this.#run;
    while (!run.done && run.nextStopNs <= untilNs) run.advance();
    if (!run.done && untilNs > this.machine.kernel.nowNs) this.machine.run(untilNs);
  }

  /** Runs one event. False at the end of the run. */
  stepEvent(): boolean {
    const run = this.#run;
    const { kernel } = this.machine;
    while (!run.done && (kernel.nextTimeNs() ?? Number.POSITIVE_INFINITY) > run.nextStopNs) run.advance();
    return !run.done && kernel.step();
  }

  /** Runs to a point that is not behind this one. */
  runToPosition({ atNs, events }: Position): void {
    if (atNs - 1 > this.machine.kernel.nowNs) this.runTo(atNs - 1);
    while (this.machine.kernel.executed < events) {
      const nextNs = this.machine.kernel.nextTimeNs();
      if (nextNs === undefined || nextNs > atNs || !this.stepEvent()) break;
    }
    // Between two events: the clock stands where it stood.
    const nextNs = this.machine.kernel.nextTimeNs();
    if (this.machine.kernel.nowNs < atNs && (nextNs === undefined || nextNs > atNs)) this.runTo(atNs);
  }

  /** Ends every stream. */
  close(): void {
    this.#run.close();
  }
}
