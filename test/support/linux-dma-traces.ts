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
  readonly perm?: 'r' | 'w' | 'rw';
  /** Guest-physical page behind it; where the recorder was outside of the guest, the offset in its RAM. */
  readonly pa?: string;
  readonly off?: string;
  /** Frames sent and received so far. */
  readonly tx?: number;
  readonly rx?: number;
  readonly leaf?: boolean;
  readonly scope?: string;
}

type Entry = DmaOperation & { readonly section?: string };

/** The sections of a recording: transmit, then receive. */
export function sectionsOf(file: string): DmaOperation[][] {
  const sections: DmaOperation[][] = [];
  for (const entry of linesOf(file)) {
    if (entry.section !== undefined) sections.push([]);
    else if (entry.op !== undefined) sections.at(-1)?.push(entry);
  }
  return sections;
}

/** The operations of a recording without sections. */
export function entriesOf(file: string): DmaOperation[] {
  return linesOf(file).filter(({ op }) => op !== undefined);
}

function linesOf(file: string): Entry[] {
  const path = new URL(`../fixtures/linux-dma/${file}.jsonl.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Entry);
}
