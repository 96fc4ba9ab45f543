import { getHeapStatistics } from 'node:v8';
import type { WirePort } from 'cdna-nic/nic';
import { answer } from '../child.js';
import type { GreedyMachineOptions } from '../greedy-machine.js';
import { bytesByFunction, type Place } from '../profile.js';
import { type Traffic, trafficMachine } from '../traffic-machine.js';

export interface AllocationQuestion {
  readonly traffic: Traffic;
  readonly machine: GreedyMachineOptions;
  readonly warmUpPackets: number;
  readonly packets: number;
  /** Profiles of so many packets, of which the one with the fewest bytes counts. @defaultValue 1 */
  readonly stretches?: number;
  /** Keeps an object for each frame that leaves: what is looked for is found. @defaultValue false */
  readonly keepsObjects?: boolean;
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
/** The profiler's own start: 280 KB by the function that posts its commands, however many packets follow. */
const PROFILER = 'bench/profile.ts';

/** Makes an object of one field for each frame: three words of the engine and the field. */
function keeper(): WirePort {
  const kept: { readonly length: number }[] = new Array(256).fill({ length: 0 });
  let at = 0;
  return {
    transmitted(_bytes, _offset, length) {
      kept[at] = { length };
      at = (at + 1) & 255;
    },
  };
}

answer(async (question: AllocationQuestion) => {
  const { traffic, machine: options, warmUpPackets, packets, stretches = 1, top } = question;
  const machine = trafficMachine(
    traffic,
    question.keepsObjects === true ? { ...options, tap: keeper() } : options,
  );
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
  let found: Pick<AllocationAnswer, 'sampledBytes' | 'functions'> | undefined;
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    let profiled = 0;
    const all = await bytesByFunction(() => {
      profiled = machine.deliver(packets);
    }, SAMPLE_BYTES);
    const functions = all.filter(({ place }) => place.file !== PROFILER);
    const sampledBytes = functions.reduce((sum, { bytes }) => sum + bytes, 0) / profiled;
    if (found !== undefined && found.sampledBytes <= sampledBytes) continue;
    const named = functions.slice(0, top).map(({ place, bytes }) => ({ place, bytes: bytes / profiled }));
    found = { sampledBytes, functions: named };
  }
  if (found === undefined) throw new Error('nothing was profiled');
  const result: AllocationAnswer = { grownBytes: grown / counted, ...found };
  return result;
});
