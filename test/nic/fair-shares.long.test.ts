import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FullRings, jain, type Sender } from './support/full-rings.js';

/** What contexts that are always backlogged send in `ns`, after `warmUpNs`. */
function measured(senders: readonly Sender[], slots: number, warmUpNs: number, ns: number) {
  const card = new FullRings(senders, { rateBps: 100e9, slots });
  card.run(warmUpNs);
  const got = card.run(ns);
  card.nic.checkInvariants();
  return { index: jain(got, senders), wireBps: (got.reduce((sum, bytes) => sum + bytes, 0) * 8e9) / ns };
}

/** Preamble and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). */
const OVERHEAD = 24;
/** These play tens of millions of events, minutes on a busy machine. */
const TIMEOUT_MS = 900_000;

describe('wire bytes of up to 64 contexts', () => {
  it('are equal over a window in which each is due 1,000 of the largest frames, at 1 to 400 Gb/s', {
    timeout: TIMEOUT_MS,
  }, () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(60, 1514, 9018), fc.integer({ min: 60, max: 9018 })), {
          minLength: 2,
          maxLength: 64,
          size: 'max',
        }),
        fc.constantFrom(1e9, 25e9, 100e9, 400e9),
        (lengths, rateBps) => {
          const senders = lengths.map((frameBytes) => ({ frameBytes, weight: 1 }));
          const largest = Math.max(...lengths) + OVERHEAD;
          const card = new FullRings(senders, { rateBps });
          // What the link of generation 3 leaves of a fast wire is shared: the window is as long in frames.
          const carriedBps = Math.min(rateBps, 20e9);
          const windowNs = Math.ceil((largest * senders.length * 1_000 * 8e9) / carriedBps);
          card.run(windowNs / 100);
          const got = card.run(windowNs);
          card.nic.checkInvariants();
          expect(jain(got, senders)).toBeGreaterThan(0.999);
        },
      ),
      { numRuns: 3 },
    );
  });
});

describe('wire bytes of very many contexts', () => {
  it('are equal for 1,024 contexts, jumbo frames among small ones', { timeout: TIMEOUT_MS }, () => {
    const senders = Array.from({ length: 1024 }, (_, index) => ({
      frameBytes: [9018, 60, 1514, 9018][index % 4] ?? 60,
      weight: 1,
    }));
    // PCI Express generation 3 x8 limits this: 39 of 100 Gb/s. 30 jumbo frames each take about 45 ms of it.
    const { index, wireBps } = measured(senders, 64, 5e6, 45e6);
    expect(wireBps).toBeGreaterThan(35e9);
    expect(index).toBeGreaterThan(0.999);
  });

  it('are equal for 4,096 contexts of 60 and 1,514 bytes on rings of 32 slots', {
    timeout: TIMEOUT_MS,
  }, () => {
    const senders = Array.from({ length: 4096 }, (_, index) => ({
      frameBytes: index % 2 === 0 ? 60 : 1514,
      weight: 1,
    }));
    const { index, wireBps } = measured(senders, 32, 5e6, 40e6);
    expect(wireBps).toBeGreaterThan(20e9);
    expect(index).toBeGreaterThan(0.999);
  });
});
