import { describe, expect, it } from 'vitest';
import { checkScenario, simulate } from '../../../src/index.js';

const guests = [
  { name: 'a', traffic: { kind: 'greedy' as const } },
  { name: 'b', traffic: { kind: 'greedy' as const, frameBytes: 300 } },
];
const at = { protection: 'iommu:persistent', durationNs: 2_000_000, seed: 1 };

describe('what a scenario says of the IOMMU', () => {
  it('is what the run has: a smaller IOTLB walks more', async () => {
    const large = await simulate({ guests, iommu: { iotlbEntries: 1024 } }, at);
    const small = await simulate({ guests, iommu: { iotlbEntries: 4 } }, at);
    const walks = (run: typeof large) => run.protectionDetails.walks ?? Number.NaN;
    expect(walks(small)).toBeGreaterThan(2 * walks(large));
    expect(small.laws.every(({ held }) => held)).toBe(true);
  });

  it('chooses the vendor: both carry the same frames, each with a unit of its own', async () => {
    const vtd = await simulate({ guests, iommu: { vendor: 'vtd' } }, at);
    const amd = await simulate({ guests, iommu: { vendor: 'amdvi' } }, at);
    expect(amd.bytesTransmitted).toBeGreaterThan(0);
    expect(Math.abs(amd.bytesTransmitted / vtd.bytesTransmitted - 1)).toBeLessThan(0.05);
    // A root and a context entry there, one device table entry here.
    expect(vtd.protectionDetails.contextReads).toBe(2 * (amd.protectionDetails.contextReads ?? 0));
  });

  it('says by name what it does not know', () => {
    expect(() => checkScenario({ guests, iommu: { vendor: 'arm' } })).toThrow(/iommu\.vendor is "arm"/u);
    expect(() => checkScenario({ guests, iommu: { walkers: 0 } })).toThrow(/iommu\.walkers is 0/u);
  });
});
