import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** One operation of a recorded kernel; test/fixtures/linux-dma/README.md says how they were recorded. */
export interface DmaOperation {
  readonly op: 'map' | 'unmap' | 'inv';
  readonly tNs: number;
  readonly iova: string;
  /** Bytes of the mapping, whole pages, and those that the driver asked for. */
  readonly len: number;
  readonly bytes?: number;
  readonly perm?: 'r' | 'w';
  readonly leaf?: boolean;
  readonly scope?: string;
}

/** The sections of a recording: transmit, then receive. */
export function sectionsOf(file: string): DmaOperation[][] {
  const path = new URL(`../fixtures/linux-dma/${file}.jsonl.gz`, import.meta.url);
  const sections: DmaOperation[][] = [];
  for (const line of gunzipSync(readFileSync(path)).toString().trim().split('\n')) {
    const entry = JSON.parse(line) as DmaOperation & { readonly section?: string };
    if (entry.section !== undefined) sections.push([]);
    else if (entry.op !== undefined) sections.at(-1)?.push(entry);
  }
  return sections;
}
