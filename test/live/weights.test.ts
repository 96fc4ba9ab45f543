import { describe, expect, it } from 'vitest';
import { ethernet, TRANSMIT } from './support/driver.js';
import { Lab, MAC } from './support/lab.js';

const FRAMES = 240;
const FRAME_BYTES = 1514;

/** Disciplines, and by how many frames per unit of weight one guest may be ahead of the other. */
const DISCIPLINES = [
  ['drr', 3],
  ['wrr', 3],
  ['srr', 3],
  ['sfq', 3],
  ['scfq', 3],
  ['wf2q+', 3],
  // Tags follow a clock that takes the wire for faster than it is (preamble and gap), or are rounded to slots.
  ['wfq', 8],
  ['qfq', 8],
] as const;

describe.each(DISCIPLINES)('weights under %s', (discipline, ahead) => {
  it('shares follow the weights, and a weight that is changed counts at once', () => {
    const lab = new Lab({ discipline, weights: [1, 1], scenario: { nic: { rateBps: 10_000_000 } } });
    for (const index of [0, 1]) {
      const driver = lab.boot(index);
      driver.ram.write(0x200000, new Uint8Array(12));
      driver.ram.write(0x20000c, ethernet(0x020000ffffff, MAC + index, 'x', FRAME_BYTES));
      for (let slot = 0; slot < FRAMES; slot += 1)
        driver.post(TRANSMIT, slot, [{ at: 0x200000, bytes: 12 + FRAME_BYTES }], slot < FRAMES - 1);
    }
    const sent = () => lab.live.tallies.map((tally) => tally.counts(lab.live.kernel.nowNs).framesSent);
    lab.run(10_000_000);
    const [a0 = 0, b0 = 0] = sent();
    lab.run(80_000_000);
    const [a1 = 0, b1 = 0] = sent();
    expect(Math.abs(a1 - a0 - (b1 - b0))).toBeLessThanOrEqual(ahead);
    lab.live.setWeight(0, 3);

    // What was granted before stands in the FIFO.
    lab.run(15_000_000);
    const [a2 = 0, b2 = 0] = sent();
    lab.run(100_000_000);
    const [a3 = 0, b3 = 0] = sent();
    // Frames per unit of weight, within what a discipline may be ahead of another.
    expect(Math.abs((a3 - a2) / 3 - (b3 - b2))).toBeLessThanOrEqual(ahead);
    const backlogged = lab.live.tallies.map((tally) => tally.counts(lab.live.kernel.nowNs).backloggedNs);
    for (const ns of backlogged) expect(ns).toBeGreaterThan(180_000_000);
    lab.live.checkInvariants();
  });
});
