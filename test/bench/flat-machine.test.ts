import { describe, expect, it } from 'vitest';
import { FLAT_MODEL_VERSION, makeFlatMachine } from '../../bench/flat/flat-machine.js';
import { GreedyMachine } from '../../bench/greedy-machine.js';
import { MODEL_VERSION } from '../../src/machine/model-version.js';

const FRAMES = 6_000;

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

describe.skipIf(!isCurrent)('the flat reference', () => {
  it.each([
    { contexts: 1, frameBytes: 60 },
    { contexts: 32, frameBytes: 60 },
    { contexts: 32, frameBytes: 1514 },
    { contexts: 100, frameBytes: 61 },
  ])(
    'puts the frames of the emulator on the wire at the same nanoseconds: cdna, $contexts contexts, $frameBytes bytes',
    ({ contexts, frameBytes }) => {
      const ours: string[] = [];
      const flat: string[] = [];
      const machine = new GreedyMachine({
        protection: 'cdna',
        contexts,
        frameBytes,
        tap: {
          transmitted: (bytes, offset, length, context, _index, _startNs, endNs) =>
            ours.push(noted(bytes, offset, length, context, endNs)),
        },
      });
      const reference = makeFlatMachine({
        protection: 'cdna',
        contexts,
        frameBytes,
        tap: (...frame) => flat.push(noted(...frame)),
      });
      machine.deliver(FRAMES);
      reference.deliver(FRAMES);
      expect(flat.length).toBeGreaterThanOrEqual(FRAMES);
      expect(flat).toEqual(ours);
      expect(reference.nowNs).toBe(machine.kernel.nowNs);
      const events = reference.executed / machine.kernel.executed;
      expect(events).toBeGreaterThan(0.95);
      expect(events).toBeLessThan(1.05);
    },
  );
});
