import type { IoVirtualAddress } from '../../../../nic/addresses.js';
import { countOf, tally } from '../../../../scheduler/tally.js';

/** Bytes that a table of the last level maps, and one of the level above it. */
export const REGION_BYTES = 2 ** 21;
const GIGABYTE = 2 ** 30;
const REGIONS_A_GIGABYTE = GIGABYTE / REGION_BYTES;

/** Tables above those of 1 GB and below the root. Guests' addresses end at 2^40, which is two tables of 512 GB. */
export function upperTables(levels: number): number {
  return levels <= 3 ? 0 : levels - 2;
}

/** Tables of a port's rings and status block: they lie above all that guests map, and may lie across a border. */
export function ringTables(levels: number): number {
  return levels;
}

/**
 * Where a guest's mappings lie, by the tables that they need: a region of 2 MB has a table of the last level, and a
 * gigabyte one above it.
 */
export class TableRegions {
  // Mappings that touch a region, and regions of a gigabyte.
  readonly #regions = new Map<number, number>();
  readonly #gigabytes = new Map<number, number>();

  /** Regions that mappings lie in. */
  get count(): number {
    return this.#regions.size;
  }

  /** Most table pages below a root that all of them need in a unit of so many levels. */
  tables(levels: number): number {
    return this.#regions.size + this.#gigabytes.size + upperTables(levels);
  }

  add(iova: IoVirtualAddress, bytes: number): void {
    eachRegion(iova, bytes, (region) => {
      if (!this.#regions.has(region)) tally(this.#gigabytes, gigabyteOf(region));
      tally(this.#regions, region);
    });
  }

  remove(iova: IoVirtualAddress, bytes: number): void {
    eachRegion(iova, bytes, (region) => {
      if (drop(this.#regions, region)) drop(this.#gigabytes, gigabyteOf(region));
    });
  }

  clear(): void {
    this.#regions.clear();
    this.#gigabytes.clear();
  }

  /** What a mapping would add. */
  fresh(iova: IoVirtualAddress, bytes: number): { readonly regions: number; readonly gigabytes: number } {
    let regions = 0;
    const gigabytes = new Set<number>();
    eachRegion(iova, bytes, (region) => {
      if (this.#regions.has(region)) return;
      regions += 1;
      if (!this.#gigabytes.has(gigabyteOf(region))) gigabytes.add(gigabyteOf(region));
    });
    return { regions, gigabytes: gigabytes.size };
  }
}

function gigabyteOf(region: number): number {
  return Math.floor(region / REGIONS_A_GIGABYTE);
}

/** One less; true when it was the last. */
function drop(counts: Map<number, number>, key: number): boolean {
  const left = countOf(counts, key) - 1;
  if (left === 0) counts.delete(key);
  else counts.set(key, left);
  return left === 0;
}

function eachRegion(iova: IoVirtualAddress, bytes: number, each: (region: number) => void): void {
  const last = Math.floor((iova + bytes - 1) / REGION_BYTES);
  for (let region = Math.floor(iova / REGION_BYTES); region <= last; region += 1) each(region);
}
