import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { either, runs } from '../support/whole.js';
import { FullRings, jain, type Sender } from './support/full-rings.js';

const OVERHEAD = 24;

/** Quantum of the round robins: a window shorter than many of them shows where in a round it began. */
const QUANTUM_BYTES = 1514;

/** What generation 3 x8 leaves of a faster wire: windows there are as long in frames. Of short frames it carries no more. */
const CARRIED_BPS = 20e9;

/** Time in which a wire carries `due` of the largest frames, or of quanta, for each unit of weight. */
function windowNs(senders: readonly Sender[], rateBps: number, due: number): number {
  const largest = Math.max(QUANTUM_BYTES, ...senders.map(({ frameBytes }) => frameBytes)) + OVERHEAD;
  const units = senders.reduce((sum, { weight }) => sum + weight, 0);
  return Math.ceil((largest * units * due * 8e9) / Math.min(rateBps, CARRIED_BPS));
}

/** Jain's index of wire bytes per unit of weight, over a window that begins when all are backlogged. */
function shareOut(
  senders: readonly Sender[],
  rateBps: number,
  due: number,
  options: { slots?: number; discipline?: string } = {},
) {
  const card = new FullRings(senders, { rateBps, ...options });
  card.run(windowNs(senders, rateBps, 4));
  const ns = windowNs(senders, rateBps, due);
  const got = card.run(ns);
  card.nic.checkInvariants();
  const wireBps = (got.reduce((sum, bytes) => sum + bytes, 0) * 8e9) / ns;
  return { index: jain(got, senders), wireBps, got };
}

describe('wire bytes of contexts that are backlogged from their doorbells', () => {
  it('are equal at equal weight, 60 bytes beside 1,514 (198 and 705 Mb/s once)', () => {
    for (const discipline of ['drr', 'srr', 'sfq', 'scfq', 'wf2q+', 'qfq']) {
      const senders = [60, 1514].map((frameBytes) => ({ frameBytes, weight: 1 }));
      const { index, wireBps } = shareOut(senders, 1e9, 200, { discipline });
      expect(index, discipline).toBeGreaterThan(0.999);
      expect(wireBps, discipline).toBeGreaterThan(0.995e9);
    }
  });

  // In the whole form these are tens of millions of events, minutes on a busy machine.
  it('follow the weights, whatever the frames and up to what the wire or the PCIe link carries', {
    timeout: 900_000,
  }, () => {
    const sender = fc.record({
      frameBytes: fc.oneof(fc.constantFrom(60, 128, 1514, 9018), fc.integer({ min: 60, max: 9018 })),
      weight: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(sender, { minLength: 2, maxLength: either(8, 4) }),
        fc.constantFrom(10e6, 1e9, 10e9, 25e9, 100e9, 400e9, 800e9),
        fc.constantFrom('drr', 'drr', 'srr', 'sfq', 'wf2q+'),
        (senders, rateBps, discipline) => {
          // The FIFO has space for 273 frames of 60 bytes, and a context whose slots are all there has posted nothing.
          const slots = 512;
          const { index } = shareOut(senders, rateBps, 100, { discipline, slots });
          expect(index, `${discipline} at ${rateBps}`).toBeGreaterThan(0.999);
        },
      ),
      { numRuns: runs(12) },
    );
  });

  // Between two jumbo frames a weight of 10 is due 1,076 of 60 bytes. 273 fill the FIFO.
  it.each(['drr', 'srr'])('need a ring that holds more frames than the FIFO: %s', (discipline) => {
    const senders = [
      { frameBytes: 60, weight: 10 },
      { frameBytes: 9018, weight: 1 },
    ];
    const due = either(50, 20);
    for (const rateBps of either([10e6, 1e9], [1e9])) {
      expect(shareOut(senders, rateBps, due, { discipline, slots: 512 }).index).toBeGreaterThan(0.999);
      const short = shareOut(senders, rateBps, due, { discipline, slots: 256 });
      expect(short.index).toBeLessThan(0.8);
      expect(short.wireBps).toBeGreaterThan(0.99 * rateBps);
    }
  });

  it('are equal for 64 contexts of all sizes', () => {
    const senders = Array.from({ length: 64 }, (_, index) => ({
      frameBytes: [60, 9018, 300, 1514, 64, 4096][index % 6] ?? 60,
      weight: 1,
    }));
    expect(shareOut(senders, 25e9, 40).index).toBeGreaterThan(0.999);
  });
});
