import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';
import { hostNs, Stopwatch } from '../measure.js';
import { type Seen, timeByFunction } from '../profile.js';

export interface ComponentsQuestion {
  readonly machine: GreedyMachineOptions;
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

answer(async ({ machine: options, warmUpPackets, packets }: ComponentsQuestion) => {
  const machine = new GreedyMachine(options);
  let found: { medianNs: number; floorRatio: number } | undefined;
  const seen = await timeByFunction(
    () => machine.deliver(warmUpPackets),
    () => {
      found = new Stopwatch(false).time(
        (frames) => {
          const start = hostNs();
          const delivered = machine.deliver(frames);
          return ((hostNs() - start) * frames) / delivered;
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
