import { answer } from '../child.js';
import { FLAT_PROTECTIONS, makeFlatMachine } from '../flat/flat-machine.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';
import { cpuNs, Stopwatch } from '../measure.js';
import { type Seen, timeByFunction } from '../profile.js';

export interface ComponentsQuestion {
  readonly machine: GreedyMachineOptions;
  /** The flat reference in the machine's place. */
  readonly flat: boolean;
  readonly warmUpPackets: number;
  readonly packets: number;
}

export interface ComponentsAnswer {
  readonly nsPerPacket: number;
  readonly floorRatio: number;
  readonly seen: readonly Seen[];
}

/** Stretches that the packets are cut into, each between two runs of the floor. */
const STRETCHES = 5;

answer(async ({ machine: options, flat, warmUpPackets, packets }: ComponentsQuestion) => {
  const machine = flat ? flatMachine(options) : new GreedyMachine(options);
  let found: { medianNs: number; floorRatio: number } | undefined;
  const seen = await timeByFunction(
    () => machine.deliver(warmUpPackets),
    () => {
      found = new Stopwatch(false).time(
        (frames) => {
          const start = cpuNs();
          const delivered = machine.deliver(frames);
          return ((cpuNs() - start) * frames) / delivered;
        },
        {
          operations: Math.ceil(packets / STRETCHES),
          repetitions: STRETCHES,
          warmUps: 0,
          frameBytes: options.frameBytes,
        },
      );
    },
  );
  const result: ComponentsAnswer = {
    nsPerPacket: found?.medianNs ?? Number.NaN,
    floorRatio: found?.floorRatio ?? Number.NaN,
    seen,
  };
  return result;
});

function flatMachine({ protection, contexts, frameBytes }: GreedyMachineOptions) {
  const known = FLAT_PROTECTIONS.find((name) => name === protection);
  if (known === undefined) throw new Error(`there is no flat reference for ${protection}`);
  return makeFlatMachine({ protection: known, contexts, frameBytes });
}
