import { describe, expect, it } from 'vitest';
import { askOnce } from '../../bench/child.js';
import { PROTECTIONS } from '../../bench/sections/end-to-end.js';
import type { AllocationAnswer, AllocationQuestion } from '../../bench/tasks/allocation.js';
import type { Traffic } from '../../bench/traffic-machine.js';

/** A number that the engine has to allocate has 16 bytes: below this no frame leaves as many as one of its own. */
const MOST_BYTES_PER_FRAME = 16;
/** From 2^31 ns on no time is a small integer of the engine. */
const LATE_NS = 3_000_000_000;

/**
 * Code that is not optimised yet allocates what optimised code does not, and on a busy machine the compiler's thread is late.
 * So the compiler runs on the thread that asks for it, at the same count of calls on every machine; and of three profiles
 * in a process of its own the one with the fewest bytes counts. No time is measured.
 */
const FLAGS = ['--expose-gc', '--no-concurrent-recompilation', '--max-semi-space-size=64'];

interface Case {
  readonly traffic: Traffic;
  readonly frameBytes: number;
  readonly startNs: number;
  /** A frame that is served by itself takes several times as long as one among many. */
  readonly frames: number;
}

const CASES: readonly Case[] = [
  { traffic: 'sent', frameBytes: 60, startNs: 0, frames: 20_000 },
  { traffic: 'sent', frameBytes: 1514, startNs: LATE_NS, frames: 20_000 },
  { traffic: 'received', frameBytes: 1514, startNs: 0, frames: 20_000 },
  { traffic: 'served', frameBytes: 60, startNs: 0, frames: 10_000 },
];

describe('the packet path allocates nothing per packet (CONTRIBUTING.md), by the heap profile of V8', () => {
  it.each(PROTECTIONS.flatMap((protection) => CASES.map((one) => ({ protection, ...one }))))(
    '$protection: frames of $frameBytes bytes that are $traffic, from $startNs ns on',
    async ({ protection, traffic, frameBytes, startNs, frames }) => {
      const question: AllocationQuestion = {
        traffic,
        machine: { protection, contexts: 32, frameBytes, startNs },
        warmUpPackets: frames * 5,
        packets: frames,
        stretches: 3,
        top: 5,
      };
      const { sampledBytes, functions } = await askOnce<AllocationAnswer>('allocation', question, FLAGS);
      const most = functions.map(({ place, bytes }) => `${place.name} ${place.file}:${place.line} ${bytes}`);
      expect(sampledBytes, most.join('; ')).toBeLessThan(MOST_BYTES_PER_FRAME);
    },
  );

  it('finds an object of one field that is made for each frame: three words of 8 bytes, and the field', async () => {
    const question: AllocationQuestion = {
      traffic: 'sent',
      machine: { protection: 'none', contexts: 32, frameBytes: 60 },
      warmUpPackets: 100_000,
      packets: 20_000,
      stretches: 3,
      keepsObjects: true,
      top: 1,
    };
    const { sampledBytes } = await askOnce<AllocationAnswer>('allocation', question, FLAGS);
    expect(sampledBytes).toBeGreaterThan(28);
    expect(sampledBytes).toBeLessThan(36);
  });
});
