import { arch, cpus, platform } from 'node:os';
import { aimRows } from './aims.js';
import { Stopwatch } from './measure.js';
import type { Row } from './section.js';
import { sections } from './sections/index.js';

/** Options of the bench. */
export interface BenchRequest {
  readonly quick: boolean;
  /** Names of sections; every one when empty. */
  readonly only: readonly string[];
  readonly progress: (text: string) => void;
}

export interface SectionResult {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The JSON document of the bench. */
export interface BenchDocument {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly platform: string;
    readonly arch: string;
  };
  readonly node: string;
  readonly quick: boolean;
  /** Nanoseconds per packet of the floor, by frame size. */
  readonly floorNs: Readonly<Record<string, number>>;
  /** By name; `aims` is the last. */
  readonly sections: Readonly<Record<string, SectionResult>>;
}

/** Runs the requested sections, one after the other. @throws Error for an unknown name. */
export async function runBench({ quick, only, progress }: BenchRequest): Promise<BenchDocument> {
  const unknown = only.find((name) => !sections.some((section) => section.name === name));
  if (unknown !== undefined) {
    const names = sections.map(({ name }) => name).join(', ');
    throw new Error(`--only is "${unknown}", expected the name of a section: ${names}`);
  }
  const stopwatch = new Stopwatch(quick);
  const results: Record<string, SectionResult> = {};
  for (const { name, title, run } of sections) {
    if (only.length > 0 && !only.includes(name)) continue;
    progress(title);
    results[name] = { title, rows: await run({ quick, stopwatch, progress }) };
  }
  progress('');
  const findings = new Map(Object.entries(results).map(([name, { rows }]) => [name, rows]));
  // Aims of sections that were not requested are not missed but left out.
  const aims = aimRows(findings).filter(({ reached }) => only.length === 0 || reached !== null);
  results.aims = { title: 'Aims', rows: aims };
  return {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, platform: platform(), arch: arch() },
    node: process.version,
    quick,
    floorNs: stopwatch.floorNs,
    sections: results,
  };
}

/** One line on stderr that is overwritten, if it is a terminal. */
export function progressLine(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
