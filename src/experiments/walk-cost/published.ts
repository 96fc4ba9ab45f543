import type { ReferenceFigure } from '../published.js';

const SOURCE = 'Rubin et al., Fast & Safe IO Memory Protection, SOSP 2024';

/** What a page costs however it is translated, ns (l0 of the model, fitted by its authors). */
export const PAGE_NS = 65;
/** What a read of a table costs, ns (lm). */
export const TABLE_READ_NS = 197;
/** Bytes of a page, and here of a frame (p). */
export const PAGE_BYTES = 4096;
/** How near the model came to its authors' measurements, as a fraction; the emulator is held to the same. */
export const TOLERANCE = 0.1;

/** The model: pages that take `readsPerPage` table reads each pass one walker at this rate, bits per second. */
export function modelBps(readsPerPage: number): number {
  return (PAGE_BYTES * 8e9) / (PAGE_NS + readsPerPage * TABLE_READ_NS);
}

const figure = (name: string, value: number, unit: string): ReferenceFigure => ({
  name,
  value,
  unit,
  source: SOURCE,
  certainty: 'S',
});

/** What the paper measured on a Cascade Lake Xeon with a 100 Gb/s card, 5 cores, rings of 256. */
export const PUBLISHED = {
  readsFew: figure('strict, 5 flows: table reads per page', 1.76, 'reads'),
  readsMany: figure('strict, 40 flows: table reads per page', 4.36, 'reads'),
  missesFew: figure('strict, 5 flows: IOTLB misses per page', 1.3, 'misses'),
  missesMany: figure('strict, 40 flows: IOTLB misses per page', 2.2, 'misses'),
  bpsFew: figure('strict, model at 5 flows', Number((modelBps(1.76) / 1e9).toFixed(1)), 'Gb/s'),
  bpsMany: figure('strict, model at 40 flows', Number((modelBps(4.36) / 1e9).toFixed(1)), 'Gb/s'),
} as const;

/** Reads of levels above the last, a page, that contiguous ranges leave at most. */
export const UPPER_READS_LEFT = 0.054;
