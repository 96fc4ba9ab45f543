import { execFileSync } from 'node:child_process';
import { makeProtection } from '../../host/protection/approaches.js';
import { makeDiscipline } from '../../scheduler/disciplines/make-discipline.js';
import { Machine } from '../../src/machine/machine.js';
import { readCaptures } from '../../src/machine/read-captures.js';
import { loadScenario } from '../../src/scenario/load.js';
import { answer } from '../child.js';
import { type FlatProtection, makeFlatMachine } from '../flat/flat-machine.js';
import { moveFrames, postFrames } from '../floor-loop.js';
import type { GreedyMachineOptions } from '../greedy-machine.js';
import { millisecondsFor } from '../ns3/build.js';
import { counted, type TrafficMachine, trafficMachine } from '../traffic-machine.js';

/** One side of a pair: what a process runs. */
export type Side =
  | ({ readonly kind: 'greedy' } & GreedyMachineOptions)
  | {
      readonly kind: 'flat';
      readonly protection: FlatProtection;
      readonly contexts: number;
      readonly frameBytes: number;
    }
  | { readonly kind: 'floor'; readonly frameBytes: number }
  /** Each frame has its doorbell and its interrupt. */
  | { readonly kind: 'served'; readonly protection: string; readonly frameBytes: number }
  /** The program of bench/ns3, built. */
  | { readonly kind: 'ns3'; readonly program: string; readonly flows: number; readonly payloadBytes: number }
  | {
      readonly kind: 'receive';
      readonly protection: string;
      readonly contexts: number;
      readonly frameBytes: number;
    }
  | { readonly kind: 'scenario'; readonly path: string; readonly protection: string };

export interface Stretch {
  readonly frames: number;
}

/** Processor time, frames and events of a stretch. */
export interface StretchAnswer {
  readonly cpuNs: number;
  readonly frames: number;
  readonly events: number;
}

interface Runner extends TrafficMachine {
  /** What the last stretch took, of a program that says so itself. */
  readonly cpuNs?: number;
}

let runner: Runner | undefined;

answer(async (question: Side | Stretch): Promise<StretchAnswer | 'ready'> => {
  if ('kind' in question) {
    runner = await start(question);
    return 'ready';
  }
  if (runner === undefined) throw new Error('nothing was started');
  const before = runner.events;
  const cpu = process.cpuUsage();
  const frames = runner.deliver(question.frames);
  const { user, system } = process.cpuUsage(cpu);
  return { cpuNs: runner.cpuNs ?? (user + system) * 1000, frames, events: runner.events - before };
});

async function start(side: Side): Promise<Runner> {
  switch (side.kind) {
    case 'flat': {
      const machine = makeFlatMachine(side);
      return {
        deliver: (frames) => machine.deliver(frames),
        get events() {
          return machine.executed;
        },
      };
    }
    case 'floor':
      postFrames(side.frameBytes);
      return {
        deliver(frames) {
          moveFrames(frames);
          return frames;
        },
        events: 0,
      };
    case 'ns3': {
      let [cpuNs, events] = [0, 0];
      return {
        deliver(frames) {
          const milliseconds = millisecondsFor(frames, side.payloadBytes);
          const flags = [`--flows=${side.flows}`, `--payload=${side.payloadBytes}`];
          const out = execFileSync(side.program, [...flags, `--milliseconds=${milliseconds}`], {
            encoding: 'utf8',
          });
          const [delivered = Number.NaN, took = Number.NaN, ran = Number.NaN] = out.split(' ').map(Number);
          cpuNs = took;
          events += ran;
          return delivered;
        },
        get events() {
          return events;
        },
        get cpuNs() {
          return cpuNs;
        },
      };
    }
    case 'served':
      return trafficMachine('served', { ...side, contexts: 0 });
    case 'greedy':
      return trafficMachine('sent', side);
    case 'receive':
      return trafficMachine('received', side);
    case 'scenario': {
      const { scenario, directory } = await loadScenario(side.path);
      const traffic = scenario.guests.map((guest) => guest.traffic);
      const machine = new Machine({
        scenario,
        directory,
        captures: await readCaptures(traffic, directory),
        seed: scenario.seed ?? 1,
        protection: makeProtection(side.protection),
        transmitDiscipline: makeDiscipline('drr'),
        receiveDiscipline: makeDiscipline('drr'),
      });
      return counted(machine.kernel, () => machine.partner.framesFromNic + machine.partner.framesToNic);
    }
  }
}
