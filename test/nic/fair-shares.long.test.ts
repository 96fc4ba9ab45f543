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

describe('wire bytes of very many contexts', () => {
  it('are equal for 1,024 contexts, jumbo frames among small ones', () => {
    const senders = Array.from({ length: 1024 }, (_, index) => ({
      frameBytes: [9018, 60, 1514, 9018][index % 4] ?? 60,
      weight: 1,
    }));
    // PCI Express generation 3 x8 limits this: 39 of 100 Gb/s. 30 jumbo frames each take about 45 ms of it.
    const { index, wireBps } = measured(senders, 64, 5e6, 45e6);
    expect(wireBps).toBeGreaterThan(35e9);
    expect(index).toBeGreaterThan(0.999);
  });

  it('are equal for 4,096 contexts of 60 and 1,514 bytes on rings of 32 slots', () => {
    const senders = Array.from({ length: 4096 }, (_, index) => ({
      frameBytes: index % 2 === 0 ? 60 : 1514,
      weight: 1,
    }));
    const { index, wireBps } = measured(senders, 32, 5e6, 40e6);
    expect(wireBps).toBeGreaterThan(20e9);
    expect(index).toBeGreaterThan(0.999);
  });
});
