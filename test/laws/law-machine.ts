import { FrameVerifier, readMac } from '../../guests/traffic/index.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Machine } from '../../src/machine/machine.js';
import { type RunResult, runScenario } from '../../src/machine/run.js';
import type { Plan } from '../arbitraries/scenarios.js';

/** A frame as it came out of the port: what a capture on the cable would have. */
export interface WireFrame {
  readonly source: number;
  /** Whose descriptor it was, which a capture would not tell. */
  readonly context: number;
  readonly bytes: number;
  readonly endNs: number;
  readonly verdict: 'good' | 'damaged' | 'foreign';
}

/** A machine from a plan, its cable tapped; nothing here looks at the counters of the code under test. */
export class LawMachine {
  readonly plan: Plan;
  readonly machine: Machine;
  readonly wire: WireFrame[] = [];
  /** Frames that arrived at the card from the cable. */
  arrived = 0;
  /** Called before each frame is noted. */
  onWire: ((source: number, bytes: number) => void) | undefined;
  /** Called with what the verifier found out about a frame. */
  onFrame: ((verifier: FrameVerifier, verdict: WireFrame['verdict']) => void) | undefined;

  constructor(plan: Plan) {
    this.plan = plan;
    const { scenario, approach, discipline, seed } = plan;
    const options = {
      linkBps: scenario.nic?.rateBps ?? 1e9,
      ...(scenario.quantumBytes === undefined ? {} : { quantumBytes: scenario.quantumBytes }),
    };
    const verifier = new FrameVerifier();
    this.machine = new Machine({
      scenario,
      directory: '.',
      captures: new Map(),
      seed,
      protection: approach.make(),
      transmitDiscipline: makeDiscipline(discipline, options),
      receiveDiscipline: makeDiscipline(discipline, options),
      wireTap: {
        transmitted: (bytes, offset, length, context, _index, { endNs }) => {
          const source = readMac(bytes, offset + 6);
          this.onWire?.(source, length);
          const verdict = verifier.verify(bytes, offset, length);
          this.onFrame?.(verifier, verdict);
          this.wire.push({ source, context, bytes: length, endNs, verdict });
        },
      },
    });
    const { partner, host } = this.machine;
    partner.connect((bytes, offset, length) => {
      this.arrived += 1;
      host.nic.receive(bytes, offset, length);
    });
  }

  /** Runs event by event to a moment, calling `after` behind each one. */
  walk(untilNs: number, after: (events: number) => void): void {
    const { kernel } = this.machine;
    let events = 0;
    for (
      let nextNs = kernel.nextTimeNs();
      nextNs !== undefined && nextNs <= untilNs;
      nextNs = kernel.nextTimeNs()
    ) {
      kernel.step();
      events += 1;
      after(events);
    }
    kernel.run(untilNs);
  }
}

/** A plan run as `run` and `compare` do. */
export function resultOf(plan: Plan, seed = plan.seed): RunResult {
  const { scenario, approach, discipline, durationNs } = plan;
  return runScenario({
    scenario,
    directory: '.',
    captures: new Map(),
    protection: approach.make(),
    discipline,
    seed,
    durationNs,
  });
}
