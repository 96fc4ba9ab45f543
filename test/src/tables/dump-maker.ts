import type { Region } from '../../host/iommu/support/regions.js';
import type { SparseMemory } from '../../host/iommu/support/sparse-memory.js';

/** A translation as a dump lists it. */
export interface Listed {
  [requester: string]: unknown;
  iova: string;
  physical: string;
  page_bits: number;
  read: boolean;
  write: boolean;
}

export const hex = (value: number | bigint) => `0x${value.toString(16)}`;

/** The frames of a memory as a dump holds them. */
export function framesOf(memory: SparseMemory): Record<string, string> {
  const frames: Record<string, string> = {};
  for (const [frame, view] of memory.pages) {
    frames[hex(frame * 4096)] = Buffer.from(view.buffer).toString('base64');
  }
  return frames;
}

/** Every page of a brute-force model that is reached with some permission, in the model's order. */
export function listTranslations(regions: readonly Region[], requester: Record<string, unknown>): Listed[] {
  const listed: Listed[] = [];
  for (const page of regions) {
    if (page.kind !== 'page') continue;
    const above = regions.filter((r) => r.level > page.level && r.start <= page.start && page.end <= r.end);
    const read = [page, ...above].every((region) => region.read);
    const write = [page, ...above].every((region) => region.write);
    if (!(read || write)) continue;
    const { start, physical, pageBits } = page;
    listed.push({
      ...requester,
      iova: hex(start),
      physical: hex(physical),
      page_bits: pageBits,
      read,
      write,
    });
  }
  return listed;
}

/** Runs `run` with an io that collects what is written. */
export function captured(): {
  io: { out(text: string): void; err(text: string): void };
  out(): string;
  err(): string;
} {
  const out: string[] = [];
  const err: string[] = [];
  return {
    io: { out: (text) => out.push(text), err: (text) => err.push(text) },
    out: () => out.join(''),
    err: () => err.join(''),
  };
}
