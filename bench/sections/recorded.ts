import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeProtection } from '../../host/protection/approaches.js';
import { makeDiscipline } from '../../scheduler/disciplines/make-discipline.js';
import { Machine } from '../../src/machine/machine.js';
import { RunCapture } from '../../src/report/run-capture.js';
import { RunTrace } from '../../src/report/run-trace.js';
import { checkScenario } from '../../src/scenario/load.js';
import { type Stopwatch, type Timing, timingColumns } from '../measure.js';
import type { Row, Section } from '../section.js';

const APPROACHES = ['none', 'cdna', 'iommu:single-use'] as const;
const CONTEXTS = 32;
const FRAMES = 8_000;
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
 * that a user has; the row with recording off is what the others are compared with.
 */
export const recorded: Section = {
  name: 'recorded',
  title: 'End to end with pcapng and trace on, 32 contexts',
  run({ stopwatch, progress, quick }) {
    const rows: Row[] = [];
    for (const protection of quick ? APPROACHES.slice(1, 2) : APPROACHES) {
      for (const frameBytes of [60, 1514]) {
        let off: Timing | undefined;
        for (const recording of RECORDINGS) {
          progress(`recorded: ${protection}, ${frameBytes} bytes, ${recording.name}`);
          const timing = timeRecorded(stopwatch, protection, frameBytes, recording);
          off ??= timing;
          rows.push({
            protection,
            contexts: CONTEXTS,
            frameBytes,
            recording: recording.name,
            packetsPerSecond: Math.round(1e9 / timing.medianNs),
            ...timingColumns(timing),
            timesOff: Number((timing.medianNs / off.medianNs).toPrecision(3)),
          });
        }
      }
    }
    return rows;
  },
};

function timeRecorded(
  stopwatch: Stopwatch,
  protection: string,
  frameBytes: number,
  { pcapng, trace }: Recording,
): Timing {
  const machine = buildMachine(protection, frameBytes);
  const folder = mkdtempSync(join(tmpdir(), 'cdna-nic-bench-'));
  const capture = pcapng ? new RunCapture(join(folder, 'run.pcapng'), machine) : undefined;
  const endNs = Number.MAX_SAFE_INTEGER;
  const timeline = trace
    ? new RunTrace(join(folder, 'run.pftrace'), machine, endNs, { protection })
    : undefined;
  try {
    return stopwatch.time(
      (frames) => {
        const start = process.cpuUsage();
        const delivered = deliver(machine, frames);
        const { user, system } = process.cpuUsage(start);
        return ((user + system) * 1000 * frames) / delivered;
      },
      { operations: FRAMES, repetitions: 5, warmUps: 3, frameBytes },
    );
  } finally {
    capture?.abort();
    timeline?.abort();
    rmSync(folder, { recursive: true, force: true });
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
