import { expect } from 'vitest';
import { type FlatProtection, makeFlatMachine } from '../../bench/flat/flat-machine.js';
import { GreedyMachine } from '../../bench/greedy-machine.js';

/** A machine of greedy guests, and how many of its frames are compared. */
export interface FlatCase {
  readonly protection: FlatProtection;
  readonly contexts: number;
  readonly frameBytes: number;
  readonly frames: number;
}

/** Bytes on the wire and their times are those of the emulator, and there are as many events within 5 %. */
export function compareWithFlat({ protection, contexts, frameBytes, frames }: FlatCase): void {
  const ours: string[] = [];
  const flat: string[] = [];
  const machine = new GreedyMachine({
    protection,
    contexts,
    frameBytes,
    tap: {
      transmitted: (bytes, offset, length, context, _index, { endNs }) =>
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
  // The first difference says more than two lists of thousands.
  const at = flat.findIndex((frame, index) => frame !== ours[index]);
  expect({ at, flat: flat[at], ours: ours[at] }).toEqual({ at: -1, flat: undefined, ours: undefined });
  expect(flat).toHaveLength(ours.length);
  expect(reference.nowNs).toBe(machine.kernel.nowNs);
  const events = reference.executed / machine.kernel.executed;
  expect(events).toBeGreaterThan(0.95);
  expect(events).toBeLessThan(1.05);
}

/** A frame on the wire: who sent it, when its last bit left, and what it says. */
function noted(bytes: Uint8Array, offset: number, length: number, context: number, endNs: number): string {
  return `${context} ${endNs} ${Buffer.from(bytes.subarray(offset, offset + length)).toString('base64')}`;
}
