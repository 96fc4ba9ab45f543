import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  REGION_BYTES,
  ringTables,
  TableRegions,
  upperTables,
} from '../../../../../host/protection/iommu/guest-driven/table-regions.js';
import { ioVirtualAddress } from '../../../../../nic/addresses.js';
import { runs } from '../../../../support/whole.js';

const PAGE = 4096;
const TABLE_SPAN = 2 ** 21;
const DIRECTORY_SPAN = 2 ** 30;

interface Held {
  readonly iova: number;
  readonly bytes: number;
}

/** Spans of a size that mappings touch, counted by hand. */
const spans = (held: readonly Held[], span: number) => {
  const touched = new Set<number>();
  for (const { iova, bytes } of held)
    for (let at = iova - (iova % span); at < iova + bytes; at += span) touched.add(at);
  return touched.size;
};

describe('table pages that a guest’s mappings need (4 KB of entries map 2 MB, as in VT-d and AMD-Vi)', () => {
  it('are one for each 2 MB and one for each gigabyte, whatever comes and goes', () => {
    // Around the borders of two gigabytes.
    const mapping = fc.record({
      iova: fc.integer({ min: 0, max: 1400 }).map((page) => DIRECTORY_SPAN - 2 ** 20 + page * 2 ** 20),
      pages: fc.constantFrom(1, 2, 255, 256, 512, 513, 2000),
      odd: fc.integer({ min: 0, max: 255 }),
    });
    const step = fc.record({ mapping, removes: fc.boolean(), which: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const regions = new TableRegions();
        const held: Held[] = [];
        for (const { mapping: one, removes, which } of steps) {
          const [gone] = removes && held.length > 0 ? held.splice(which % held.length, 1) : [];
          if (gone !== undefined) regions.remove(ioVirtualAddress(gone.iova), gone.bytes);
          else {
            const next = { iova: one.iova + one.odd * PAGE, bytes: one.pages * PAGE };
            const before = [spans(held, TABLE_SPAN), spans(held, DIRECTORY_SPAN)];
            const fresh = regions.fresh(ioVirtualAddress(next.iova), next.bytes);
            held.push(next);
            regions.add(ioVirtualAddress(next.iova), next.bytes);
            expect(fresh).toEqual({
              regions: spans(held, TABLE_SPAN) - (before[0] ?? 0),
              gigabytes: spans(held, DIRECTORY_SPAN) - (before[1] ?? 0),
            });
          }
          expect(regions.count).toBe(spans(held, TABLE_SPAN));
          for (const [levels, upper] of [
            [3, 0],
            [4, 2],
            [5, 3],
          ] as const)
            expect(regions.tables(levels)).toBe(
              spans(held, TABLE_SPAN) + spans(held, DIRECTORY_SPAN) + upper,
            );
        }
        regions.clear();
        expect([regions.count, regions.tables(3)]).toEqual([0, 0]);
      }),
      { numRuns: runs(60) },
    );
  });

  it('are, above those, two of 512 GB and what is over them, and for rings one a level', () => {
    expect([3, 4, 5].map(upperTables)).toEqual([0, 2, 3]);
    expect([3, 4, 5].map(ringTables)).toEqual([3, 4, 5]);
    expect(REGION_BYTES).toBe(TABLE_SPAN);
  });
});
