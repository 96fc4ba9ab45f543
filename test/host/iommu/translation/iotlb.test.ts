import { describe, expect, it } from 'vitest';
import { Iotlb } from '../../../../host/iommu/translation/iotlb.js';
import { NO_SLOT } from '../../../../host/iommu/translation/tag-store.js';
import { hostPhysicalAddress, ioPageOf, ioVirtualAddress } from '../../../../nic/addresses.js';

const SIZES = [12, 21, 30] as const;
const DOMAIN = 3;
const PAGE = ioPageOf(ioVirtualAddress(2 ** 30));
/** Where the page of a size goes; all of them start at IOVA 2^30. */
const physicalOf = (bits: number) => hostPhysicalAddress(2 ** (bits + 4));

function holding(order: readonly number[]): Iotlb {
  const iotlb = new Iotlb(16, 16, 'lru', 1);
  for (const bits of order) iotlb.insert(DOMAIN, bits, PAGE, physicalOf(bits), true, true);
  return iotlb;
}

/** What the IOTLB finds for an address: the size of the page. */
function found(iotlb: Iotlb, iova: number): number | undefined {
  return iotlb.find(DOMAIN, ioPageOf(ioVirtualAddress(iova))) === NO_SLOT ? undefined : iotlb.foundBits;
}

describe('an IOTLB that holds pages of several sizes', () => {
  it.each([
    [12, 21, 30],
    [30, 21, 12],
    [21, 30, 12],
    [30, 12, 21],
    [21, 12, 30],
    [12, 30, 21],
  ])('answers with the smallest page that covers the address, held in the order %d, %d, %d', (...order) => {
    const iotlb = holding(order);
    expect(found(iotlb, 2 ** 30)).toBe(12);
    expect(found(iotlb, 2 ** 30 + 4096)).toBe(21);
    expect(found(iotlb, 2 ** 30 + 2 ** 21)).toBe(30);
    expect(found(iotlb, 2 ** 31)).toBeUndefined();
  });

  it('notes a size once, however many pages of it come', () => {
    // More often than it could have sizes.
    const iotlb = holding(Array.from({ length: 40 }, () => [...SIZES, 21, 12]).flat());
    expect(iotlb.size).toBe(3);
    expect(SIZES.map((bits) => found(iotlb, 2 ** 30 + 2 ** bits / 2))).toEqual(SIZES);
  });

  it('replaces what it holds of a page: place and permissions', () => {
    const iotlb = holding([12]);
    const slot = iotlb.find(DOMAIN, PAGE);
    expect([iotlb.physical(slot), iotlb.permits(slot, true)]).toEqual([physicalOf(12), true]);
    iotlb.insert(DOMAIN, 12, PAGE, hostPhysicalAddress(4096), true, false);
    expect(iotlb.find(DOMAIN, PAGE)).toBe(slot);
    expect([iotlb.physical(slot), iotlb.permits(slot, false), iotlb.permits(slot, true)]).toEqual([
      4096,
      true,
      false,
    ]);
    iotlb.insert(DOMAIN, 12, PAGE, hostPhysicalAddress(0), false, false);
    expect([iotlb.isAbsent(slot), iotlb.size, iotlb.entries]).toEqual([true, 1, 16]);
  });

  it('loses all pages of a domain with it, of every size, and none of another', () => {
    const iotlb = holding(SIZES);
    iotlb.insert(DOMAIN + 1, 12, PAGE, physicalOf(12), true, true);
    iotlb.removeDomain(DOMAIN);
    expect(found(iotlb, 2 ** 30)).toBeUndefined();
    expect(iotlb.size).toBe(1);
  });
});
