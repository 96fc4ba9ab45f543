import { describe, expect, it } from 'vitest';
import { FLAT_MODEL_VERSION, type FlatProtection, makeFlatMachine } from '../../bench/flat/flat-machine.js';
import { GreedyMachine } from '../../bench/greedy-machine.js';
import { MODEL_VERSION } from '../../src/machine/model-version.js';

/** A frame on the wire: who sent it, when its last bit left, and what it says. */
function noted(bytes: Uint8Array, offset: number, length: number, context: number, endNs: number): string {
  return `${context} ${endNs} ${Buffer.from(bytes.subarray(offset, offset + length)).toString('base64')}`;
}

const isCurrent: boolean = FLAT_MODEL_VERSION === MODEL_VERSION;
if (!isCurrent) {
  console.warn(
    `SKIPPED: the flat reference represents model version ${FLAT_MODEL_VERSION}, the emulator has ${MODEL_VERSION}`,
  );
}

interface Case {
  readonly protection: FlatProtection;
  readonly contexts: number;
  readonly frameBytes: number;
  readonly frames: number;
}

const CASES: readonly Case[] = [
  { protection: 'cdna', contexts: 1, frameBytes: 60, frames: 3_000 },
  { protection: 'cdna', contexts: 32, frameBytes: 60, frames: 6_000 },
  { protection: 'cdna', contexts: 32, frameBytes: 1514, frames: 6_000 },
  { protection: 'cdna', contexts: 100, frameBytes: 61, frames: 8_000 },
  { protection: 'iommu:direct-map', contexts: 1, frameBytes: 1514, frames: 1_000 },
  { protection: 'iommu:direct-map', contexts: 32, frameBytes: 60, frames: 4_000 },
  { protection: 'iommu:direct-map', contexts: 100, frameBytes: 1514, frames: 3_000 },
  { protection: 'iommu:single-use', contexts: 1, frameBytes: 60, frames: 1_000 },
  { protection: 'iommu:single-use', contexts: 32, frameBytes: 60, frames: 4_000 },
  { protection: 'iommu:single-use', contexts: 100, frameBytes: 1514, frames: 3_000 },
];

describe.skipIf(!isCurrent)('the flat reference', () => {
  it.each(CASES)(
    'puts the frames of the emulator on the wire at the same nanoseconds: $protection, $contexts contexts, $frameBytes bytes',
    ({ protection, contexts, frameBytes, frames }) => {
      const ours: string[] = [];
      const flat: string[] = [];
      const machine = new GreedyMachine({
        protection,
        contexts,
        frameBytes,
        tap: {
          transmitted: (bytes, offset, length, context, _index, _startNs, endNs) =>
            ours.push(noted(bytes, offset, length, context, endNs)),
        },
      });
      const reference = makeFlatMachine({
        protection,
        contexts,
        frameBytes,
        tap: (...frame) => flat.push(noted(...frame)),
      });
      machine.deliver(frames);
      reference.deliver(frames);
      expect(flat.length).toBeGreaterThanOrEqual(frames);
      expect(flat.findIndex((frame, index) => frame !== ours[index])).toBe(-1);
      expect(flat).toHaveLength(ours.length);
      expect(reference.nowNs).toBe(machine.kernel.nowNs);
      const events = reference.executed / machine.kernel.executed;
      expect(events).toBeGreaterThan(0.95);
      expect(events).toBeLessThan(1.05);
    },
  );
});
