import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeProtection } from '../../host/protection/approaches.js';
import { makeDiscipline } from '../../scheduler/disciplines/make-discipline.js';
import { Machine } from '../../src/machine/machine.js';
import { RunCapture } from '../../src/report/run-capture.js';
import { RunTrace } from '../../src/report/run-trace.js';
import { checkScenario } from '../../src/scenario/load.js';
import { median, round } from '../measure.js';
import type { Row, Section } from '../section.js';

const APPROACHES = ['none', 'cdna', 'iommu:single-use'] as const;
const CONTEXTS = 32;
const FRAMES = 8_000;
const WARM_UPS = 3;
const TURNS = 8;
const STEP_NS = 100_000;

/** What is written while the machine runs. */
interface Recording {
  readonly name: string;
  readonly pcapng: boolean;
  readonly trace: boolean;
}

const RECORDINGS: readonly Recording[] = [
  { name: 'off', pcapng: false, trace: false },
  { name: 'pcapng', pcapng: true, trace: false },
  { name: 'trace', pcapng: false, trace: true },
  { name: 'pcapng and trace', pcapng: true, trace: true },
];

/**
 * The end-to-end rows with files being written, whole frames and every event of every stream, in a temporary folder
 * that is removed. The machine is built from a scenario, as the command line does it, so that the recorders are those
 * that a user has. Machines that differ in what they record run alternately, a stretch each in processor time, and the
 * median of the ratios to the unrecorded stretch of the same turn counts.
 */
export const recorded: Section = {
  name: 'recorded',
  title: 'End to end with pcapng and trace on, 32 contexts',
  run({ progress, quick }) {
    const rows: Row[] = [];
    for (const protection of quick ? APPROACHES.slice(1, 2) : APPROACHES) {
      for (const frameBytes of [60, 1514]) {
        progress(`recorded: ${protection}, ${frameBytes} bytes`);
        rows.push(...measure(protection, frameBytes, quick));
      }
    }
    return rows;
  },
};

function measure(protection: string, frameBytes: number, quick: boolean): Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'cdna-nic-bench-'));
  const runs = RECORDINGS.map((recording) => new RecordedRun(folder, protection, frameBytes, recording));
  try {
    for (let turn = 0; turn < (quick ? 1 : WARM_UPS); turn += 1) for (const run of runs) run.stretch();
    for (let turn = 0; turn < (quick ? 1 : TURNS); turn += 1) {
      // Each is first as often as the others.
      const first = turn % runs.length;
      for (const run of [...runs.slice(first), ...runs.slice(0, first)]) run.times.push(run.stretch());
    }
    const off = runs[0]?.times ?? [];
    return runs.map(({ recording, times }) => ({
      protection,
      contexts: CONTEXTS,
      frameBytes,
      recording: recording.name,
      packetsPerSecond: Math.round(1e9 / median(times)),
      nsPerOperation: round(median(times)),
      fastestNs: round(Math.min(...times)),
      slowestNs: round(Math.max(...times)),
      timesOff: Number(median(times.map((ns, turn) => ns / (off[turn] ?? Number.NaN))).toPrecision(3)),
    }));
  } finally {
    for (const run of runs) run.abort();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A machine and what it writes. */
class RecordedRun {
  readonly recording: Recording;
  /** Processor time per frame of each stretch that counts, ns. */
  readonly times: number[] = [];
  readonly #machine: Machine;
  readonly #capture: RunCapture | undefined;
  readonly #timeline: RunTrace | undefined;

  constructor(folder: string, protection: string, frameBytes: number, recording: Recording) {
    const machine = buildMachine(protection, frameBytes);
    const { name, pcapng, trace } = recording;
    this.recording = recording;
    this.#machine = machine;
    this.#capture = pcapng ? new RunCapture(join(folder, `${name}.pcapng`), machine) : undefined;
    const endNs = Number.MAX_SAFE_INTEGER;
    this.#timeline = trace
      ? new RunTrace(join(folder, `${name}.pftrace`), machine, endNs, { protection })
      : undefined;
  }

  /** Runs on for some frames; processor time of each, ns. */
  stretch(): number {
    const start = process.cpuUsage();
    const delivered = deliver(this.#machine, FRAMES);
    const { user, system } = process.cpuUsage(start);
    return ((user + system) * 1000) / delivered;
  }

  abort(): void {
    this.#capture?.abort();
    this.#timeline?.abort();
  }
}

/** As GreedyMachine, by way of a scenario. */
function buildMachine(protection: string, frameBytes: number): Machine {
  const scenario = checkScenario({
    guests: [
      {
        count: CONTEXTS,
        traffic: { kind: 'greedy', frameBytes },
        memoryMegabytes: 16,
        transmitSlots: 64,
        receiveSlots: 16,
        coalesceFrames: 16,
        coalesceNs: 50_000,
      },
    ],
    nic: { rateBps: 100_000_000_000, pcie: { generation: 5, lanes: 16 } },
    host: { cores: 16 },
  });
  return new Machine({
    scenario,
    directory: '.',
    captures: new Map(),
    seed: 1,
    protection: makeProtection(protection),
    transmitDiscipline: makeDiscipline('drr'),
    receiveDiscipline: makeDiscipline('drr'),
  });
}

function deliver({ kernel, partner }: Machine, frames: number): number {
  const before = partner.framesFromNic;
  while (partner.framesFromNic < before + frames) kernel.run(kernel.nowNs + STEP_NS);
  return partner.framesFromNic - before;
}
