import { expect, it } from 'vitest';
import { fuzz } from './support/fuzz.js';

const APPROACHES = [
  ['none', false],
  ['dev', true],
  ['driver-domain', true],
  ['cdna', true],
  ['iommu:direct-map', true],
  ['iommu:single-use', true],
  ['iommu:deferred', true],
  ['cdna+iommu', true],
  ['iommu:guest', true],
] as const;

it.each(APPROACHES)(
  '100,000 hostile messages leave the victim its frames and its memory, and only their sender is charged (%s)',
  { timeout: 900_000 },
  (protection, stops) => {
    const { messages, leaks, damage } = fuzz({ protection, stops, cases: 300, steps: 80 });
    expect(messages).toBeGreaterThan(100_000);
    expect([leaks > 0, damage > 0]).toEqual([!stops, !stops]);
  },
);
