import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

export interface MemoryQuestion {
  readonly machine: GreedyMachineOptions;
  /** Frames that are delivered before memory is looked at: what grows with use has then grown. */
  readonly frames: number;
}

export interface MemoryAnswer {
  /** JavaScript heap, and array buffers outside it, after a collection, with the machine; bytes. */
  readonly heapBytes: number;
  readonly bufferBytes: number;
  /** Of the buffers: backing of the guests' and the hypervisor's RAM, where rings, buffers and tables lie. */
  readonly ramBytes: number;
  /** Largest resident set of the process so far, bytes. */
  readonly peakBytes: number;
}

answer(({ machine: options, frames }: MemoryQuestion) => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('this task needs --expose-gc');
  const machine = new GreedyMachine(options);
  machine.deliver(frames);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  const found: MemoryAnswer = {
    heapBytes: heapUsed,
    bufferBytes: external,
    ramBytes: machine.host.memory.touchedBytes,
    peakBytes,
  };
  return found;
});
