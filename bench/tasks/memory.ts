import { existsSync, readFileSync } from 'node:fs';
import { fixedSize, greedy } from 'cdna-nic/guests';
import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

export interface MemoryQuestion {
  readonly machine: GreedyMachineOptions;
  /** Frames delivered before memory is measured: structures that grow with use have then grown. */
  readonly frames: number;
}

export interface MemoryAnswer {
  /** JavaScript heap, and array buffers outside it, after a collection, with the machine; bytes. */
  readonly heapBytes: number;
  readonly bufferBytes: number;
  /** Of the buffers: backing of the guests' and the hypervisor's RAM, where rings, buffers and tables lie. */
  readonly ramBytes: number;
  /** Memory of as many traffic sources alone: their patterns are the contents of frames and belong to no context. */
  readonly sourceBytes: number;
  /** Largest resident set of the process so far, bytes. */
  readonly peakBytes: number;
}

answer(({ machine: options, frames }: MemoryQuestion) => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('this task needs --expose-gc');
  const machine = new GreedyMachine(options);
  machine.deliver(frames);
  const peakBytes = peakOf(process.resourceUsage().maxRSS * 1024);
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  const sources = greedySources(options);
  gc();
  const after = process.memoryUsage();
  const found: MemoryAnswer = {
    heapBytes: heapUsed,
    bufferBytes: external,
    ramBytes: machine.host.memory.touchedBytes,
    sourceBytes: after.heapUsed + after.external - heapUsed - external,
    peakBytes,
  };
  // Both are used here so that they are not collected before.
  if (sources.length !== machine.drivers.length) throw new Error('a source is missing');
  return found;
});

/** Largest resident set. What the system counts for a process (maxRSS) begins with that of its parent; Linux says both. */
function peakOf(otherwise: number): number {
  if (!existsSync('/proc/self/status')) return otherwise;
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return kilobytes === undefined ? otherwise : Number(kilobytes) * 1024;
}

/** Frames after which a source has written every one of its patterns. */
const PATTERNS = 17;

/** Sources like those of the machine's guests, as far along. */
function greedySources({ contexts, frameBytes }: GreedyMachineOptions) {
  return Array.from({ length: contexts }, (_, index) => {
    const name = `alone${index}`;
    const sizes = fixedSize(name, frameBytes);
    const source = greedy({
      name,
      sourceId: index,
      source: 0x020000000001 + index,
      destination: 0x020000010001,
      sizes,
    });
    for (let frame = 0; frame < PATTERNS; frame += 1) source.pull();
    return source;
  });
}
