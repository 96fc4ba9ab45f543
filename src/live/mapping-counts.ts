import type { Protection } from '../../host/protection/protection.js';

/** What an IOMMU was asked to do, in pages of 4 KB: under `iommu:guest` by the guests' own units, else by a strategy of ours. */
export interface MappingCounts {
  readonly pagesMapped: number;
  readonly pagesUnmapped: number;
  readonly invalidations: number;
}

/** The counts of an approach since the start; undefined where nothing is mapped. */
export function mappingCounts(protection: Protection): MappingCounts | undefined {
  const { pagesMapped, pagesUnmapped, flushes } = protection.counters().details;
  if (pagesMapped === undefined || pagesUnmapped === undefined || flushes === undefined) return undefined;
  return { pagesMapped, pagesUnmapped, invalidations: flushes };
}

/** Counts for each frame that real guests sent or received; undefined where there was none. */
export function perFrame(counts: MappingCounts | undefined, frames: number): MappingCounts | undefined {
  if (counts === undefined || frames === 0) return undefined;
  return {
    pagesMapped: counts.pagesMapped / frames,
    pagesUnmapped: counts.pagesUnmapped / frames,
    invalidations: counts.invalidations / frames,
  };
}

/** What was counted between two moments. */
export function countsSince(
  now: MappingCounts | undefined,
  before: MappingCounts | undefined,
): MappingCounts | undefined {
  if (now === undefined || before === undefined) return undefined;
  return {
    pagesMapped: now.pagesMapped - before.pagesMapped,
    pagesUnmapped: now.pagesUnmapped - before.pagesUnmapped,
    invalidations: now.invalidations - before.invalidations,
  };
}

/** Counts per frame as a line of text. */
export function perFrameText(counts: MappingCounts | undefined): string {
  if (counts === undefined) return '-';
  const { pagesMapped, pagesUnmapped, invalidations } = counts;
  return `${pagesMapped.toFixed(2)} pages mapped, ${pagesUnmapped.toFixed(2)} unmapped, ${invalidations.toFixed(2)} invalidations`;
}
