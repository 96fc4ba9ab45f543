import { getHeapStatistics } from 'node:v8';
import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';
import { bytesByFunction, type Place } from '../profile.js';

export interface AllocationQuestion {
  readonly machine: GreedyMachineOptions;
  readonly warmUpPackets: number;
  readonly packets: number;
  /** Number of functions to name. */
  readonly top: number;
}

export interface AllocationAnswer {
  /** Bytes per packet by which the heap in use grew between collections: everything that was allocated. */
  readonly grownBytes: number;
  /** Bytes per packet by the sampling heap profiler. */
  readonly sampledBytes: number;
  readonly functions: readonly { readonly place: Place; readonly bytes: number }[];
}

/** Packets between two forced collections: what they leave fits the young generation that the section asks for. */
const SPAN_PACKETS = 20_000;
const SAMPLE_BYTES = 512;

answer(async ({ machine: options, warmUpPackets, packets, top }: AllocationQuestion) => {
  const machine = new GreedyMachine(options);
  machine.deliver(warmUpPackets);
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('this task needs --expose-gc');
  let grown = 0;
  let counted = 0;
  while (counted < packets) {
    gc();
    const before = getHeapStatistics().used_heap_size;
    counted += machine.deliver(SPAN_PACKETS);
    grown += getHeapStatistics().used_heap_size - before;
  }
  let profiled = 0;
  const functions = await bytesByFunction(() => {
    profiled = machine.deliver(packets);
  }, SAMPLE_BYTES);
  const sampled = functions.reduce((sum, { bytes }) => sum + bytes, 0);
  const found: AllocationAnswer = {
    grownBytes: grown / counted,
    sampledBytes: sampled / profiled,
    functions: functions.slice(0, top).map(({ place, bytes }) => ({ place, bytes: bytes / profiled })),
  };
  return found;
});
